// The scheduler and the kubelet of the fake cluster: what becomes next of one Pod, as its script has it. Each step is one change.
import { pods } from '../../src/backup/resources.ts';
import { keyOf } from '../../src/kube/resource.ts';
import type { FakeKube } from './fake-kube.ts';
import {
  hasCondition,
  hasEnded,
  isDeleted,
  stepMs,
  timestamp,
  type ContainerState,
  type ContainerStatus,
  type PodObject,
  type PodStatus,
  type Step,
} from './fake-jobs-objects.ts';

/** How the last container of a Pod ends, or what comes before that. */
export type Fate =
  | { readonly kind: 'ends'; readonly exitCode: number; readonly message?: string; readonly reason?: string }
  /** The Pod is gone without a word. */
  | { readonly kind: 'vanishes' }
  /** The node is lost; who removes the Pod says so. */
  | { readonly kind: 'disrupted' }
  /** A container never starts. */
  | { readonly kind: 'stuck'; readonly reason: string; readonly message?: string }
  /** A container never ends. */
  | { readonly kind: 'hangs' };

export interface PodView {
  readonly kube: FakeKube;
  readonly now: () => Date;
  readonly pod: PodObject;
  readonly fate: Fate;
  /** The container that meets the fate. Absent: the first one when it is stuck, else the last one. */
  readonly at: string | undefined;
}

type Rule = (view: PodView) => Step | undefined;

/** How long a container runs. */
const containerMs = 1000;

/** How long a container takes to end when it is told to. */
const terminationMs = 1000;

/** What a container ends with that is told to, and has no answer to that. */
const sigterm = 143;
const sigkill = 137;

export function nextPodStep(view: PodView): Step | undefined {
  for (const rule of rulesFor(view.pod)) {
    const next = rule(view);
    if (next !== undefined) return next;
  }
  return undefined;
}

/** The kubelet ends a Pod that has been on its node for too long, whatever it waits for. */
export function podDeadlineStep(view: PodView): Step | undefined {
  const { pod, now } = view;
  const { activeDeadlineSeconds } = pod.spec;
  const startTime = pod.status?.startTime;
  if (activeDeadlineSeconds === undefined || startTime === undefined || hasEnded(pod)) return undefined;
  return {
    name: 'Pod deadline',
    afterMs: Date.parse(startTime) + activeDeadlineSeconds * 1000 - now().getTime(),
    run: edit(view, (status) => {
      kill(status, now(), sigkill);
      status.phase = 'Failed';
      status.reason = 'DeadlineExceeded';
      status.message = 'Pod was active on the node longer than the specified deadline';
    }),
  };
}

function rulesFor(pod: PodObject): readonly Rule[] {
  if (isDeleted(pod)) return hasEnded(pod) ? [remove] : [terminate];
  if (hasEnded(pod)) return hasCondition(pod, 'DisruptionTarget') ? [remove] : [];
  return pod.spec.nodeName === undefined ? [schedule] : [admit, advance];
}

function schedule(view: PodView): Step | undefined {
  const { kube, pod, fate } = view;
  if (fate.kind !== 'stuck' || fate.reason !== 'Unschedulable') {
    return step('schedule', () => {
      kube.edit(pods, keyOf(pod), (draft) => {
        const { spec, status = {} } = draft as unknown as PodObject;
        spec.nodeName = 'node';
        draft['status'] = { ...status, conditions: [{ type: 'PodScheduled', status: 'True' }] };
      });
    });
  }
  const { reason, message = '0/1 nodes are available' } = fate;
  if (pod.status?.conditions !== undefined) return undefined;
  const conditions = [{ type: 'PodScheduled', status: 'False', reason, message }];
  return step(
    'refuse a place',
    edit(view, (status) => Object.assign(status, { conditions })),
  );
}

/** The kubelet takes the Pod in: from now on its deadline counts. */
function admit(view: PodView): Step | undefined {
  const { pod, now } = view;
  if (pod.status?.startTime !== undefined) return undefined;
  const waiting = ({ name }: { readonly name: string }): ContainerStatus => ({
    name,
    state: { waiting: { reason: 'PodInitializing' } },
  });
  return step(
    'admit',
    edit(view, (status) => {
      const { initContainers = [], containers } = pod.spec;
      status.startTime = timestamp(now());
      if (initContainers.length > 0) status.initContainerStatuses = initContainers.map(waiting);
      status.containerStatuses = containers.map(waiting);
    }),
  );
}

/** The next container starts, or ends. */
function advance(view: PodView): Step | undefined {
  const { pod, fate, now } = view;
  const current = all(pod.status).find(({ state }) => state.terminated === undefined);
  if (current === undefined) return undefined;
  const { name, state } = current;
  if (state.running !== undefined) return finish(view, current);
  if (fate.kind === 'stuck' && name === placeOf(view)) return obstruct(view, current, fate);
  return step(
    `start ${name}`,
    edit(view, (status) => {
      stateOf(status, name, { running: { startedAt: timestamp(now()) } });
      if (isMain(pod, name)) status.phase = 'Running';
    }),
  );
}

function obstruct(
  view: PodView,
  { name, state }: ContainerStatus,
  { reason, message }: Extract<Fate, { kind: 'stuck' }>,
): Step | undefined {
  if (state.waiting?.reason === reason) return undefined;
  const waiting = { reason, ...(message === undefined ? {} : { message }) };
  return step(
    `obstruct ${name}`,
    edit(view, (status) => stateOf(status, name, { waiting })),
  );
}

/** A container that ends well makes room for the next one; the last one takes the Pod along. */
function finish(view: PodView, { name }: ContainerStatus): Step | undefined {
  const { fate, kube, pod } = view;
  const isHere = name === placeOf(view);
  if (isHere && fate.kind === 'hangs') return undefined;
  const afterMs = containerMs;
  if (isHere && fate.kind === 'vanishes') return { name: 'vanish', afterMs, run: () => vanish(kube, pod) };
  if (isHere && fate.kind === 'disrupted') return { name: 'disrupt', afterMs, run: disrupt(view) };
  const ending = isHere && fate.kind === 'ends' ? fate : { exitCode: 0 };
  return { name: `end ${name}`, afterMs, run: end(view, name, ending) };
}

interface Ending {
  readonly exitCode: number;
  readonly message?: string;
  readonly reason?: string;
}

function end({ kube, pod, now, ...rest }: PodView, name: string, ending: Ending): () => void {
  return edit({ kube, pod, now, ...rest }, (status) => {
    const { exitCode, reason = exitCode === 0 ? 'Completed' : 'Error', message } = ending;
    const said = message === undefined ? {} : { message };
    stateOf(status, name, { terminated: { exitCode, reason, ...said, finishedAt: timestamp(now()) } });
    if (exitCode !== 0) status.phase = 'Failed';
    else if (isMain(pod, name)) status.phase = 'Succeeded';
  });
}

/** Nobody has a chance to say or to count anything. */
function vanish(kube: FakeKube, pod: PodObject): void {
  kube.edit(pods, keyOf(pod), ({ metadata }) => {
    delete metadata.finalizers;
  });
  if (kube.peek(pods, keyOf(pod)) !== undefined) kube.remove(pods, keyOf(pod), 'Background', 0);
}

/** What the controller that collects the Pods of lost nodes writes, before it removes them. */
function disrupt(view: PodView): () => void {
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'DeletionByPodGC',
    message: 'PodGC: node no longer exists',
  };
  return edit(view, (status) => {
    status.phase = 'Failed';
    status.conditions = [...(status.conditions ?? []), condition];
  });
}

/** A Pod that is deleted is told to end, and has no time to say anything. */
function terminate(view: PodView): Step {
  return {
    name: 'terminate',
    afterMs: terminationMs,
    run: edit(view, (status) => {
      kill(status, view.now(), sigterm);
      status.phase = 'Failed';
    }),
  };
}

/** The kubelet lets go of a Pod that has ended and is deleted. */
function remove({ kube, pod }: PodView): Step | undefined {
  const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata;
  if (deletionTimestamp !== undefined && deletionGracePeriodSeconds === 0) return undefined;
  return step('remove', () => kube.remove(pods, keyOf(pod), 'Background', 0));
}

function kill(status: PodStatus, now: Date, exitCode: number): void {
  for (const one of all(status)) {
    if (one.state.running === undefined) continue;
    one.state = { terminated: { exitCode, reason: 'Error', finishedAt: timestamp(now) } };
  }
}

function placeOf({ pod, fate, at }: PodView): string | undefined {
  const names = all(pod.status).map(({ name }) => name);
  return at ?? (fate.kind === 'stuck' ? names[0] : names.at(-1));
}

function all(status: PodStatus | undefined): readonly ContainerStatus[] {
  return [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
}

function isMain({ spec }: PodObject, name: string): boolean {
  return spec.containers.some((container) => container.name === name);
}

function stateOf(status: PodStatus, name: string, state: ContainerState): void {
  for (const one of all(status)) if (one.name === name) one.state = state;
}

function edit({ kube, pod }: PodView, change: (status: PodStatus) => void): () => void {
  return () => {
    kube.edit(pods, keyOf(pod), (draft) => {
      change(((draft as unknown as PodObject).status ??= {}));
    });
  };
}

function step(name: string, run: () => void): Step {
  return { name, afterMs: stepMs, run };
}
