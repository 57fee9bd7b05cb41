// Known bugs of operators, each as a changed line or two, and the story in which it has to come out. A campaign that misses one of
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
  inspection: 'src/backup/inspection.ts',
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
    comesOutIn: 'the first run',
    changes: [
      {
        file: patches.act,
        from: 'await client.create(jobs, namespace, job, { signal })',
        to: "await client.create(jobs, namespace, { ...job, metadata: { ...job.metadata, name: key.name + '-' + Math.random().toString(36).slice(2, 7) } }, { signal })",
      },
    ],
  },
  {
    name: 'a-deletion-by-name-without-uid',
    comesOutIn: 'a run that starts anew when its spec is corrected',
    changes: [
      {
        file: patches.wire,
        from: 'this.#options.kube.delete(resource, key, options)',
        to: 'this.#options.kube.delete(resource, key, { ...options, uid: this.#options.kube.peek(resource, key)?.metadata.uid ?? options.uid })',
      },
    ],
  },
  {
    name: 'a-status-without-resource-version',
    comesOutIn: 'triggers, new, reverted and removed',
    changes: [
      {
        file: patches.wire,
        from: 'this.#options.kube.replaceStatus(resource, key, object, options)',
        to: 'this.#options.kube.replaceStatus(resource, key, { ...object, metadata: this.#options.kube.peek(resource, key)?.metadata }, options)',
      },
    ],
  },
  {
    name: 'a-status-written-though-nothing-changed',
    comesOutIn: 'the first run',
    changes: [
      {
        file: patches.controller,
        from: 'if (!isDeepStrictEqual(status, backup.status ?? {})) {',
        to: 'if (isDeepStrictEqual(1, 1)) {',
      },
    ],
  },
  {
    name: 'no-list-after-410',
    comesOutIn: 'the first run',
    changes: [
      { file: patches.reflector, from: 'if (!canGoOn(watched)) this.#resourceVersion = undefined;', to: '' },
      // What lists after a few failures of any kind would heal it.
      { file: patches.reflector, from: 'const listAfter = 3;', to: 'const listAfter = Infinity;' },
    ],
  },
  {
    name: 'no-list-ever-again',
    comesOutIn: 'the first run',
    changes: [
      { file: patches.reflector, from: 'const relistMs = 20 * 60_000;', to: 'const relistMs = Infinity;' },
    ],
  },
  {
    name: 'decisions-on-caches-alone',
    comesOutIn: 'a trigger in the middle of a run',
    changes: [
      {
        file: patches.decide,
        from: 'if (actions.some(isDelicate) || ended.length > 0 || found.length > 0) return true;',
        to: '',
      },
      // What looks closer before it tells anything would heal it.
      {
        file: patches.controller,
        from: 'if (isSure && !tellsNews(look)) return look;',
        to: 'if (isSure) return look;',
      },
    ],
  },
  {
    name: 'news-on-the-word-of-caches-alone',
    comesOutIn: 'a run that starts anew, slowly',
    changes: [
      {
        file: patches.controller,
        from: 'if (isSure && !tellsNews(look)) return look;',
        to: 'if (isSure) return look;',
      },
    ],
  },
  {
    name: 'a-job-of-anybody-is-adopted',
    comesOutIn: 'a Job of somebody else under the name of the run',
    changes: [
      { file: patches.act, from: 'if (isOwnedBy(existing, backup.metadata.uid)) return', to: 'return' },
    ],
  },
  {
    name: 'an-exit-code-that-is-believed',
    comesOutIn: 'a Job that ends well and says nothing, and the volume has its backup',
    changes: [
      {
        file: patches.outcome,
        from: 'const isUnclear = reported?.path === undefined && leavesOpen(view, finished, lastObstacle);',
        to: "if (finished.type === 'Complete' && reported === undefined) return { kind: 'ended', status: { ...common(view.job), result: 'Succeeded', reason: 'FullBackupTaken', message: 'Done.', completionTime: '2026-01-01T00:00:00Z' } };\n  const isUnclear = false;",
      },
    ],
  },
  {
    name: 'triggers-forgotten-with-their-jobs',
    comesOutIn: 'triggers, new, reverted and removed',
    changes: [{ file: patches.run, from: '...rememberedRuns(status).map((run) => run[source]),', to: '' }],
  },
  {
    name: 'a-name-without-the-uid',
    comesOutIn: 'the resource is made anew in mid-run',
    changes: [
      {
        file: patches.run,
        from: '.update(`${backup.metadata.uid}\\0${cause}`)',
        to: '.update(`${backup.metadata.name}\\0${cause}`)',
      },
    ],
  },
  {
    name: 'a-change-lost-during-a-pass',
    comesOutIn: 'played: a full and an incremental backup',
    changes: [{ file: patches.queue, from: 'if (isWanted) this.add(key);\n    else if', to: 'if' }],
  },
  {
    name: 'a-failed-pass-never-tried-again',
    comesOutIn: 'the first run',
    changes: [
      {
        file: patches.runtimeController,
        from: 'return this.#queue.retry(key, askedWaitMs(error));',
        to: 'this.#queue.done(key);\n    return undefined;',
      },
    ],
  },
  {
    name: 'a-job-deleted-before-status-says-why',
    comesOutIn: 'a run that starts anew when its spec is corrected',
    changes: [
      {
        file: patches.replacement,
        from: 'return isDeepStrictEqual(announced, replacedPods) ? { replacedPods, doomed: job } : { replacedPods };',
        to: 'return { replacedPods, doomed: job };',
      },
    ],
  },
  {
    name: 'a-run-for-what-is-being-deleted',
    comesOutIn: 'the resource is deleted in mid-run, and somebody else holds it',
    changes: [
      {
        file: patches.observe,
        from: 'return backup === undefined || backup.metadata.deletionTimestamp !== undefined;',
        to: 'return backup === undefined;',
      },
    ],
  },
  {
    name: 'what-the-cache-has-is-taken-for-older',
    comesOutIn: 'triggers, new, reverted and removed',
    changes: [
      {
        file: patches.controller,
        from: 'this.#saved.set(formatKey(key), { object: saved, older: [metadata.resourceVersion, cached] });',
        to: 'this.#saved.set(formatKey(key), { object: saved, older: [metadata.resourceVersion, this.#cachesOf(key)?.backups.get(key)?.metadata.resourceVersion] });',
      },
    ],
  },
  {
    name: 'a-run-told-as-lost-before-the-volume-is-asked',
    comesOutIn: 'a Job that somebody deletes, and the volume knows why it failed',
    changes: [
      {
        file: patches.decide,
        from: 'const ended = [...answered, ...judged.ended];',
        to: 'const ended = [...answered, ...judged.ended, ...judged.unclear];',
      },
    ],
  },
  {
    name: 'a-backup-that-waits-for-an-inspection',
    comesOutIn: 'a lost run that is asked about when the next backup has been taken',
    changes: [
      {
        file: patches.inspection,
        from: 'const inTheWay = mayStay ? active.filter((view) => !isOpen(view)) : active;',
        to: 'const inTheWay = active.filter((view) => !isOpen(view));',
      },
    ],
  },
  {
    name: 'an-inspection-removed-on-the-word-of-caches',
    comesOutIn: 'a Job that ends well and says nothing, and the volume has its backup',
    changes: [
      {
        file: patches.decide,
        from: "return kind === 'createJob' || job.metadata.labels?.[labels.task] !== undefined;",
        to: "return kind === 'createJob';",
      },
    ],
  },
];
