// Known bugs of operators, each as one changed line, and the story in which it has to come out. A campaign that misses one of
// them proves nothing.
import type { Bug } from './mutant.ts';

export interface SeededBug extends Bug {
  /** Name of a story. */
  readonly comesOutIn: string;
}

const patches = {
  act: 'src/backup/act.ts',
  controller: 'src/backup/controller.ts',
  decide: 'src/backup/decide.ts',
  observe: 'src/backup/observe.ts',
  outcome: 'src/backup/outcome.ts',
  replacement: 'src/backup/replacement.ts',
  run: 'src/backup/run.ts',
  runtimeController: 'src/runtime/controller.ts',
  reflector: 'src/runtime/reflector.ts',
  queue: 'src/runtime/work-queue.ts',
  /** What leaves the process: here a client forgets what it should send. */
  wire: 'test/faults/operator-process.ts',
} as const;

export const bugs: readonly SeededBug[] = [
  {
    name: 'a-name-that-the-server-makes-up',
    file: patches.act,
    from: 'await client.create(jobs, namespace, job, { signal })',
    to: "await client.create(jobs, namespace, { ...job, metadata: { ...job.metadata, name: key.name + '-' + Math.random().toString(36).slice(2, 7) } }, { signal })",
    comesOutIn: 'the first run',
  },
  {
    name: 'a-deletion-by-name-without-uid',
    file: patches.wire,
    from: 'this.#options.kube.delete(resource, key, options)',
    to: 'this.#options.kube.delete(resource, key, { ...options, uid: this.#options.kube.peek(resource, key)?.metadata.uid ?? options.uid })',
    comesOutIn: 'a run that starts anew when its spec is corrected',
  },
  {
    name: 'a-status-without-resource-version',
    file: patches.wire,
    from: 'this.#options.kube.replaceStatus(resource, key, object, options)',
    to: 'this.#options.kube.replaceStatus(resource, key, { ...object, metadata: this.#options.kube.peek(resource, key)?.metadata }, options)',
    comesOutIn: 'triggers, new, reverted and removed',
  },
  {
    name: 'a-status-written-though-nothing-changed',
    file: patches.controller,
    from: 'if (!isDeepStrictEqual(status, backup.status ?? {})) {',
    to: 'if (isDeepStrictEqual(1, 1)) {',
    comesOutIn: 'the first run',
  },
  {
    name: 'no-list-after-410',
    file: patches.reflector,
    from: 'if (!canGoOn(watched)) this.#resourceVersion = undefined;',
    to: '',
    comesOutIn: 'the first run',
  },
  {
    name: 'no-list-ever-again',
    file: patches.reflector,
    from: 'const relistMs = 30 * 60_000;',
    to: 'const relistMs = Infinity;',
    comesOutIn: 'the first run',
  },
  {
    name: 'decisions-on-caches-alone',
    file: patches.decide,
    from: "if (standing.kind === 'starting' || ended.length > 0) return true;",
    to: '',
    comesOutIn: 'a trigger in the middle of a run',
  },
  {
    name: 'news-on-the-word-of-caches-alone',
    file: patches.controller,
    from: 'if (!needsFreshEyes(look.seen, look.decision) && !tellsNews(look)) return look;',
    to: 'if (!needsFreshEyes(look.seen, look.decision)) return look;',
    comesOutIn: 'a run that starts anew, slowly',
  },
  {
    name: 'a-job-of-anybody-is-adopted',
    file: patches.act,
    from: 'if (isOwnedBy(existing, backup.metadata.uid)) return',
    to: 'return',
    comesOutIn: 'a Job of somebody else under the name of the run',
  },
  {
    name: 'an-exit-code-that-is-believed',
    file: patches.outcome,
    from: 'const { reason, detail } = withoutReport(',
    to: "if (finished.type === 'Complete') return { kind: 'ended', status: { ...common(view.job), result: 'Succeeded', reason: 'FullBackupTaken', message: 'Done.', completionTime: completed } };\n  const { reason, detail } = withoutReport(",
    comesOutIn: 'a Job that ends well and says nothing',
  },
  {
    name: 'triggers-forgotten-with-their-jobs',
    file: patches.run,
    from: '...rememberedRuns(status).map(({ triggerID }) => triggerID),',
    to: '',
    comesOutIn: 'triggers, new, reverted and removed',
  },
  {
    name: 'a-name-without-the-uid',
    file: patches.run,
    from: '.update(`${backup.metadata.uid}\\0${cause}`)',
    to: '.update(`${backup.metadata.name}\\0${cause}`)',
    comesOutIn: 'the resource is made anew in mid-run',
  },
  {
    name: 'a-change-lost-during-a-pass',
    file: patches.queue,
    from: 'if (isWanted) this.add(key);\n    else if',
    to: 'if',
    comesOutIn: 'played: a full and an incremental backup',
  },
  {
    name: 'a-failed-pass-never-tried-again',
    file: patches.runtimeController,
    from: 'return this.#queue.retry(key, askedWaitMs(error));',
    to: 'this.#queue.done(key);\n    return undefined;',
    comesOutIn: 'the first run',
  },
  {
    name: 'a-job-deleted-before-status-says-why',
    file: patches.replacement,
    from: 'return isDeepStrictEqual(announced, replacedPods) ? { replacedPods, doomed: job } : { replacedPods };',
    to: 'return { replacedPods, doomed: job };',
    comesOutIn: 'a run that starts anew when its spec is corrected',
  },
  {
    name: 'a-run-for-what-is-being-deleted',
    file: patches.observe,
    from: 'return backup === undefined || backup.metadata.deletionTimestamp !== undefined;',
    to: 'return backup === undefined;',
    comesOutIn: 'the resource is deleted in mid-run, and somebody else holds it',
  },
];
