// The script runs with the sh of this machine; tools are small scripts of their own.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { temporaryFolder } from '../../test/support/temporary.ts';
import {
  engineScript,
  exchange,
  formatArguments,
  keptOutputBytes,
  formatSteps,
  mounts,
  type Step,
  type StepID,
} from './exchange.ts';

const farAway = Math.floor(Date.now() / 1000) + 600;
const longGone = 1;

/** What a first step prints that is to be followed by a second one. */
const mark = 'PrunedException';

interface Shell {
  readonly name: string;
  readonly argv: readonly string[];
  readonly path: string;
}

const imagePath = '/usr/local/bin:/usr/bin:/bin';

/** Where Debian's busybox is installed (the suite `cluster` needs it, too), its programs alone, as in Alpine's images. */
const busybox = '/bin/busybox';
const applets = mkdtempSync(join(tmpdir(), 'applets-'));
afterAll(() => rmSync(applets, { recursive: true }));
if (existsSync(busybox))
  for (const applet of execFileSync(busybox, ['--list'], { encoding: 'utf8' }).trim().split('\n'))
    symlinkSync(busybox, join(applets, applet));

/** What stands behind /bin/sh in the images of Neo4j: dash in Debian's, bash in Red Hat's, busybox in Alpine's. */
const shells: readonly Shell[] = [
  { name: 'sh', argv: ['sh'], path: imagePath },
  { name: 'bash', argv: ['bash', '--posix'], path: imagePath },
  ...(existsSync(busybox) ? [{ name: 'busybox', argv: [join(applets, 'sh')], path: applets }] : []),
];

/** An exchange folder, and a tool in it. */
class Bench {
  readonly folder = temporaryFolder();
  readonly #shell: Shell;
  #script = engineScript.replaceAll(mounts.exchange, this.folder);

  constructor(shell: Shell, deadline = farAway) {
    this.#shell = shell;
    this.write(exchange.deadline, String(deadline));
  }

  write(name: string, content: string): void {
    writeFileSync(join(this.folder, name), content);
  }

  /** A tool that does what the text says, in sh. */
  tool(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, `#!/bin/sh\n${text}\n`);
    chmodSync(path, 0o755);
    return path;
  }

  steps(...steps: readonly Step[]): void {
    for (const [name, content] of formatSteps(steps)) this.write(name, content);
  }

  /** One step, or two: then the second runs when the first ends with code 1 and prints one of the marks. */
  commands(first: readonly string[], second?: readonly string[], when: readonly string[] = [mark]): void {
    const one: Step = { id: '1', argv: first };
    if (second === undefined) return this.steps(one);
    return this.steps(one, { id: '2', argv: second, after: { step: '1', exitCodes: [1], when } });
  }

  /** Changes the text of the script: where a test must not wait, or wants to be somewhere at the right moment. */
  patch(from: string, to: string): void {
    if (!this.#script.includes(from)) throw new Error(`the script has no ${from}`);
    this.#script = this.#script.replaceAll(from, () => to); // a function: $ means itself
  }

  start(stdout: 'pipe' | 'ignore' = 'pipe'): ChildProcess {
    // In a group of its own, so that what an end leaves running goes with the test: in a Pod, the container does that.
    // The PATH of an image, not that of whoever runs the tests: a folder in it that may not be read changes exit codes.
    const [program = '', ...flags] = this.#shell.argv;
    const shell = spawn(program, [...flags, '-c', this.#script], {
      detached: true,
      stdio: ['ignore', stdout, 'inherit'],
      env: { PATH: this.#shell.path },
    });
    onTestFinished(() => {
      try {
        process.kill(-(shell.pid ?? 0), 'SIGKILL');
      } catch {
        // all of it has ended by itself
      }
    });
    return shell;
  }

  /** Runs the script to its end. @returns its exit code */
  async run(): Promise<unknown> {
    const shell = this.start('ignore');
    const [code]: unknown[] = await once(shell, 'exit');
    return code;
  }

  read(name: string): string | undefined {
    const path = join(this.folder, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
  }

  code(step: StepID): string | undefined {
    return this.read(exchange.exitCode(step))?.trim();
  }
}

/** Until the tool has said something. */
async function said(shell: ChildProcess, text: string): Promise<void> {
  let seen = '';
  for await (const chunk of shell.stdout ?? []) {
    seen += String(chunk);
    if (seen.includes(text)) return;
  }
  throw new Error(`it said only ${seen}`);
}

/** Until a process is no more, or is but a line in the table of processes that nobody has read. */
async function gone(pid: string | undefined): Promise<void> {
  const stat = `/proc/${Number(pid)}/stat`;
  await expect
    .poll(() => existsSync(stat) && !/\) [ZX] /.test(readFileSync(stat, 'utf8')), { timeout: 10_000 })
    .toBe(false);
}

function commandLineOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return ''; // it has ended meanwhile
  }
}

describe.each(shells)('the engine script, with $name,', (shell) => {
  test('hands over every argument as it is, byte for byte', async () => {
    const hostile = [
      '-n',
      '--',
      '--name=$(touch pwned)',
      '`touch pwned`',
      '$HOME',
      '${IFS}',
      '"',
      "'",
      `'"'`,
      ' leading',
      'trailing  ',
      '\t',
      'a  b',
      '*',
      '/*',
      '?[a-z]',
      '\\',
      '\\n',
      'ends in \\',
      '\\\\',
      ';touch pwned',
      '&& touch pwned',
      '| touch pwned',
      '> pwned',
      '#',
      '~',
      '!!',
      '%s%n',
      '{a,b}',
      '',
      'ñ 𝛼 \u{1F4BE} e\u0301',
      '\u0001\u007f',
    ];
    const random = fc.sample(fc.string({ unit: 'grapheme' }), { numRuns: 300, seed: 7 });
    const given = [...hostile, ...random.filter((text) => !/[\n\r\0]/.test(text)), 'last '];
    const bench = new Bench(shell);
    bench.commands([bench.tool('tool', `printf '%s\\0' "$@" > received`), ...given]);
    expect(await bench.run()).toBe(0);
    expect(bench.read('received')).toBe(given.map((argument) => `${argument}\0`).join(''));
    expect(bench.read('pwned')).toBeUndefined();
  });

  test.each(['a\nb', 'a\rb', 'a\0b', '\n'])(
    'is never given an argument of more than one line: %j',
    (argument) => {
      expect(() => formatArguments(['tool', argument])).toThrow('one line');
    },
  );

  test.each([0, 1, 2, 3, 143, 255])('records exit code %i, and ends well itself', async (code) => {
    const bench = new Bench(shell);
    bench.commands([bench.tool('tool', `echo out; echo err >&2; exit ${code}`)]);
    expect(await bench.run()).toBe(0);
    expect(bench.code('1')).toBe(String(code));
    expect(bench.read(exchange.head('1'))).toBe('out\nerr\n');
    expect(bench.read(exchange.tail('1'))).toBe('');
    expect(bench.read(exchange.expired)).toBeUndefined();
    expect(bench.read(exchange.stopped)).toBeUndefined();
  });

  test('fails with a tool that was killed from outside: the kubelet starts nothing after a kill for want of memory', async () => {
    const bench = new Bench(shell);
    bench.commands([bench.tool('tool', 'kill -KILL $$')]);
    expect(await bench.run()).toBe(20);
    expect(bench.code('1')).toBe('137');
  });

  test('records that there is no such tool', async () => {
    const bench = new Bench(shell);
    bench.commands(['no-such-tool-at-all', 'backup']);
    expect(await bench.run()).toBe(0);
    expect(bench.code('1')).toBe('127');
    expect(bench.read(exchange.head('1'))).toMatch(/no-such-tool-at-all.*not found/);
  });

  test('records that the tool may not be executed', async () => {
    const bench = new Bench(shell);
    const tool = bench.tool('tool', 'exit 0');
    chmodSync(tool, 0o644);
    bench.commands([tool]);
    expect(await bench.run()).toBe(0);
    expect(bench.code('1')).toBe('126');
  });

  test('shows what the tool prints while it runs', async () => {
    const bench = new Bench(shell);
    bench.commands([bench.tool('tool', 'echo at work; sleep 60 > /dev/null 2>&1 & wait')]);
    await said(bench.start(), 'at work');
    expect(bench.code('1')).toBeUndefined();
  });

  test('keeps both ends of 100 MB, and no more', async () => {
    const bench = new Bench(shell);
    bench.commands([bench.tool('tool', 'echo first line; head -c 100000000 /dev/zero; echo last line')]);
    expect(await bench.run()).toBe(0);
    const [head, tail] = [exchange.head('1'), exchange.tail('1')].map((name) => join(bench.folder, name));
    expect(statSync(head ?? '').size).toBe(keptOutputBytes);
    expect(statSync(tail ?? '').size).toBe(keptOutputBytes);
    expect(readFileSync(head ?? '', 'utf8')).toMatch(/^first line\n/);
    expect(readFileSync(tail ?? '', 'utf8')).toMatch(/last line\n$/);
    expect(bench.code('1')).toBe('0');
  });

  test('shows no more than 64 MiB of what a tool prints that has gone mad', async () => {
    const mostBytes = shell.name === 'sh' ? 1_000_000_000 : 100_000_000; // one line of it
    const bench = new Bench(shell);
    bench.commands([bench.tool('tool', `head -c ${mostBytes} /dev/zero; echo; echo the end`)]);
    const running = bench.start();
    let shown = 0;
    running.stdout?.on('data', (chunk: Buffer) => {
      shown += chunk.length;
    });
    await once(running, 'close');
    expect(bench.code('1')).toBe('0');
    expect(shown).toBeGreaterThan(1_000_000);
    expect(shown).toBeLessThanOrEqual(64 * 1024 * 1024);
    expect(statSync(join(bench.folder, exchange.tail('1'))).size).toBe(keptOutputBytes);
    expect(bench.read(exchange.tail('1'))).toMatch(/\0\nthe end\n$/);
  });

  test('loses nothing between the two ends', async () => {
    const bench = new Bench(shell);
    bench.commands([bench.tool('tool', 'i=0; while [ $i -lt 60000 ]; do echo $i; i=$((i+1)); done')]);
    await bench.run();
    const whole = Array.from({ length: 60_000 }, (_, i) => `${i}\n`).join('');
    expect(whole.length).toBeGreaterThan(keptOutputBytes);
    const [head = '', tail = ''] = [bench.read(exchange.head('1')), bench.read(exchange.tail('1'))];
    expect([whole.startsWith(head), whole.endsWith(tail)]).toEqual([true, true]);
    // The head of busybox reads ahead.
    expect(whole.length - head.length - tail.length).toBeLessThanOrEqual(shell.path === applets ? 4096 : 0);
  });

  test('does nothing when there is nothing to do', async () => {
    const bench = new Bench(shell);
    bench.commands([bench.tool('tool', ': > ran')]);
    bench.write(exchange.skip, '');
    expect(await bench.run()).toBe(0);
    expect(bench.read('ran')).toBeUndefined();
    expect(bench.code('1')).toBeUndefined();
  });

  interface SecondCase {
    readonly name: string;
    readonly prints: string;
    readonly exits: number;
    readonly when: readonly string[];
    readonly second: string | undefined;
  }
  const secondCases: readonly SecondCase[] = [
    { name: 'runs when the first fails with the mark', prints: mark, exits: 1, when: [mark], second: '5' },
    {
      name: 'runs for any of several marks',
      prints: `x ${mark}: y`,
      exits: 1,
      when: ['Other', mark],
      second: '5',
    },
    {
      name: 'stays away when the first succeeds with the mark',
      prints: mark,
      exits: 0,
      when: [mark],
      second: undefined,
    },
    {
      name: 'stays away without the mark',
      prints: 'No space left',
      exits: 1,
      when: [mark],
      second: undefined,
    },
    { name: 'stays away when nothing is printed', prints: '', exits: 1, when: [mark], second: undefined },
    {
      name: 'takes the mark for text, not for a pattern',
      prints: 'PrunedException',
      exits: 1,
      when: ['Pruned.*'],
      second: undefined,
    },
  ];
  test.each(secondCases)('the second command $name', async ({ prints, exits, when, second }) => {
    const bench = new Bench(shell);
    const firstTool = bench.tool('first', `echo '${prints}' >&2; exit ${exits}`);
    bench.commands([firstTool], [bench.tool('second', 'echo from the second; exit 5')], when);
    expect(await bench.run()).toBe(0);
    expect(bench.code('1')).toBe(String(exits));
    expect(bench.code('2')).toBe(second);
    expect(bench.read(exchange.head('2'))).toBe(second === undefined ? undefined : 'from the second\n');
    expect(bench.read(exchange.head('1'))).toBe(`${prints}\n`);
  });

  interface AfterCase {
    readonly name: string;
    readonly after: Omit<NonNullable<Step['after']>, 'step'>;
    readonly exits: number;
    readonly prints?: string;
    readonly runs: boolean;
  }
  const afterCases: readonly AfterCase[] = [
    { name: 'after success', after: { exitCodes: [0] }, exits: 0, runs: true },
    { name: 'not after a failure', after: { exitCodes: [0] }, exits: 1, runs: false },
    { name: 'after one of several codes', after: { exitCodes: [0, 3] }, exits: 3, runs: true },
    {
      name: 'not after a code that one of several begins with',
      after: { exitCodes: [0, 12] },
      exits: 1,
      runs: false,
    },
    { name: 'after any code', after: { exitCodes: 'any' }, exits: 70, runs: true },
    {
      name: 'when none of the other marks is there',
      after: { exitCodes: [1], when: [mark], unless: ['Exception', 'Error'] },
      exits: 1,
      prints: 'command failed: Execution of backup failed',
      runs: true,
    },
    {
      name: 'not when one of them is',
      after: { exitCodes: [1], unless: ['Exception', 'Error'] },
      exits: 1,
      prints: 'java.net.ConnectException: Connection refused',
      runs: false,
    },
    {
      name: 'when its own mark is there, whatever else is',
      after: { exitCodes: [1], when: [mark], unless: ['Exception'] },
      exits: 1,
      prints: `a.b.${mark}: c`,
      runs: true,
    },
  ];
  test.each(afterCases)('a later step runs $name: $runs', async ({ after, exits, prints = '', runs }) => {
    const bench = new Bench(shell);
    bench.steps(
      { id: '1', argv: [bench.tool('first', `echo '${prints}'; exit ${exits}`)] },
      { id: '2', argv: [bench.tool('second', 'exit 5')], after: { step: '1', ...after } },
    );
    expect(await bench.run()).toBe(0);
    expect(bench.code('2')).toBe(runs ? '5' : undefined);
  });

  test('runs every step that is not tied to another, in order, each with its own output', async () => {
    const bench = new Bench(shell);
    const tool = bench.tool('tool', 'echo "$1"; echo "$1" >> order; exit "$1"');
    bench.steps(
      ...['1', '2', '3'].map((id) => ({ id, argv: [tool, id] })),
      // What never ran has no exit code to go by.
      { id: '4', argv: [tool, '4'], after: { step: '1', exitCodes: [9] } },
      { id: '5', argv: [tool, '5'], after: { step: '4', exitCodes: 'any' } },
      { id: '6', argv: [tool, '6'] },
    );
    expect(await bench.run()).toBe(0);
    expect(bench.read('order')).toBe('1\n2\n3\n6\n');
    expect(['1', '4', '5', '6'].map((id) => bench.code(id))).toEqual(['1', undefined, undefined, '6']);
    expect(bench.read(exchange.head('3'))).toBe('3\n');
  });

  test('begins no other step after one that was killed', async () => {
    const bench = new Bench(shell);
    bench.steps(
      { id: '1', argv: [bench.tool('first', 'kill -KILL $$')] },
      { id: '2', argv: [bench.tool('second', 'exit 0')] },
    );
    expect(await bench.run()).toBe(20);
    expect(bench.code('2')).toBeUndefined();
  });

  test('gives the tool nothing to read: neither the list of steps nor anything else', async () => {
    const bench = new Bench(shell);
    bench.steps(
      { id: '1', argv: [bench.tool('first', 'cat; { cat <&3; } 2> /dev/null; exit 0')] },
      { id: '2', argv: [bench.tool('second', 'exit 0')] },
    );
    await bench.run();
    expect(bench.read(exchange.head('1'))).toBe('');
    expect(bench.code('2')).toBe('0');
  });

  test('finds the mark in the last of 100 MB', async () => {
    const bench = new Bench(shell);
    const tool = bench.tool('first', `head -c 2000000 /dev/zero | tr '\\0' x; echo; echo ${mark}; exit 1`);
    bench.commands([tool], [bench.tool('second', 'exit 0')]);
    await bench.run();
    expect(bench.code('2')).toBe('0');
  });

  test('ends the tool at the deadline, says so, and runs no second command', async () => {
    const bench = new Bench(shell, longGone);
    bench.patch('sleep 3', 'sleep 0'); // the signal may come before the tool has opened its output
    const tool = bench.tool('tool', `echo ${mark}; exec sleep 60`);
    bench.commands([tool], [bench.tool('second', 'exit 0')]);
    expect(await bench.run()).toBe(0);
    expect(bench.code('1')).toBe('143');
    expect(bench.read(exchange.expired)).toBeDefined();
    expect(bench.code('2')).toBeUndefined();
  });

  test('kills a tool that does not care', async () => {
    const bench = new Bench(shell, longGone);
    bench.patch('sleep 5', 'sleep 0');
    bench.patch('sleep 3', 'sleep 0');
    bench.patch('set -u', "set -u\ntrap '' TERM"); // ignored from the first moment of the tool on
    bench.patch('trap stop', '#trap stop');
    // All that the script starts ignores it then, and waits for a tool that was killed before it had opened its output.
    bench.patch('kill "$copier"; sleep 1; kill "$keeper"', 'kill -KILL "$copier"; kill -KILL "$keeper"');
    bench.commands([bench.tool('tool', 'exec sleep 60')]);
    expect(await bench.run()).toBe(0);
    expect(bench.code('1')).toBe('137');
    expect(bench.read(exchange.expired)).toBeDefined();
  });

  test('does not wait for what a tool leaves running in the background', async () => {
    const bench = new Bench(shell);
    bench.patch('sleep 3', 'sleep 0');
    bench.commands([bench.tool('tool', 'sleep 60 & exit 3')]);
    expect(await bench.run()).toBe(0);
    expect(bench.code('1')).toBe('3');
  });

  test('ends at the deadline what the tool has started, too', async () => {
    const bench = new Bench(shell, longGone);
    bench.patch('sleep 3', 'sleep 0');
    bench.commands([bench.tool('tool', 'sleep 60 & echo $! > child; sleep 60; exit 0')]);
    expect(await bench.run()).toBe(0);
    expect(bench.code('1')).toBe('143');
    expect(bench.read(exchange.expired)).toBeDefined();
    await gone(bench.read('child'));
  });

  test('leaves nothing of an ended tool running: it would work on beside the next one', async () => {
    const bench = new Bench(shell);
    bench.patch('sleep 3', 'sleep 0');
    bench.commands([
      bench.tool('tool', "sh -c 'trap : TERM; while :; do sleep 60; done' & echo $! > child; exit 3"),
    ]);
    expect(await bench.run()).toBe(0);
    expect(bench.code('1')).toBe('3');
    await gone(bench.read('child'));
  });

  test('does not wait for a daemon that keeps the output open in a group of its own', async () => {
    const bench = new Bench(shell);
    bench.patch('sleep 3', 'sleep 0');
    bench.commands([
      bench.tool(
        'tool',
        "echo at work; setsid sh -c 'echo $$ > child; exec sleep 60' & until [ -s child ]; do :; done; exit 3",
      ),
    ]);
    expect(await bench.run()).toBe(0);
    expect(bench.code('1')).toBe('3');
    expect(bench.read(exchange.head('1'))).toBe('at work\n');
    process.kill(Number(bench.read('child')), 'SIGKILL'); // in a Pod the container's end does that
  });

  test('waits for a tool that has closed its output', async () => {
    const bench = new Bench(shell);
    bench.commands([bench.tool('tool', 'echo bye; exec > /dev/null 2>&1; sleep 0.2; : > late; exit 4')]);
    expect(await bench.run()).toBe(0);
    expect(bench.code('1')).toBe('4');
    expect(bench.read('late')).toBe('');
    expect(bench.read(exchange.head('1'))).toBe('bye\n');
  });

  test('hands SIGTERM to all that the tool has started, and kills what does not care', async () => {
    const bench = new Bench(shell);
    bench.patch('sleep 5', 'sleep 0.5');
    bench.patch('sleep 3', 'sleep 0');
    const child = "trap ': > told' TERM; while :; do sleep 0.1; done";
    const tool = bench.tool(
      'tool',
      `trap '' TERM; sh -c "${child}" & echo $! > child; echo ready; while :; do sleep 60; done`,
    );
    bench.commands([tool]);
    const running = bench.start();
    await said(running, 'ready');
    running.kill('SIGTERM');
    await once(running, 'exit');
    expect(bench.code('1')).toBe('137');
    expect(bench.read(exchange.stopped)).toBeDefined();
    await gone(bench.read('child'));
  });

  test('names no secret in the list of processes: neither of its environment nor of a file', async () => {
    const bench = new Bench(shell);
    const secret = 'cAnArY-in-a-file';
    bench.write('secret', secret);
    bench.commands([bench.tool('tool', 'read -r secret < secret; export secret; echo ready; sleep 60')]);
    await said(bench.start(), 'ready');
    const lines = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(commandLineOf);
    expect(lines.some((line) => line.includes(bench.folder))).toBe(true);
    expect(lines.filter((line) => line.includes(secret))).toEqual([]);
  });

  test('does without setsid: then the tool alone is ended', async () => {
    const bench = new Bench(shell, longGone);
    bench.patch('command -v setsid', 'command -v no-such-program');
    bench.patch('sleep 3', 'sleep 0');
    bench.commands([bench.tool('tool', 'exec sleep 60')]);
    expect(await bench.run()).toBe(0);
    expect(bench.code('1')).toBe('143');
  });

  test('hands over an argument of 100 kB, and says so of one that no kernel takes', async () => {
    const bench = new Bench(shell);
    const tool = bench.tool('tool', 'printf %s "$1" > received');
    const [long, tooLong] = ['-x'.repeat(50_000), 'x'.repeat(140_000)];
    bench.steps({ id: '1', argv: [tool, long] }, { id: '2', argv: [tool, tooLong] });
    expect(await bench.run()).toBe(0);
    expect(bench.code('1')).toBe('0');
    expect(bench.read('received')).toBe(long);
    expect(bench.code('2')).toMatch(/^(2|126|127)$/);
    expect(bench.read(exchange.head('2'))).toMatch(/too long/i);
  });

  test('passes SIGTERM on, waits for the tool, and says that it was stopped', async () => {
    const bench = new Bench(shell);
    const tool = bench.tool(
      'tool',
      `trap 'echo ${mark}; exit 7' TERM; echo ready; sleep 60 > /dev/null 2>&1 & wait`,
    );
    bench.commands([tool], [bench.tool('second', 'exit 0')]);
    const running = bench.start();
    await said(running, 'ready');
    running.kill('SIGTERM');
    await once(running, 'exit');
    expect(bench.code('1')).toBe('7');
    expect(bench.read(exchange.stopped)).toBeDefined();
    expect(bench.code('2')).toBeUndefined();
  });

  test('does not start the tool when SIGTERM came first', async () => {
    const bench = new Bench(shell);
    bench.patch('name=$1', 'name=$1\n  kill -TERM $$');
    bench.commands([bench.tool('tool', ': > ran')]);
    expect(await bench.run()).toBe(0);
    expect(bench.read('ran')).toBeUndefined();
    expect(bench.code('1')).toBeUndefined();
    expect(bench.read(exchange.stopped)).toBeDefined();
  });

  test('fails when there is no exchange folder: then nothing can be told', async () => {
    const bench = new Bench(shell);
    bench.patch(bench.folder, join(bench.folder, 'absent'));
    expect(await bench.run()).toBe(1);
  });
});
