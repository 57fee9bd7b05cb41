// Tells people what happened, beside the status: Events, never so many that they cost more than they tell.
import { randomUUID } from 'node:crypto';
import type { KubeClient } from './client.ts';
import { KubeError, boundText } from './errors.ts';
import type { Permission } from './permission.ts';
import { kubeObjectSchema, type Resource } from './resource.ts';

/** The object that an event is about. */
interface ObjectReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export interface EventInput {
  readonly regarding: ObjectReference;
  readonly type: 'Normal' | 'Warning';
  /** One word in CamelCase, for machines. At most 128 bytes. */
  readonly reason: string;
  /** A sentence for people. Cut at 1 KiB. */
  readonly note: string;
  /** What was being done, in CamelCase. At most 128 bytes. */
  readonly action: string;
}

export interface EventRecorder {
  /**
   * Sends the event in the background. Never waits, never throws.
   *
   * The same event (object, type, reason and note) is not repeated within 10 minutes, unless sending it failed. When it
   * comes again after them it carries, as its series, how often it has come since it was told last.
   *
   * An object has 25 events at once and one more every 5 minutes, all objects have 1,000 and 20 more a second; what is
   * beyond is lost.
   */
  record(event: EventInput): void;

  /** Resolves when everything recorded so far was sent or given up. */
  flush(): Promise<void>;
}

export interface EventRecorderOptions {
  readonly client: KubeClient;
  readonly now: () => Date;
  /** Such as `example.dev/operator`. */
  readonly reportingController: string;
  /** Such as the Pod's name. */
  readonly reportingInstance: string;
  /** Told of every event that was not sent, and why. Must not throw. */
  readonly onLost?: ((event: EventInput, error: unknown) => void) | undefined;
}

/** Events are written and never read back, so only what every object has is parsed. */
const eventResource: Resource = {
  group: 'events.k8s.io',
  version: 'v1',
  plural: 'events',
  kind: 'Event',
  schema: kubeObjectSchema,
};

/**
 * What sending Events asks of the API server: they are never read, and never changed.
 *
 * client-go writes into the Event that it made how often the same has come again. That takes the right to change Events,
 * everybody's, and a write for a number; here the number waits for the next Event, which is due after 10 minutes.
 */
export const eventPermissions: readonly Permission[] = [
  { apiGroup: eventResource.group, resource: eventResource.plural, verbs: ['create'] },
];

/** The server refuses longer notes. Bytes. */
const maxNoteBytes = 1024;
const maxWordBytes = 128;

const quietMs = 10 * 60_000;

/** So few at once, since Events share the connections with the calls that matter. */
const maxSending = 4;

/** Events that wait for their turn; more are dropped, because a struggling server has better things to do. */
const maxWaiting = 1024;

/** Of how many events and objects something is remembered; the oldest are forgotten first. */
const maxRemembered = 4096;

interface Budget {
  /** At once. */
  readonly most: number;
  /** One more after so long. Milliseconds. */
  readonly everyMs: number;
}

/** The numbers of client-go. */
const objectBudget: Budget = { most: 25, everyMs: 5 * 60_000 };

/** A thousand resources applied at once are all told of; what goes on for ever is a twentieth of what a small API server takes. */
const totalBudget: Budget = { most: 1_000, everyMs: 50 };

export function eventRecorder(options: EventRecorderOptions): EventRecorder {
  return new Recorder(options);
}

/** An event that was told, and how often it came again since. */
interface Told {
  /** Wall clock, milliseconds since 1970. */
  readonly atMs: number;
  unsaid: number;
  /** When the first of the unsaid ones came. */
  unsaidSince?: Date;
}

/** An event that is to be told. */
interface Due {
  readonly id: string;
  readonly event: EventInput;
  /** When the first and the last of them came. */
  readonly first: Date;
  readonly last: Date;
  readonly count: number;
}

class Recorder implements EventRecorder {
  readonly #options: EventRecorderOptions;
  /** Those told last at the end. */
  readonly #told = new Map<string, Told>();
  /** By uid of the object. */
  readonly #budgets = new Map<string, Allowance>();
  readonly #total = new Allowance(totalBudget);
  readonly #waiting: Due[] = [];
  readonly #sending = new Set<Promise<void>>();

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  record(event: EventInput): void {
    const now = this.#options.now();
    const nowMs = now.getTime();
    const id = JSON.stringify([event.regarding.uid, event.type, event.reason, event.note]);
    const told = this.#told.get(id);
    // A clock that was set back must not silence an event for years.
    if (told !== undefined && Math.abs(nowMs - told.atMs) < quietMs) {
      told.unsaid += 1;
      told.unsaidSince ??= now;
      return;
    }
    const excess = this.#excess(event, nowMs);
    if (excess !== undefined) {
      this.#options.onLost?.(event, new KubeError('tooManyRequests', excess));
      return;
    }
    const [first, count] = [told?.unsaidSince ?? now, (told?.unsaid ?? 0) + 1];
    remember(this.#told, id, { atMs: nowMs, unsaid: 0 });
    this.#waiting.push({ id, event, first, last: now, count });
    this.#sendNext();
  }

  async flush(): Promise<void> {
    // Whoever ends makes room for the next one.
    while (this.#sending.size > 0) await Promise.all(this.#sending);
  }

  /** Why the event is one too many. */
  #excess({ regarding: { uid } }: EventInput, nowMs: number): string | undefined {
    if (this.#waiting.length >= maxWaiting) return 'too many events are waiting to be sent';
    const budget = this.#budgets.get(uid) ?? new Allowance(objectBudget);
    remember(this.#budgets, uid, budget);
    if (!budget.take(nowMs)) return 'too many events about this object';
    return this.#total.take(nowMs) ? undefined : 'too many events';
  }

  #sendNext(): void {
    if (this.#sending.size >= maxSending) return;
    const due = this.#waiting.shift();
    if (due === undefined) return;
    const sending = this.#send(due)
      .catch((error: unknown) => {
        this.#told.delete(due.id);
        this.#options.onLost?.(due.event, error);
      })
      .finally(() => {
        this.#sending.delete(sending);
        this.#sendNext();
      });
    this.#sending.add(sending);
  }

  async #send({ event, first, last, count }: Due): Promise<void> {
    const { client, reportingController, reportingInstance } = this.#options;
    await client.create(eventResource, event.regarding.namespace, {
      metadata: { name: eventName(event.regarding.name), namespace: event.regarding.namespace },
      eventTime: microTime(first),
      ...(count === 1 ? {} : { series: { count, lastObservedTime: microTime(last) } }),
      reportingController,
      reportingInstance: boundText(reportingInstance, maxWordBytes),
      type: event.type,
      reason: boundText(event.reason, maxWordBytes),
      action: boundText(event.action, maxWordBytes),
      note: boundText(event.note, maxNoteBytes),
      regarding: event.regarding,
    });
  }
}

/** What is left of a budget. */
class Allowance {
  readonly #budget: Budget;
  #left: number;
  #atMs = 0;

  constructor(budget: Budget) {
    this.#budget = budget;
    this.#left = budget.most;
  }

  /** @returns false when nothing is left. */
  take(nowMs: number): boolean {
    const { most, everyMs } = this.#budget;
    this.#left = Math.min(most, this.#left + Math.max(0, nowMs - this.#atMs) / everyMs);
    this.#atMs = nowMs;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}

/** Keeps the newest {@link maxRemembered}. */
function remember<V>(known: Map<string, V>, key: string, value: V): void {
  known.delete(key);
  known.set(key, value);
  const oldest = known.keys().next();
  if (known.size > maxRemembered && oldest.done !== true) known.delete(oldest.value);
}

/** The server takes exactly six digits of a second, not a Date's three. */
export function microTime(instant: Date): string {
  return instant.toISOString().replace('Z', '000Z');
}

/** Unlike all other names this one is random: an event may come twice, and nothing is ever looked up by it. */
function eventName(regarding: string): string {
  return `${regarding.slice(0, 200)}.${randomUUID().slice(-12)}`;
}
