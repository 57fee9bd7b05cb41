// What the arithmetic takes: of one pass, and of the first pass after an outage.
import { Cron } from 'croner';
import { decide } from '../../../src/backup/decide.ts';
import { account, turnOf, type Taken } from '../../../src/backup/ledger.ts';
import type { Observed } from '../../../src/backup/observe.ts';
import type { Neo4jBackup } from '../../../src/backup/resources.ts';
import { nextStatus } from '../../../src/backup/status.ts';
import { timingOf } from '../../../src/backup/timing.ts';
import { aBackup, anObserved } from '../../../test/support/builders.ts';
import { agentImage } from '../controller/operator.ts';
import { mixedSpec } from './mixture.ts';

const policy = { agentImage, allowedHosts: [], allowedImages: [] };

const resources = 5_000;
const rounds = 5;

/** Milliseconds of CPU that this thread has used: what else a busy machine does is not in it. */
function cpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

/** Microseconds of decide() and nextStatus() of one resource at rest, round by round. */
export interface Passes {
  readonly with: readonly number[];
  readonly without: readonly number[];
}

export function measurePasses(): Passes {
  const scheduled = Array.from({ length: resources }, (_, i) => atRest(mixedSpec(i), i));
  const plain = Array.from({ length: resources }, (_, i) => atRest({}, i));
  const measured = { with: [] as number[], without: [] as number[] };
  for (let round = 0; round <= rounds; round += 1) {
    const [scheduledTook, plainTook] = [timePasses(scheduled), timePasses(plain)];
    if (round === 0) continue; // the first one compiles
    measured.with.push(scheduledTook);
    measured.without.push(plainTook);
  }
  return measured;
}

function timePasses(all: readonly Observed[]): number {
  const begun = cpuMs();
  for (const seen of all) nextStatus(seen, decide(seen, policy), { kind: 'done' });
  return ((cpuMs() - begun) * 1_000) / all.length;
}

/** As it stands when a pass has told of it. The spec without a schedule has had its one run. */
function atRest(spec: Readonly<Record<string, unknown>>, i: number): Observed {
  const run = {
    id: `orders-${i}`,
    requestedType: 'Full',
    type: 'Full',
    result: 'Succeeded',
    reason: 'FullBackupTaken',
    message: 'A full backup was taken, read back and verified.',
    startTime: '2026-01-15T09:00:00Z',
    completionTime: '2026-01-15T09:05:00Z',
  } as const;
  const backup = aBackup({
    metadata: { name: `orders-${i}`, uid: `uid-${i}` },
    spec,
    // Looked at before: what was due since then is not made up for.
    status: { observedGeneration: 1, lastRun: run, lastFull: run, history: [run] },
  });
  const seen = observed(backup, new Date('2026-01-15T12:00:00Z'));
  const decision = decide(seen, policy);
  if (decision.standing.kind !== 'idle') throw new Error(`orders-${i} is not at rest`);
  const status = nextStatus(seen, decision, { kind: 'done' });
  return observed({ ...backup, status }, new Date('2026-01-15T12:10:00Z'));
}

function observed(backup: Neo4jBackup, now: Date): Observed {
  return anObserved({ now, backup, isServerReady: true });
}

const nominalTimes = 1_000_000;

/** So many moments of one schedule, each a minute after the other, that passed while nobody was there. */
export interface Outage {
  readonly moments: number;
  /** How many of them status tells of as missed: of all but the one that is made up for. */
  readonly told: number;
  /** Milliseconds of the pass that finds out what is due and of the one that tells of the rest, the first time in this process. */
  readonly first: number;
  /** The same, of other resources after it. */
  readonly later: readonly number[];
  /** Milliseconds of croner for so many, one after the other. */
  readonly stepwise: number;
}

export function measureOutage(): Outage {
  const [first, ...later] = Array.from({ length: 1 + rounds }, (_, i) => timeOutage(i));
  if (first === undefined) throw new Error('nothing was measured');
  return {
    moments: nominalTimes,
    told: first.told,
    first: first.ms,
    later: later.map(({ ms }) => ms),
    stepwise: timeStepwise(),
  };
}

interface Found {
  readonly ms: number;
  readonly told: number;
}

const until = new Date('2026-01-15T12:00:30Z');
const since = new Date(until.getTime() - nominalTimes * 60_000);

/** Each time in a zone of its own: nothing is remembered of the one before. */
function timeOutage(i: number): Found {
  const zones = ['Europe/Madrid', 'America/New_York', 'Asia/Kolkata', 'Australia/Sydney', 'Africa/Cairo'];
  const spec = {
    schedule: '* * * * *',
    fullSchedule: '0 1 * * 0',
    timeZone: zones[i] ?? 'America/Sao_Paulo',
    blackoutWindows: [{ schedule: '0 8 * * 1-5', duration: '3h' }],
  };
  const blank = aBackup({ metadata: { creationTimestamp: since.toISOString() }, spec });
  const status = { accountedThrough: since.toISOString(), observedTiming: timingOf(blank) };
  const seen = { backup: { ...blank, status }, now: until, runs: [] };
  const begun = cpuMs();
  const turn = turnOf(seen, account(seen, []));
  const time = turn?.due?.time.toISOString();
  if (time === undefined) throw new Error('nothing is due after the outage');
  const made: Taken = { id: 'r', requestedType: 'Auto', scheduledTime: time, startTime: until.toISOString() };
  const ledger = account(seen, [made]);
  turnOf(seen, ledger);
  const ms = cpuMs() - begun;
  return { ms, told: (ledger.missedRuns ?? []).reduce((sum, { count }) => sum + count, 0) };
}

/** What the library takes that names one moment after the other, of which so many would be tried. */
function timeStepwise(): number {
  const sample = nominalTimes / 100;
  const cron = new Cron('* * * * *', { timezone: 'Europe/Madrid' });
  const begun = cpuMs();
  let at: Date | null = since;
  for (let i = 0; i < sample && at !== null; i += 1) at = cron.nextRun(at);
  return ((cpuMs() - begun) * nominalTimes) / sample;
}
