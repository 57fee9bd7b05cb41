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

/** Tells people what happened, beside the status. */
export interface EventRecorder {
  /**
   * Sends the event in the background. Never waits, never throws. The same event (object, type, reason and note) is not
   * repeated within 10 minutes, unless sending it failed.
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

/** What sending Events asks of the API server: they are never read, and never changed. */
export const eventPermissions: readonly Permission[] = [
  { apiGroup: eventResource.group, resource: eventResource.plural, verbs: ['create'] },
];

/** The server refuses longer notes. Bytes. */
const maxNoteBytes = 1024;
const maxWordBytes = 128;

const quietMs = 10 * 60_000;

/** Events that wait for an answer; more are dropped, because a struggling server has better things to do. */
const maxWaiting = 256;

/** How many events are remembered for {@link quietMs}; the oldest are forgotten first. */
const maxRemembered = 4096;

export function eventRecorder(options: EventRecorderOptions): EventRecorder {
  return new Recorder(options);
}

class Recorder implements EventRecorder {
  readonly #options: EventRecorderOptions;
  /** When each event was last sent, oldest first. */
  readonly #sentMs = new Map<string, number>();
  readonly #waiting = new Set<Promise<void>>();

  constructor(options: EventRecorderOptions) {
    this.#options = options;
  }

  record(event: EventInput): void {
    const now = this.#options.now();
    const id = JSON.stringify([event.regarding.uid, event.type, event.reason, event.note]);
    const sentMs = this.#sentMs.get(id);
    // A clock that was set back must not silence an event for years.
    if (sentMs !== undefined && Math.abs(now.getTime() - sentMs) < quietMs) return;
    if (this.#waiting.size >= maxWaiting) {
      this.#options.onLost?.(
        event,
        new KubeError('tooManyRequests', 'too many events are waiting to be sent'),
      );
      return;
    }
    this.#remember(id, now.getTime());
    const sending = this.#send(event, now).catch((error: unknown) => {
      this.#sentMs.delete(id);
      this.#options.onLost?.(event, error);
    });
    this.#waiting.add(sending);
    void sending.then(() => this.#waiting.delete(sending));
  }

  async flush(): Promise<void> {
    await Promise.all(this.#waiting);
  }

  async #send(event: EventInput, now: Date): Promise<void> {
    const { client, reportingController, reportingInstance } = this.#options;
    await client.create(eventResource, event.regarding.namespace, {
      metadata: { name: eventName(event.regarding.name), namespace: event.regarding.namespace },
      eventTime: microTime(now),
      reportingController,
      reportingInstance: boundText(reportingInstance, maxWordBytes),
      type: event.type,
      reason: boundText(event.reason, maxWordBytes),
      action: boundText(event.action, maxWordBytes),
      note: boundText(event.note, maxNoteBytes),
      regarding: event.regarding,
    });
  }

  #remember(id: string, nowMs: number): void {
    this.#sentMs.delete(id);
    this.#sentMs.set(id, nowMs);
    const oldest = this.#sentMs.keys().next();
    if (this.#sentMs.size > maxRemembered && oldest.done !== true) this.#sentMs.delete(oldest.value);
  }
}

/** The server takes exactly six digits of a second, not a Date's three. */
export function microTime(instant: Date): string {
  return instant.toISOString().replace('Z', '000Z');
}

/** Unlike all other names this one is random: an event may come twice, and nothing is ever looked up by it. */
function eventName(regarding: string): string {
  return `${regarding.slice(0, 200)}.${randomUUID().slice(-12)}`;
}
