// One process of the operator on a fake cluster. It can be killed between any two of its requests, and then does nothing any more.
import type {
  CallOptions,
  DeleteOptions,
  KubeClient,
  ListOptions,
  ListResult,
  WatchEvent,
  WatchOptions,
} from '../../src/kube/client.ts';
import { KubeError } from '../../src/kube/errors.ts';
import { eventRecorder, type EventRecorder } from '../../src/kube/events.ts';
import type { KubeObject, ObjectKey, Resource } from '../../src/kube/resource.ts';
import { defaultLimits } from '../../src/kube/transport.ts';
import { sleepOn, type Clock } from '../../src/runtime/clock.ts';
import type { FakeVerb } from '../support/fake-kube-faults.ts';
import { typeOf } from '../support/fake-kube-world.ts';
import type { FakeKube } from '../support/fake-kube.ts';

/** What becomes of a request. */
export type Fate =
  | { readonly kind: 'goes' }
  /** The process dies before the request leaves, or when it was done and before the answer came, or with the answer in hand. */
  | { readonly kind: 'dies'; readonly when: 'before' | 'applied' | 'answered' }
  /** The answer is an error; `applied`: what was asked for was done all the same. */
  | { readonly kind: 'fails'; readonly error: Error; readonly applied?: boolean }
  /** It leaves late, whatever else happened meanwhile. */
  | { readonly kind: 'isLate'; readonly delayMs: number }
  /** It is done, and the answer takes its time: meanwhile something happens. */
  | { readonly kind: 'isSlow'; readonly delayMs: number; readonly meanwhile: () => void }
  /** Nobody answers, until it is given up. */
  | { readonly kind: 'hangs' };

/** What becomes of one event of a watch. */
export type EventFate = 'goes' | 'isLost' | 'comesTwice' | 'isLate';

/** What the API server told of the past, when it should have told of now. */
export interface Stale {
  readonly version: number;
  /** How long it stays so; then the watches catch up. Milliseconds. */
  readonly forMs: number;
}

interface Line {
  /** Asked once for each request of any kind. */
  readonly fateOf: (verb: FakeVerb, type: string) => Fate;
  /** Asked once for each event, bookmarks aside. */
  readonly fateOfEvent: () => EventFate;
  /** For the lists and watches of whole caches; what is asked about one resource is always true. */
  readonly stale?: Stale | undefined;
}

interface ProcessOptions {
  readonly kube: FakeKube;
  readonly clock: Clock;
  readonly line: Line;
  readonly onDeath: () => void;
  /** A status was written that said what it said before. */
  readonly onIdleWrite: () => void;
}

/** A promise that nobody keeps: what a dead process waits for. */
function never(): Promise<never> {
  return new Promise<never>(() => undefined);
}

/** The client asks for watches of five to ten minutes. Milliseconds. */
const watchMs = 450_000;

/** How late is late. Below the deadline of a pass, so that nobody gives it up. Milliseconds. */
const lateMs = 20_000;

export class OperatorProcess implements KubeClient {
  readonly #options: ProcessOptions;
  readonly #killed = new AbortController();
  readonly #startMs: number;
  #diesAtNext = false;
  /** This process' own time: it ends with it. */
  readonly clock: Clock;
  readonly events: EventRecorder;

  constructor(options: ProcessOptions) {
    this.#options = options;
    const { clock } = options;
    this.#startMs = clock.monotonicMs();
    this.clock = {
      now: () => clock.now(),
      monotonicMs: () => clock.monotonicMs() - this.#startMs,
      sleep: (delayMs, signal) => sleepOn(this.clock, delayMs, signal),
      after: (delayMs, callback) => clock.after(delayMs, () => void (this.isDead || callback())),
    };
    this.events = eventRecorder({
      client: this,
      now: () => this.clock.now(),
      reportingController: 'neo4j-backup.dev/operator',
      reportingInstance: 'operator',
    });
  }

  get isDead(): boolean {
    return this.#killed.signal.aborted;
  }

  kill(): void {
    this.#killed.abort();
  }

  get<T extends KubeObject>(
    resource: Resource<T>,
    key: ObjectKey,
    options?: CallOptions,
  ): Promise<T | undefined> {
    return this.#call('get', resource, options, () => this.#options.kube.get(resource, key, options));
  }

  list<T extends KubeObject>(resource: Resource<T>, options: ListOptions = {}): Promise<ListResult<T>> {
    const { kube, line } = this.#options;
    return this.#call('list', resource, options, async () => {
      const { stale } = line;
      const isCache = options.namespace === undefined;
      if (!isCache || stale === undefined || this.clock.monotonicMs() > stale.forMs)
        return kube.list(resource, options);
      return kube.listAt(resource, options, stale.version);
    });
  }

  create<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string,
    object: object,
    options?: CallOptions,
  ): Promise<T> {
    return this.#call('create', resource, options, () =>
      this.#options.kube.create(resource, namespace, object, options),
    );
  }

  replaceStatus<T extends KubeObject>(
    resource: Resource<T>,
    key: ObjectKey,
    object: object,
    options?: CallOptions,
  ): Promise<T> {
    return this.#call('replaceStatus', resource, options, async () => {
      const { kube, onIdleWrite } = this.#options;
      const before = kube.version;
      const written = await this.#options.kube.replaceStatus(resource, key, object, options);
      if (kube.version === before) onIdleWrite();
      return written;
    });
  }

  replace<T extends KubeObject>(
    resource: Resource<T>,
    key: ObjectKey,
    object: object,
    options?: CallOptions,
  ): Promise<T> {
    return this.#call('replace', resource, options, () =>
      this.#options.kube.replace(resource, key, object, options),
    );
  }

  delete(resource: Resource, key: ObjectKey, options: DeleteOptions): Promise<void> {
    return this.#call('delete', resource, options, () => this.#options.kube.delete(resource, key, options));
  }

  async *watch<T extends KubeObject>(
    resource: Resource<T>,
    options: WatchOptions,
  ): AsyncGenerator<WatchEvent<T>, void> {
    const { kube, line } = this.#options;
    await this.#call('watch', resource, options, async () => undefined);
    const leftMs = (line.stale?.forMs ?? 0) - this.clock.monotonicMs();
    if (leftMs > 0) await this.clock.sleep(leftMs, options.signal).catch(() => undefined);
    const closed = new AbortController();
    const cancel = this.#options.clock.after(watchMs, () => closed.abort());
    const signal = AbortSignal.any([options.signal, this.#killed.signal, closed.signal]);
    for await (const event of kube.watch(resource, { ...options, signal })) {
      if (this.isDead) break;
      if (event.type === 'bookmark') yield event;
      else yield* this.#told(event, signal);
    }
    cancel();
    // A dead process does not see its watch end.
    if (this.isDead) await never();
  }

  async *#told<T>(event: WatchEvent<T>, signal: AbortSignal): AsyncGenerator<WatchEvent<T>, void> {
    const fate = this.#options.line.fateOfEvent();
    if (fate === 'isLost') return;
    if (fate === 'isLate') await this.clock.sleep(lateMs, signal).catch(() => undefined);
    yield event;
    if (fate === 'comesTwice') yield event;
  }

  async #call<R>(
    verb: FakeVerb,
    resource: Resource,
    options: CallOptions | undefined,
    done: () => Promise<R>,
  ): Promise<R> {
    if (this.#diesAtNext) this.#die();
    if (this.isDead) return never();
    const fate = this.#options.line.fateOf(verb, typeOf(resource));
    const answer = await this.#suffer(fate, options?.signal, done);
    return this.isDead ? never() : answer;
  }

  async #suffer<R>(fate: Fate, signal: AbortSignal | undefined, done: () => Promise<R>): Promise<R> {
    switch (fate.kind) {
      case 'goes':
        return done();
      case 'dies':
        return this.#dieAround(fate.when, done);
      case 'fails':
        if (fate.applied === true) await done();
        throw fate.error;
      case 'isLate':
        await this.#options.clock.sleep(fate.delayMs, new AbortController().signal);
        return done();
      case 'isSlow':
        return this.#answerSlowly(fate, done);
      case 'hangs':
        return this.#giveUp(signal);
    }
  }

  async #answerSlowly<R>(
    { delayMs, meanwhile }: Extract<Fate, { kind: 'isSlow' }>,
    done: () => Promise<R>,
  ): Promise<R> {
    const answer = await done();
    meanwhile();
    await this.#options.clock.sleep(delayMs, new AbortController().signal);
    return answer;
  }

  /** Nobody answers: the client has a deadline of its own, and so may who called it. */
  async #giveUp(signal: AbortSignal | undefined): Promise<never> {
    await this.#options.clock.sleep(defaultLimits.callMs, signal ?? new AbortController().signal);
    throw new KubeError('unavailable', 'no answer');
  }

  async #dieAround<R>(when: 'before' | 'applied' | 'answered', done: () => Promise<R>): Promise<R> {
    if (when === 'answered') {
      this.#diesAtNext = true;
      return done();
    }
    if (when === 'applied') await done().catch(() => undefined);
    this.#die();
    return never();
  }

  #die(): void {
    if (this.isDead) return;
    this.kill();
    this.#options.onDeath();
  }
}
