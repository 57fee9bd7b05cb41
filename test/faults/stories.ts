// The stories: what may happen to a resource and its runs. A story of a later feature is a row here.
import { causeOf, runName } from '../../src/backup/run.ts';
import { backups, claims, jobs } from '../../src/backup/resources.ts';
import { KubeError } from '../../src/kube/errors.ts';
import { labels, wishes } from '../../src/api/names.ts';
import type { RunReport } from '../../src/run/report.ts';
import { aFailure, aReport } from '../support/builders.ts';
import { key, namespace } from '../flow/scene.ts';
import type { Attempt } from '../support/fake-jobs.ts';
import type { Story, Trial } from './trial.ts';

const incremental = { reason: 'IncrementalBackupTaken', type: 'Incremental' } as const;

/** The run that ends next, ends well. */
function succeed(trial: Trial): void {
  trial.finish(trial.activeJob(), aReport());
}

function fail(trial: Trial): void {
  trial.finish(trial.activeJob(), aFailure());
}

/** Every run of a cluster that runs its Jobs by itself. */
function always(...attempts: readonly Attempt[]): NonNullable<Story['script']> {
  return () => attempts;
}

const success: Attempt = { kind: 'reports', report: aReport() };

/** Runs end one way, and the Jobs that look into them tell this. */
function answering(report: RunReport, ...runs: readonly Attempt[]): NonNullable<Story['script']> {
  return ({ metadata }) =>
    metadata.labels?.[labels.task] === undefined ? runs : [{ kind: 'answers', report }];
}

/** What retention did, and when: told by a clock of its own. */
const pruned = { time: '2026-01-01T00:04:00.000Z', kept: 2, condemned: 0, removed: 1 } as const;
const enforced = { ...pruned, mode: 'Enforce' } as const;
const shown = { ...pruned, mode: 'Plan', condemned: 1, removed: 0 } as const;

const unknown = aFailure({ reason: 'ResultLost' });

/** Stories in which the cluster runs the Jobs, whatever the operator is doing meanwhile. */
export const played: readonly Story[] = [
  {
    name: 'played: a full and an incremental backup',
    script: always(success),
    acts: [(t) => t.apply({ trigger: { id: 'a' } }), (t) => t.trigger('b'), (t) => t.trigger('c')],
  },
  {
    name: 'played: a run that fails for good',
    script: always({ kind: 'reports', report: aFailure() }),
    acts: [(t) => t.apply(), (t) => t.trigger('b')],
  },
  {
    name: 'played: a second attempt succeeds',
    script: always({ kind: 'retryable' }, success),
    acts: [(t) => t.apply()],
  },
  {
    name: 'played: both attempts fail',
    script: always({ kind: 'retryable', report: aFailure() }),
    acts: [(t) => t.apply()],
  },
  {
    name: 'played: the first Pod is lost with its node',
    script: always({ kind: 'vanishes' }, success),
    acts: [(t) => t.apply()],
  },
  {
    name: 'played: two Pods at once',
    script: always({
      kind: 'twice',
      attempts: [
        { kind: 'silent', exitCode: 1 },
        { kind: 'reports', report: aReport() },
      ],
    }),
    acts: [(t) => t.apply()],
  },
  {
    name: 'played: a Pod that says nothing, and the volume has its backup',
    script: answering(aReport(), { kind: 'silent' }),
    acts: [(t) => t.apply()],
  },
  {
    name: 'played: a Pod that says nothing, and nor does the volume',
    script: answering(unknown, { kind: 'silent' }),
    acts: [(t) => t.apply()],
  },
  {
    name: 'played: the Job of a run is deleted, and the volume knows why it failed',
    script: answering(aFailure(), { kind: 'hangs' }),
    acts: [(t) => t.apply(), (t) => t.removeJob(t.activeJob())],
  },
  {
    name: 'played: the resource is deleted in mid-run',
    script: always({ kind: 'stuck', reason: 'ImagePullBackOff' }),
    acts: [(t) => t.apply(), (t) => t.kube.remove(backups, key)],
  },
  {
    name: 'played: the resource is made anew in mid-run',
    script: ({ metadata }) => [metadata.uid.length > 0 ? success : success],
    acts: [
      (t) => t.apply(),
      (t) => {
        t.kube.remove(backups, key);
        t.apply();
      },
    ],
  },
  {
    name: 'played: an image that is corrected',
    script: ({ spec }) =>
      spec.template.spec.initContainers?.some(({ image }) => image === 'neo4j:right') === true
        ? [success]
        : [{ kind: 'stuck', reason: 'ImagePullBackOff' }],
    acts: [(t) => t.apply(), (t) => t.edit({ neo4j: { version: '3.4.18', image: 'neo4j:right' } })],
  },
  {
    name: 'played: a run that its deadline ends',
    script: always({ kind: 'stuck', reason: 'ImagePullBackOff' }),
    restMs: 300_000,
    acts: [(t) => t.apply({ job: { activeDeadlineSeconds: 180 } })],
  },
];

/** Stories in which the acts play the cluster. */
export const acted: readonly Story[] = [
  { name: 'the first run', acts: [(t) => t.apply(), succeed] },
  { name: 'a run that fails', acts: [(t) => t.apply(), fail, (t) => t.trigger('again'), succeed] },
  {
    name: 'triggers, new, reverted and removed',
    acts: [
      (t) => t.apply({ trigger: { id: 'a' } }),
      succeed,
      (t) => t.edit({ trigger: { id: 'b', type: 'Full' } }),
      (t) => t.finish(t.activeJob(), aReport(incremental)),
      (t) => t.trigger('a'),
      (t) => t.edit({ trigger: undefined }),
    ],
  },
  {
    name: 'a trigger in the middle of a run',
    acts: [(t) => t.apply({ trigger: { id: 'a' } }), (t) => t.trigger('b'), fail, succeed],
  },
  { name: 'a second attempt', acts: [(t) => t.apply(), (t) => t.loseFirstPod(t.activeJob()), succeed] },
  {
    name: 'a Job that ends well and says nothing, and the volume has its backup',
    acts: [(t) => t.apply(), (t) => t.end(t.activeJob(), 'Complete'), (t) => t.answer(aReport())],
  },
  {
    name: 'a Job that its deadline ends, and the volume has nothing of it',
    acts: [
      (t) => t.apply(),
      (t) => t.end(t.activeJob(), 'Failed', 'DeadlineExceeded'),
      (t) => t.answer(unknown),
    ],
  },
  {
    name: 'a Job that somebody deletes, and the volume knows why it failed',
    acts: [(t) => t.apply(), (t) => t.removeJob(t.activeJob()), (t) => t.answer(aFailure())],
  },
  {
    name: 'a lost run that is asked about when the next backup has been taken',
    isOrdered: true,
    acts: [
      (t) => t.apply({ trigger: { id: 'a' } }),
      (t) => t.removeJob(t.activeJob()),
      (t) => t.trigger('b'),
      succeed,
      (t) => t.answer(aReport({ completionTime: '2026-01-01T00:00:30.000Z' })),
    ],
  },
  {
    name: 'a lost run, and the volume cannot be asked',
    acts: [
      (t) => t.apply(),
      (t) => t.removeJob(t.activeJob()),
      (t) => t.end(t.inspection(), 'Failed', 'BackoffLimitExceeded'),
      (t) => t.trigger('again'),
      succeed,
    ],
  },
  {
    name: 'a policy of retention that is edited: shown, then applied',
    isOrdered: true,
    acts: [
      (t) => t.apply({ retention: { keepLast: 3 } }),
      (t) => t.finish(t.activeJob(), aReport({ retention: enforced })),
      (t) => t.edit({ retention: { keepLast: 2, mode: 'Plan' } }),
      (t) => void t.tended('prune', { retention: shown }),
      (t) => t.edit({ retention: { keepLast: 2 } }),
      (t) => void t.tended('prune', { retention: enforced }),
    ],
  },
  {
    name: 'a Job that applies a policy makes room for a backup, which applies it',
    isOrdered: true,
    acts: [
      (t) => t.apply({ retention: { keepLast: 3 }, trigger: { id: 'a' } }),
      (t) => t.finish(t.activeJob(), aReport({ retention: enforced })),
      (t) => t.edit({ retention: { keepLast: 2 } }),
      (t) => t.trigger('b'),
      (t) => t.finish(t.activeJob(), aReport({ ...incremental, retention: enforced })),
    ],
  },
  {
    name: 'a Job that expires',
    acts: [
      (t) => t.apply(),
      succeed,
      (t) => t.removeJob(t.jobNames()[0] ?? ''),
      (t) => t.edit({ consistencyCheck: 'Always' }),
    ],
  },
  {
    name: 'the resource is deleted in mid-run',
    acts: [(t) => t.apply(), (t) => t.kube.remove(backups, key)],
  },
  {
    name: 'the resource is deleted in mid-run and its Job goes later',
    acts: [
      (t) => {
        t.kube.holdGarbage();
        t.apply();
      },
      (t) => t.kube.remove(backups, key),
      (t) => t.kube.collectGarbage(),
    ],
  },
  {
    name: 'the resource is deleted in mid-run, and somebody else holds it',
    acts: [
      (t) => t.apply({ trigger: { id: 'a' } }),
      (t) => t.holdBackup(),
      (t) => t.kube.remove(backups, key),
      (t) => t.edit({ trigger: { id: 'b' } }),
      (t) => t.letBackupGo(),
    ],
  },
  {
    name: 'the resource is made anew in mid-run',
    acts: [
      (t) => {
        t.kube.holdGarbage();
        t.apply();
      },
      (t) => {
        t.kube.remove(backups, key);
        t.apply();
      },
      (t) => t.kube.collectGarbage(),
      succeed,
    ],
  },
  {
    name: 'a claim that comes late',
    withClaim: false,
    acts: [(t) => t.apply(), (t) => t.makeClaim(), succeed],
  },
  {
    name: 'a claim that goes and comes',
    acts: [
      (t) => t.apply({ trigger: { id: 'a' } }),
      succeed,
      (t) => t.kube.remove(claims, { namespace, name: 'backups' }),
      (t) => t.trigger('b'),
      (t) => t.makeClaim(),
      succeed,
    ],
  },
  {
    name: 'a server that comes late',
    acts: [
      (t) => {
        t.serve(false);
        t.apply();
      },
      (t) => t.serve(true),
      succeed,
    ],
  },
  {
    name: 'a Service that leads elsewhere at first',
    acts: [
      (t) => {
        t.leadAway(true);
        t.apply();
      },
      (t) => t.leadAway(false),
      succeed,
    ],
  },
  {
    name: 'a run that starts anew when its spec is corrected',
    isOrdered: true,
    acts: [
      (t) => t.apply({ trigger: { id: 'a' } }),
      (t) => t.obstruct(t.activeJob()),
      (t) => t.edit({ neo4j: { version: '3.4.18', image: 'neo4j:right' } }),
      succeed,
      (t) => t.trigger('b'),
      fail,
    ],
  },
  {
    name: 'a run that starts anew, slowly',
    isOrdered: true,
    acts: [
      (t) => t.apply(),
      (t) => {
        t.obstruct(t.activeJob());
        t.hold(t.activeJob());
      },
      (t) => t.edit({ neo4j: { version: '3.4.18', image: 'neo4j:right' } }),
      (t) => t.end(t.activeJob(), 'Failed', 'BackoffLimitExceeded'),
      (t) => t.letGo(t.jobNames()[0] ?? ''),
      succeed,
    ],
  },
  {
    name: 'a run that was to start anew ends before',
    acts: [
      (t) => t.apply({ trigger: { id: 'a' } }),
      (t) => t.obstruct(t.activeJob()),
      (t) => {
        // The Job cannot be deleted, and its deadline strikes.
        const error = new KubeError('unavailable', 'no leader in etcd');
        t.kube.fail({ verbs: ['delete'], times: Infinity, error });
        t.edit({ neo4j: { version: '3.4.18', image: 'neo4j:right' } });
      },
      (t) => t.end(t.activeJob(), 'Failed', 'DeadlineExceeded'),
      (t) => {
        t.kube.clearFaults();
        t.trigger('b');
      },
      succeed,
    ],
  },
  {
    name: 'a Job of somebody else under the name of the run',
    withClaim: false,
    acts: [
      (t) => t.apply(),
      (t) => {
        t.makeForeignJob();
        t.makeClaim();
      },
      (t) => t.kube.remove(jobs, { namespace, name: runName(t.backup(), causeOf({})) }),
      succeed,
    ],
  },
  {
    name: 'a quota that refuses the Job',
    acts: [
      (t) => {
        const error = new KubeError('forbidden', 'exceeded quota: few', { status: 403 });
        t.kube.fail({ verbs: ['create'], type: 'jobs.batch', times: Infinity, error });
        t.apply();
      },
      (t) => t.kube.clearFaults(),
      succeed,
    ],
  },
];

/** Moments lie six minutes after each act, and as long before the next one: what is held up comes in time. */
const often = { schedule: '6-59/12 * * * *' };
const inBetween = { schedule: '*/12 * * * *' };
const withMoments = { isOrdered: true, onlyAtWrites: true, restMs: 12 * 60_000 } as const;

/** The story has an end. */
function suspend(trial: Trial): void {
  trial.edit({ suspend: true });
}

/** Stories of schedules. Each act is about what the moment before has led to. */
export const scheduled: readonly Story[] = [
  {
    name: 'a schedule, and one of full backups',
    ...withMoments,
    acts: [
      (t) => t.apply({ ...often, fullSchedule: '18 * * * *' }),
      succeed,
      (t) => t.finish(t.activeJob(), aReport(incremental)),
      fail,
      (t) => {
        succeed(t);
        suspend(t);
      },
    ],
  },
  {
    name: 'a moment that comes while a run is under way',
    ...withMoments,
    acts: [
      (t) => t.apply({ ...often, fullSchedule: '18 * * * *' }),
      () => undefined,
      succeed,
      (t) => {
        succeed(t);
        suspend(t);
      },
    ],
  },
  {
    name: 'one run makes up for what came while nobody was there',
    ...withMoments,
    acts: [
      (t) => t.apply(often),
      (t) => {
        succeed(t);
        t.leave();
      },
      () => undefined,
      (t) => t.comeBack(),
      (t) => {
        succeed(t);
        suspend(t);
      },
    ],
  },
  {
    name: 'a trigger while a run is due',
    ...withMoments,
    acts: [
      (t) => {
        t.serve(false);
        t.apply(often);
      },
      (t) => t.trigger('now'),
      (t) => t.serve(true),
      succeed,
      (t) => {
        suspend(t);
        succeed(t);
      },
    ],
  },
  {
    name: 'schedules that are edited while a run is under way, suspended, and let go',
    ...withMoments,
    acts: [
      (t) => t.apply(often),
      (t) => t.edit({ ...inBetween, spread: '12m' }),
      (t) => {
        succeed(t);
        t.edit({ ...often, spread: undefined, suspend: true });
      },
      (t) => t.edit({ suspend: false }),
      (t) => {
        suspend(t);
        t.annotate({ [wishes.runNow]: 'now' });
      },
      succeed,
      succeed,
    ],
  },
];

export const stories: readonly Story[] = [...acted, ...played, ...scheduled];
