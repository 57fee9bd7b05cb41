// What the controller decides, over years of anything that may happen to it: time that passes or is set, an operator that is
// away, edits, suspensions, runs that are slow or fail, triggers, servers that come and go, crashes before status is written.
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { V1Job } from '@kubernetes/client-node';
import { annotations, wishes } from '../../src/api/names.ts';
import { Neo4jBackupSpec, Neo4jBackupStatus, type MissedRuns } from '../../src/api/neo4jbackup.ts';
import { calendarOf } from '../../src/backup/calendar.ts';
import { decide } from '../../src/backup/decide.ts';
import { isFinished, type RunView } from '../../src/backup/outcome.ts';
import type { Job, Neo4jBackup } from '../../src/backup/resources.ts';
import { nextStatus } from '../../src/backup/status.ts';
import { instant, timingOf } from '../../src/backup/timing.ts';
import { aBackup, aFailure, aReport, aSpec, ended, anObserved } from '../support/builders.ts';
import { formatReport } from '../../src/run/report.ts';
import { concludeCampaign, plansOf, seed } from './campaign.ts';

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const policy = { agentImage: 'agent:1', allowedHosts: [], allowedImages: [] };
const createdMs = Date.parse('2026-03-27T12:34:56Z');

type Event =
  | { readonly kind: 'pass'; readonly spanMs: number }
  | { readonly kind: 'set'; readonly byMs: number }
  | { readonly kind: 'away'; readonly spanMs: number }
  | { readonly kind: 'crash' }
  | { readonly kind: 'edit'; readonly timing: object }
  | { readonly kind: 'suspend'; readonly suspend: boolean }
  | { readonly kind: 'serve'; readonly isThere: boolean }
  | { readonly kind: 'trigger'; readonly id: string }
  | { readonly kind: 'annotate'; readonly id: string }
  | { readonly kind: 'slow'; readonly runMs: number; readonly fails: boolean }
  | { readonly kind: 'removeJobs' };

const timings = fc.record({
  schedule: fc.constantFrom(
    '* * * * *',
    '*/15 * * * *',
    '0 * * * *',
    '30 2 * * *',
    '0 3 * * 0',
    '0 0 1 * *',
    undefined,
  ),
  fullSchedule: fc.constantFrom(undefined, undefined, '0 1 * * 0', '0 * * * *', '30 2 * * *'),
  timeZone: fc.constantFrom(undefined, 'Europe/Madrid', 'America/New_York', 'Australia/Lord_Howe'),
  startingDeadlineSeconds: fc.constantFrom(undefined, undefined, 60, 3_600),
  spread: fc.constantFrom(undefined, undefined, '10m', '3h'),
  blackoutWindows: fc.constantFrom(
    undefined,
    undefined,
    [{ schedule: '0 1 * * *', duration: '3h' }],
    [
      { schedule: '0 0 1 * *', duration: '2d' },
      { schedule: '0 22 * * *', duration: '4h' },
    ],
  ),
});

const span = fc.oneof(
  fc.integer({ min: 1, max: 3 * minute }),
  fc.integer({ min: minute, max: 5 * hour }),
  fc.integer({ min: hour, max: 9 * day }),
);

const quietEvents = [
  { arbitrary: span.map((spanMs): Event => ({ kind: 'pass', spanMs })), weight: 8 },
  {
    arbitrary: fc
      .oneof(span, fc.integer({ min: day, max: 400 * day }))
      .map((spanMs): Event => ({ kind: 'away', spanMs })),
    weight: 3,
  },
  { arbitrary: fc.constant<Event>({ kind: 'crash' }), weight: 2 },
  { arbitrary: fc.boolean().map((isThere): Event => ({ kind: 'serve', isThere })), weight: 2 },
  { arbitrary: fc.constantFrom('a', 'b', 'c').map((id): Event => ({ kind: 'trigger', id })), weight: 1 },
  { arbitrary: fc.constantFrom('x', 'y').map((id): Event => ({ kind: 'annotate', id })), weight: 1 },
  {
    arbitrary: fc
      .record({ runMs: fc.constantFrom(5_000, 50 * minute, 7 * hour), fails: fc.boolean() })
      .map((slow): Event => ({ kind: 'slow', ...slow })),
    weight: 2,
  },
  { arbitrary: fc.constant<Event>({ kind: 'removeJobs' }), weight: 1 },
  { arbitrary: fc.boolean().map((suspend): Event => ({ kind: 'suspend', suspend })), weight: 2 },
] as const;

const wildEvents = [
  ...quietEvents,
  { arbitrary: timings.map((edited): Event => ({ kind: 'edit', timing: edited })), weight: 2 },
  {
    arbitrary: fc
      .constantFrom(hour, -hour, 30 * minute, -30 * minute, 10 * 365 * day, -3 * day)
      .map((byMs): Event => ({ kind: 'set', byMs })),
    weight: 2,
  },
] as const;

function changeOf(event: Extract<Event, { kind: 'edit' | 'suspend' | 'trigger' }>): object {
  if (event.kind === 'edit') return event.timing;
  return event.kind === 'suspend' ? { suspend: event.suspend } : { trigger: { id: event.id, type: 'Auto' } };
}

interface Made {
  readonly job: Job;
  readonly scheduledTime: string | undefined;
  readonly atMs: number;
}

/** One resource, its Jobs and one operator, which passes over it as often as the controller would. */
class History {
  readonly violations: string[] = [];
  readonly made: Made[] = [];
  /** All that was ever told as missed, by reason: status keeps the newest ranges. */
  readonly missed = new Map<string, number>();
  #nowMs = createdMs;
  #setMs = 0;
  #backup: Neo4jBackup;
  #jobs: RunView[] = [];
  #isThere = true;
  #runMs = 5_000;
  #fails = false;
  #losesNextStatus = false;
  #wasSet = false;

  constructor(spec: object) {
    this.#backup = aBackup({
      metadata: { creationTimestamp: instant(createdMs) },
      spec: { ...spec },
    });
  }

  get backup(): Neo4jBackup {
    return this.#backup;
  }

  get now(): Date {
    return new Date(this.#nowMs + this.#setMs);
  }

  play(event: Event): void {
    if (event.kind === 'pass') return this.#live(event.spanMs);
    if (event.kind === 'away' || event.kind === 'set') return this.#leap(event);
    if (event.kind === 'edit' || event.kind === 'suspend' || event.kind === 'trigger')
      return this.#edit(changeOf(event), event.kind);
    this.#prepare(event);
  }

  /** What comes of it shows later. */
  #prepare(event: Exclude<Event, { kind: 'pass' | 'away' | 'set' | 'edit' | 'suspend' | 'trigger' }>): void {
    switch (event.kind) {
      case 'crash':
        this.#losesNextStatus = true;
        break;
      case 'serve':
        this.#isThere = event.isThere;
        break;
      case 'annotate': {
        const marks = { ...this.#backup.metadata.annotations, [wishes.runNow]: event.id };
        this.#backup = { ...this.#backup, metadata: { ...this.#backup.metadata, annotations: marks } };
        break;
      }
      case 'slow':
        this.#runMs = event.runMs;
        this.#fails = event.fails;
        break;
      case 'removeJobs':
        this.#jobs = this.#jobs.filter(({ job }) => !isFinished(job));
    }
  }

  /** One run makes up for all that came meanwhile. */
  #leap(event: Extract<Event, { kind: 'away' | 'set' }>): void {
    this.#wasSet ||= event.kind === 'set';
    if (event.kind === 'set') this.#setMs += event.byMs;
    else this.#nowMs += event.spanMs;
    this.#endRuns();
    this.#settle(event.kind, 1);
  }

  /** What the edit itself sets off: nothing that was not due before. */
  #edit(change: object, why: string): void {
    this.#settle(`before ${why}`);
    const { spec, metadata } = this.#backup;
    const merged = Neo4jBackupSpec.parse(
      Object.fromEntries(Object.entries({ ...spec, ...change }).filter(([, value]) => value !== undefined)),
    );
    this.#backup = {
      ...this.#backup,
      spec: merged,
      metadata: { ...metadata, generation: (metadata.generation ?? 1) + 1 },
    };
    this.#settle(why, 0);
  }

  /** Passes until nothing more comes of it. @param most scheduled runs that may start by that */
  #settle(why: string, most?: number): void {
    const before = this.#scheduled();
    for (let passes = 0; passes < 4; passes += 1) this.#pass();
    const started = this.#scheduled() - before;
    if (most !== undefined && started > most)
      this.violations.push(`${why}: ${started} scheduled runs started`);
  }

  #scheduled(): number {
    return this.made.filter(({ scheduledTime }) => scheduledTime !== undefined).length;
  }

  /** Time passes, and the controller wakes when it said it would, or something happens. */
  #live(spanMs: number): void {
    const endMs = this.#nowMs + spanMs;
    for (let passes = 0; passes < 40 && this.#nowMs < endMs; passes += 1) {
      const delayMs = this.#pass();
      const runEnds = this.#endOfRun();
      const wakes = [endMs, runEnds, delayMs === undefined ? Infinity : this.#nowMs + Math.max(1, delayMs)];
      this.#nowMs = Math.min(...wakes);
      this.#endRuns();
    }
    // What is left of a long span the operator sleeps through: then it was away.
    this.#nowMs = endMs;
    this.#endRuns();
    this.#settle('time has passed');
  }

  #endOfRun(): number {
    const active = this.#jobs.find(({ job }) => !isFinished(job));
    if (active === undefined) return Infinity;
    return Math.max(
      this.#nowMs,
      Date.parse(active.job.metadata.creationTimestamp) - this.#setMs + this.#runMs,
    );
  }

  #endRuns(): void {
    if (this.#endOfRun() > this.#nowMs) return;
    this.#jobs = this.#jobs.map((view) => (isFinished(view.job) ? view : this.#finished(view.job)));
  }

  #finished(job: Job): RunView {
    const report = this.#fails ? aFailure({ run: job.metadata.name }) : aReport({ run: job.metadata.name });
    const type = this.#fails ? ('Failed' as const) : ('Complete' as const);
    const lastTransitionTime = instant(
      Math.min(this.now.getTime(), Date.parse(job.metadata.creationTimestamp) + this.#runMs),
    );
    const status = { conditions: [{ type, status: 'True', reason: 'PodFailurePolicy', lastTransitionTime }] };
    const containerStatuses = [ended('report', this.#fails ? 20 : 0, { message: formatReport(report) })];
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...job.metadata, name: `${job.metadata.name}-a`, uid: `${job.metadata.uid}-a` },
      status: { phase: this.#fails ? 'Failed' : 'Succeeded', containerStatuses },
    } as const;
    return { job: { ...job, status }, pods: [pod] };
  }

  /** One pass. @returns when the controller wants to look again. Milliseconds */
  #pass(): number | undefined {
    const service = this.#isThere ? 'present' : 'absent';
    const seen = anObserved({ now: this.now, backup: this.#backup, runs: this.#jobs, service });
    const decision = decide(seen, policy);
    let created: Job | undefined;
    for (const action of decision.actions) {
      if (action.kind === 'deleteJob') this.#jobs = this.#jobs.filter(({ job }) => job !== action.job);
      else created = this.#make(action.job);
    }
    if (this.#losesNextStatus) {
      this.#losesNextStatus = false; // the process has died before it wrote
      return 0;
    }
    const outcome = { kind: 'done' as const, ...(created === undefined ? {} : { created }) };
    const status = nextStatus(seen, decision, outcome);
    Neo4jBackupStatus.parse(status);
    this.#countMissed(this.#backup.status?.missedRuns, status.missedRuns);
    this.#backup = { ...this.#backup, status };
    return decision.next.kind === 'after' ? decision.next.delayMs : undefined;
  }

  #make(job: V1Job): Job | undefined {
    const name = job.metadata?.name ?? '';
    const existing = this.#jobs.find((view) => view.job.metadata.name === name);
    if (existing !== undefined) return existing.job;
    const { apiVersion, kind, metadata: given, spec } = job;
    const { labels: marks, annotations: notes, ownerReferences } = given ?? {};
    const made = {
      apiVersion,
      kind,
      spec,
      metadata: {
        labels: marks,
        annotations: notes,
        ownerReferences,
        name,
        namespace: 'shop',
        uid: `${name}-uid-${this.made.length}`,
        resourceVersion: '1',
        creationTimestamp: instant(this.now.getTime()),
      },
    } as unknown as Job;
    const active = this.#jobs.filter((view) => !isFinished(view.job));
    if (active.length > 0)
      this.violations.push(`${name} starts while ${active[0]?.job.metadata.name} is under way`);
    if (job.metadata?.labels?.['neo4j-backup.dev/task'] === undefined) this.#noteRun(made);
    this.#jobs.push({ job: made, pods: [] });
    return made;
  }

  #noteRun(job: Job): void {
    const scheduledTime = job.metadata.annotations?.[annotations.scheduledTime];
    const again = this.made.some(({ job: other }) => other.metadata.name === job.metadata.name);
    if (again) this.violations.push(`${job.metadata.name} is made a second time (${scheduledTime})`);
    this.made.push({ job, scheduledTime, atMs: this.now.getTime() });
  }

  /** What has come since: the ranges only grow at their newer end, or new ones come. */
  #countMissed(before: readonly MissedRuns[] = [], after: readonly MissedRuns[] = []): void {
    for (const range of after) {
      const old = before.find(
        ({ reason, firstTime }) => reason === range.reason && firstTime === range.firstTime,
      );
      const grown = range.count - (old?.count ?? 0);
      // A clock that was far ahead has them come once more.
      if (grown < 0 && !this.#wasSet) this.violations.push(`a range of ${range.reason} has shrunk`);
      this.missed.set(range.reason, (this.missed.get(range.reason) ?? 0) + Math.max(0, grown));
      if (Date.parse(range.lastTime) < Date.parse(range.firstTime))
        this.violations.push('a range ends before it begins');
    }
  }

  /** Every moment up to the ledger's end had its run, or is told as missed. */
  checkAccount(): void {
    const { status, metadata } = this.#backup;
    const timing = timingOf(this.#backup);
    const calendar = calendarOf(timing, metadata.uid);
    if (calendar === undefined || status?.accountedThrough === undefined) return;
    const since = new Date(createdMs - calendar.spreadMs);
    const moments = calendar.timetable.count(since, new Date(status.accountedThrough));
    const told = [...this.missed.values()].reduce((sum, count) => sum + count, 0);
    const runs = this.#scheduled();
    if (moments !== runs + told)
      this.violations.push(`${moments} moments, ${runs} runs, ${told} told as missed`);
  }
}

/** How many histories of each kind. */
const plans = plansOf(150);

function tell(spec: object, events: readonly Event[]): History {
  const history = new History(spec);
  for (const event of [{ kind: 'pass', spanMs: 1_000 } as const, ...events]) history.play(event);
  return history;
}

test('what runs and what does not: at most one run each, never two at once, one to make up for all, and every moment told', () => {
  let count = 0;
  const violations: string[] = [];
  const look = (events: fc.Arbitrary<Event[]>, isCounted: boolean): void => {
    const property = fc.property(timings, events, (spec, happened) => {
      const history = tell(aSpec(spec), happened);
      if (isCounted) history.checkAccount();
      count += 1;
      expect(history.violations).toEqual([]);
    });
    const run = fc.check(property, { numRuns: plans, seed, endOnFailure: false });
    if (run.failed)
      violations.push(
        JSON.stringify({
          counterexample: run.counterexample,
          error: String(run.errorInstance).slice(0, 400),
        }),
      );
  };
  look(fc.array(fc.oneof(...quietEvents), { maxLength: 14 }), true);
  look(fc.array(fc.oneof(...wildEvents), { maxLength: 14 }), false);
  concludeCampaign('histories of schedules', count, violations);
});
