// Told to stop while any one of its requests hangs, the operator ends in time: every request of a whole story, in turn.
import { expect, test } from 'vitest';
import { openAPISchema } from '../../src/api/crd.ts';
import { group, kind, version } from '../../src/api/names.ts';
import { BackupController } from '../../src/backup/controller.ts';
import type { KubeClient } from '../../src/kube/client.ts';
import { KubeError } from '../../src/kube/errors.ts';
import { eventRecorder, type EventRecorder } from '../../src/kube/events.ts';
import type { Resource } from '../../src/kube/resource.ts';
import { defaultLimits } from '../../src/kube/transport.ts';
import { Operator } from '../../src/operator.ts';
import { LeaderElector } from '../../src/runtime/leader.ts';
import { aReport } from '../support/builders.ts';
import { quietLog } from '../support/quiet-log.ts';
import { Scene } from './scene.ts';

/** When src/main.ts ends the process by force. Milliseconds. */
const exitMs = 9_500;
/** How long it waits for the last Events. */
const lastEventsMs = 1_000;

/** Milliseconds between two looks at the story. */
const tickMs = 250;

const kinds = [{ group, version, kind }];
const schemas = { one: { ...openAPISchema(), 'x-kubernetes-group-version-kind': kinds } };

/** Which requests are never answered, counted from 1. */
interface Silence {
  readonly from: number;
  readonly to: number;
  /** As the real client does: what hangs gives up when it is told to, and by itself at its deadline. */
  readonly givesUp: boolean;
}

/** The cluster, but for its silence. */
class Line {
  readonly #scene: Scene;
  readonly #silence: Silence;
  asked = 0;
  /** The first that hangs, as `list jobs`. */
  held: string | undefined;

  constructor(scene: Scene, silence: Silence) {
    this.#scene = scene;
    this.#silence = silence;
  }

  get client(): KubeClient {
    return new Proxy<KubeClient>(this.#scene.kube, {
      get: (kube, verb: keyof KubeClient) =>
        verb === 'watch'
          ? (...args: Parameters<KubeClient['watch']>) => this.#watch(kube, args)
          : (...args: readonly unknown[]) => this.#call(kube, verb, args),
    });
  }

  async schema(signal: AbortSignal): Promise<unknown> {
    if (this.#isHeld('get the schema')) await this.#hang(signal);
    return { components: { schemas } };
  }

  async #call(kube: KubeClient, verb: keyof KubeClient, args: readonly unknown[]): Promise<unknown> {
    const options = args.at(-1) as { readonly signal?: AbortSignal } | undefined;
    if (this.#isHeld(`${verb} ${(args[0] as Resource).plural}`)) await this.#hang(options?.signal);
    const call = kube[verb] as (...all: unknown[]) => Promise<unknown>;
    return call.apply(kube, [...args]);
  }

  async *#watch(
    kube: KubeClient,
    [resource, options]: Parameters<KubeClient['watch']>,
  ): ReturnType<KubeClient['watch']> & AsyncGenerator {
    // The iteration of a watch ends with its signal; it does not throw.
    if (this.#isHeld(`watch ${resource.plural}`)) await this.#hang(options.signal).catch(() => undefined);
    if (!options.signal.aborted) yield* kube.watch(resource, options);
  }

  #isHeld(what: string): boolean {
    const { from, to } = this.#silence;
    this.asked += 1;
    if (this.asked < from || this.asked > to) return false;
    this.held ??= what;
    return true;
  }

  #hang(signal: AbortSignal | undefined): Promise<never> {
    return new Promise((_, reject) => {
      if (!this.#silence.givesUp) return;
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      this.#scene.clock.after(defaultLimits.callMs, () => reject(new KubeError('unavailable', 'no answer')));
    });
  }
}

interface Process {
  readonly operator: Operator;
  readonly events: EventRecorder;
}

function processOf(scene: Scene, line: Line): Process {
  const { client } = line;
  const common = { client, clock: scene.clock, random: () => 0.5, log: quietLog() };
  const events = eventRecorder({
    client,
    now: () => scene.clock.now(),
    reportingController: 'test',
    reportingInstance: 'a',
  });
  const policy = { agentImage: 'agent:1', allowedHosts: [], allowedImages: [] };
  const operator = new Operator({
    ...common,
    fetchSchema: (signal) => line.schema(signal),
    election: new LeaderElector({ ...common, namespace: 'operators', identity: 'a' }),
    work: new BackupController({ ...common, events, policy }),
    onEnding: () => undefined,
  });
  return { operator, events };
}

interface Told {
  readonly asked: number;
  readonly held: string | undefined;
  /** From the stop to the end; undefined when only force can end it. Milliseconds. */
  readonly endMs: number | undefined;
}

/** Two runs, one after the other, until one of the requests hangs; then the stop. */
async function tell(silence: Silence): Promise<Told> {
  const scene = new Scene();
  scene.apply({ trigger: { id: 'first' } });
  const line = new Line(scene, silence);
  const { operator, events } = processOf(scene, line);
  const stop = new AbortController();
  const at: { stopMs: number; endMs?: number } = { stopMs: 0 };
  const live = async (): Promise<void> => {
    await operator.run(stop.signal);
    await Promise.race([events.flush(), scene.clock.sleep(lastEventsMs, new AbortController().signal)]);
    at.endMs = scene.clock.monotonicMs() - at.stopMs;
  };
  const done = live();
  const story = [
    () => scene.finish(scene.activeJob(), aReport()),
    () => scene.trigger('second'),
    () => scene.finish(scene.activeJob(), aReport()),
    () => undefined,
  ];
  for (const step of story) {
    for (let waitedMs = 0; waitedMs < 5_000 && line.held === undefined; waitedMs += tickMs)
      await scene.clock.advance(tickMs);
    if (line.held === undefined) step();
  }
  at.stopMs = scene.clock.monotonicMs();
  stop.abort(new Error('told to'));
  for (let waitedMs = 0; waitedMs < exitMs && at.endMs === undefined; waitedMs += tickMs)
    await scene.clock.advance(tickMs);
  if (at.endMs !== undefined) await done;
  return { asked: line.asked, held: line.held, endMs: at.endMs };
}

/** Each request of the undisturbed story hangs in turn; with `last` also all that come after it. */
async function tellAll(givesUp: boolean, last?: number): Promise<readonly Told[]> {
  const { asked, endMs } = await tell({ from: Infinity, to: Infinity, givesUp });
  if (asked < 30 || endMs !== 0) throw new Error(`${asked} requests, and the end after ${endMs} ms`);
  const told: Told[] = [];
  for (let nth = 1; nth <= asked; nth += 1) told.push(await tell({ from: nth, to: last ?? nth, givesUp }));
  if (told.some(({ held }) => held === undefined)) throw new Error('a story went otherwise');
  return told;
}

test.each([
  { name: 'one request hangs', last: undefined },
  { name: 'nothing is answered any more from one request on', last: Infinity },
])('ends by itself when $name, whichever it is', async ({ last }) => {
  const told = await tellAll(true, last);
  expect(told.filter(({ endMs }) => endMs === undefined)).toEqual([]);
});

/** What caches ask; all else is asked by passes, for the Lease, or for Events. */
const ofCaches = /^(list|watch) (neo4jbackups|jobs|pods|services|persistentvolumeclaims)$/;

test('leaves behind whatever does not hear that it is to end: only what fills the caches may need force', async () => {
  const told = await tellAll(false);
  const forced = told.flatMap(({ endMs, held = '' }) => (endMs === undefined ? [held] : []));
  expect(forced.filter((request) => !ofCaches.test(request))).toEqual([]);
  expect(told.length - forced.length).toBeGreaterThan(20);
});
