import type { KubeClient } from './client.ts';
import type { KubeError } from './errors.ts';

/** The object that an event is about. */
export interface ObjectReference {
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
   * repeated within 10 minutes.
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
  /** Told of every event that could not be sent. `undefined`: it was dropped because too many were waiting. */
  readonly onLost?: ((event: EventInput, error: KubeError | undefined) => void) | undefined;
}

export function eventRecorder(options: EventRecorderOptions): EventRecorder {
  throw new Error(`to be filled in for ${options.reportingController}`);
}
