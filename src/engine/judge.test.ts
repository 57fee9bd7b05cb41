// What holds of every generation's reading, whatever arrives of the output: it is the output of two streams, cut in the
// middle, of a program that may have been killed at any moment, and of whoever talked to it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { generations, type Capture } from '../../test/support/captures.ts';
import { keptOutputBytes } from '../run/exchange.ts';
import { readKept } from '../run/kept.ts';
import type { Engine, Verdict } from './engine.ts';

/** Ways in which an output arrives otherwise than it was printed. */
function disturbed(
  captures: readonly Capture[],
): fc.Arbitrary<{ run: Capture; other: Capture; output: string }> {
  return fc
    .record({
      run: fc.constantFrom(...captures),
      other: fc.constantFrom(...captures),
      how: fc.constantFrom(...Object.keys(disturbances)),
      seed: fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
    })
    .map(({ run, other, how, seed }) => {
      const next = (below: number): number => Math.floor((seed.next().value ?? 0) * below);
      return {
        run,
        other: how === 'interleaved' ? other : run,
        output: disturbances[how]?.({ run, other, next }) ?? '',
      };
    });
}

interface Disturbance {
  readonly run: Capture;
  readonly other: Capture;
  /** A number from 0 to below the given one. */
  readonly next: (below: number) => number;
}

/** By name: what becomes of an output. */
const disturbances: Readonly<Record<string, (given: Disturbance) => string>> = {
  'as it was': ({ run }) => run.output,
  'one stream': ({ run, next }) => (next(2) === 0 ? run.stdout : run.stderr),
  reordered: ({ run, next }) => {
    const lines = run.output.split('\n');
    for (let left = Math.min(lines.length, 200); left > 0; left -= 1) {
      const [line = ''] = lines.splice(next(lines.length), 1);
      lines.splice(next(lines.length + 1), 0, line);
    }
    return lines.join('\n');
  },
  // Head and tail, as if the middle had been too long to be kept: within a line, as often as not.
  truncated: ({ run: { output }, next }) => {
    const at = next(output.length + 1);
    return output.slice(0, at) + output.slice(at + next(output.length - at + 1));
  },
  duplicated: ({ run, next }) => {
    const lines = run.output.split('\n');
    for (let count = next(20); count >= 0; count -= 1)
      lines.splice(next(lines.length), 0, lines[next(lines.length)] ?? '');
    return lines.join('\n');
  },
  interleaved: ({ run, other, next }) => {
    const lines = run.output.split('\n');
    for (const line of other.output.split('\n')) lines.splice(next(lines.length + 1), 0, line);
    return lines.join('\n');
  },
};

describe.each(generations)('the engine of $version', ({ engine, captures }) => {
  const verdictOf = ({ exitCode, output }: Capture): Verdict => engine.judge({ exitCode, output });
  const failing = captures.filter(({ exitCode }) => exitCode !== 0);
  const numRuns = 1000;

  test('takes no run for a success that was none, however its output arrives', () => {
    fc.assert(
      fc.property(disturbed(failing), ({ run, other, output }) => {
        const verdict = engine.judge({ exitCode: run.exitCode, output });
        // A second run's words may be mixed in: then both ended with a complete copy, or neither is taken.
        const isTrue = [run, other].some((capture) => verdictOf(capture).kind === 'taken');
        expect(verdict.kind === 'taken' && !isTrue).toBe(false);
      }),
      { numRuns },
    );
  });

  test('takes nothing for a success that was killed, or failed to start', () => {
    fc.assert(
      fc.property(disturbed(captures), fc.integer({ min: 4, max: 255 }), ({ output }, exitCode) => {
        expect(engine.judge({ exitCode, output }).kind).not.toBe('taken');
      }),
      { numRuns },
    );
  });

  test('asks for a second command only where the tool itself spoke of pruned logs', () => {
    fc.assert(
      fc.property(
        disturbed(captures),
        fc.integer({ min: 1, max: 255 }),
        ({ run, other, output }, exitCode) => {
          const isTrue = [run, other].some((capture) =>
            engine.prunedMarks.some((mark) => capture.output.includes(mark)),
          );
          expect(engine.judge({ exitCode, output }).kind === 'pruned' && !isTrue).toBe(false);
        },
      ),
      { numRuns },
    );
  });

  test('never throws, and tells a printable line that fits', () => {
    fc.assert(
      fc.property(disturbed(captures), fc.nat(255), fc.nat(3), ({ output }, exitCode, spoiled) => {
        const spoil = ['', '\u001b[2J\u001b]0;x\u0007', '\0\0\0', '\u202e\ud83d'][spoiled] ?? '';
        const verdict = engine.judge({ exitCode, output: output.replaceAll(' ', () => ` ${spoil}`) });
        const detail = verdict.kind === 'failed' ? verdict.detail : '';
        expect(detail.length).toBeLessThanOrEqual(300);
        expect(detail).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u);
      }),
      { numRuns: 300 },
    );
  });

  test('says the same of an output in colours', () => {
    const plainly = failing.map(({ name, exitCode, output }) => [name, engine.judge({ exitCode, output })]);
    const coloured = failing.map(({ name, exitCode, output }) => {
      const text = output.replaceAll(/^(?=.)/gm, '\u001b[31m').replaceAll(/(?<=.)$/gm, '\u001b[0m');
      return [name, engine.judge({ exitCode, output: readKept(Buffer.from(text)) })];
    });
    expect(coloured).toEqual(plainly);
  });
});

/** What the patterns of all engines begin with: a text of nothing else makes a search begin again and again. */
const beginnings = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts'))
  .flatMap((file) => [
    ...readFileSync(join(import.meta.dirname, file), 'utf8').matchAll(
      /[[(, ]\/((?:\\.|[^/\\\n])+)\/[gimsu]*[,.\])]/g,
    ),
  ])
  .flatMap(([, pattern = '']) => pattern.split('|'))
  .map((pattern) => /^[\^(?:]*((?:\\[/.[({']|[\w :'$,.-])+)/.exec(pattern)?.[1]?.replaceAll('\\', '') ?? '')
  .filter((text) => text.length > 1);

describe('one line as long as all that is kept', () => {
  const hostile = [...new Set([...beginnings, '.', '. ', 'a.', 'at ', '-----BEGIN ', 'a:b@', 'Caused by: '])];
  const engines = generations.map(({ version, engine }) => ({ version, engine }));

  test('is told from what the patterns of the engines begin with', () => {
    expect(hostile.length).toBeGreaterThan(20);
    expect(hostile).toContain('temp-copy/');
  });

  /**
   * A search that takes the square of the length needs minutes for it, one that does not some milliseconds. Ten seconds
   * tell the two apart on any machine.
   */
  test.each(engines)('is read by the engine of $version in no time, whatever it is made of', ({ engine }) => {
    const slowest = hostile
      .map((text) => ({ text, ms: timeOf(engine, text) }))
      .filter(({ ms }) => ms > 10_000);
    expect(slowest).toEqual([]);
  });
});

function timeOf(engine: Engine, text: string): number {
  const output = text.repeat((2 * keptOutputBytes) / text.length);
  const started = performance.now();
  engine.judge({ exitCode: 1, output });
  return performance.now() - started;
}
