// A bit that flipped, or a file that ends early: whatever lies on the volume, verification finds it, and nobody believes it.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readCatalogue, writeCatalogue } from '../../src/volume/catalogue-file.ts';
import { checkDestination } from '../../src/volume/check.ts';
import { realFiles } from '../../src/volume/files.ts';
import type { Manifest } from '../../src/volume/manifest.ts';
import { newMark, parseMarks, readMarks, writeMarks } from '../../src/volume/marks.ts';
import { newestOf, readNewest } from '../../src/volume/newest.ts';
import { findRecord, readRecord, writeRecord } from '../../src/volume/records.ts';
import { temporaryFolder } from '../support/temporary.ts';
import { aPointName, makeArtifact, makePoint, readManifests } from '../support/volume.ts';
import { concludeCampaign } from './campaign.ts';

const plans = Number(process.env['PLANS'] ?? 1_000);
const seed = Number(process.env['SEED'] ?? Math.trunc(Math.random() * 2 ** 31));

/** Numbers below a bound, the same ones for the same seed (mulberry32). */
function dice(from: number): (below: number) => number {
  let state = from;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below) | 0;
  };
}

const time = '2026-02-01T03:00:00.000Z';
const uid = '7d1e6f0e-0000-4000-8000-000000000001';

/** Stores, a chain of artifacts, runs, marks and a catalogue: all that has content. */
async function aDestination(): Promise<string> {
  const root = join(temporaryFolder(), 'orders');
  mkdirSync(root);
  const chain = aPointName(3);
  const points = [
    await makePoint(root, { sequence: 1 }, { lastTransactionId: 8n }),
    await makePoint(root, { sequence: 2 }, { lastTransactionId: 9n }),
    await makeArtifact(root, { sequence: 3, chain }),
    await makeArtifact(root, { sequence: 4, chain, type: 'Incremental', parent: chain }),
  ];
  for (const run of ['orders-1', 'orders-2']) {
    const record = {
      schemaVersion: 1,
      run,
      reason: 'EngineFailed',
      message: 'It failed.',
      completionTime: time,
    };
    await writeRecord(realFiles, root, run, { record, output: `what the tool said in ${run}` });
  }
  await writeMarks(realFiles, root, new Map(points.map((point) => newMark(point, { time }))));
  await writeCatalogue(realFiles, root);
  return root;
}

/** Packed output is not among them: a bit of its header, or of what fills its last byte, says nothing. */
type Kind = 'data' | 'manifest' | 'record' | 'catalogue' | 'marks';

function kindOf(path: string): Kind {
  if (path === 'catalog.json') return 'catalogue';
  if (path === 'verification.json') return 'marks';
  if (path.startsWith('runs/')) return 'record';
  return path.endsWith('.json') ? 'manifest' : 'data';
}

/** What a damage leaves of the bytes. A line break after the end of JSON is not missed. */
function damaged(
  sound: Buffer,
  kind: Kind,
  roll: (below: number) => number,
): { readonly how: string; readonly bytes: Buffer } {
  if (roll(4) === 0) {
    const length = roll(sound.length - (kind === 'data' ? 0 : 1));
    return { how: `cut to ${length} bytes`, bytes: sound.subarray(0, length) };
  }
  const at = roll(sound.length);
  const bit = roll(8);
  const bytes = Buffer.from(sound);
  bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
  return { how: `bit ${bit} of byte ${at} flipped`, bytes };
}

function isSame(points: readonly Manifest[], others: readonly Manifest[]): boolean {
  const inOrder = others.toSorted((a, b) => a.sequence - b.sequence);
  return JSON.stringify(points) === JSON.stringify(inOrder);
}

/** What a reader still takes for true that it must not. */
const believers: Readonly<Record<Kind, (root: string, path: string) => Promise<string | undefined>>> = {
  // Of files it is verification that reads them.
  data: () => Promise.resolve(undefined),
  async manifest(root) {
    const read = await readManifests(root);
    const newest = await readNewest(root, 'another', uid);
    if (read.kind === 'tooNew') return undefined;
    if (read.kind !== 'ours' || read.damaged.length !== 1 || read.points.length !== 3)
      return 'it counts as a point';
    return newest.kind === 'ours' && isSame(newest.points, newestOf(read.points, 'another', uid))
      ? undefined
      : 'a run goes on from it';
  },
  async record(root, path) {
    const run = path.slice('runs/'.length, -'.json'.length);
    const found = await findRecord(root, run);
    return (await readRecord(root, run)) === undefined && found.kind !== 'good' ? undefined : 'it is told of';
  },
  async catalogue(root) {
    if ((await readCatalogue(root)).kind === 'good') return 'it is read';
    const read = await readManifests(root);
    const newest = await readNewest(root, 'another', uid);
    if (newest.kind === 'tooNew') return undefined;
    if (read.kind !== 'ours' || newest.kind !== 'ours') return 'nothing is found without it';
    if (!isSame(newest.points, newestOf(read.points, 'another', uid)))
      return 'a run decides otherwise without it';
    await writeCatalogue(realFiles, root);
    return (await checkDestination(root)).faults.length === 0 ? undefined : 'it is not made anew';
  },
  async marks(root) {
    const parsed = await parseMarks(root);
    return parsed.kind !== 'good' && (await readMarks(root)).size === 0 ? undefined : 'they are read';
  },
};

test('a bit that flips, and a file that ends early, are found and not believed', async () => {
  const root = await aDestination();
  const paths = readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.gz'))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .toSorted();
  const byKind = [...Map.groupBy(paths, kindOf)];
  expect(byKind).toHaveLength(5);
  expect(await checkDestination(root)).toMatchObject({ faults: [], notes: [], sound: 4 });

  const violations: string[] = [];
  for (let n = 0; n < plans; n += 1) {
    const roll = dice(seed + n);
    const [kind, ofKind] = byKind[roll(byKind.length)] ?? ['data', []];
    const path = ofKind[roll(ofKind.length)] ?? '';
    const sound = readFileSync(join(root, path));
    const { how, bytes } = damaged(sound, kind, roll);
    writeFileSync(join(root, path), bytes);
    const wrong = await missed(root, path, kind);
    if (wrong !== undefined) violations.push(`SEED=${seed + n} PLANS=1: ${path}, ${how}: ${wrong}`);
    writeFileSync(join(root, path), sound);
  }
  expect(await checkDestination(root)).toMatchObject({ faults: [], sound: 4 });
  concludeCampaign('bit flips', plans, violations);
});

/** What of a damage went unseen. */
async function missed(root: string, path: string, kind: Kind): Promise<string | undefined> {
  const { faults } = await checkDestination(root);
  const fault = faults.find((one) => one.path === path || one.path === '.');
  if (fault === undefined) return `verification does not name it: ${JSON.stringify(faults)}`;
  const isPartOfAPoint = kind === 'data' || kind === 'manifest';
  if (isPartOfAPoint && fault.path !== '.' && fault.takes.length === 0)
    return 'no restore point is lost to it';
  return believers[kind](root, path);
}
