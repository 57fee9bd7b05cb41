import type { KubeConfig } from '@kubernetes/client-node';
import type { KubeClient } from './client.ts';
import type { KubeError } from './errors.ts';

export interface HttpClientOptions {
  readonly kubeConfig: KubeConfig;
  /** First part of the User-Agent; the server also derives the field manager from it. */
  readonly userAgent: string;
  /** Told of every object in a list or watch that the schema refused. */
  readonly onUnreadable?: ((error: KubeError) => void) | undefined;
  readonly limits?: Partial<HttpLimits> | undefined;
  /** In [0, 1); for jitter. */
  readonly random?: (() => number) | undefined;
}

export interface HttpLimits {
  /** Deadline of a call with all its retries. Milliseconds. */
  readonly callMs: number;
  /** A watch without a byte for so long is taken for dead; the server sends bookmarks every minute. Milliseconds. */
  readonly watchIdleMs: number;
}

/** A {@link KubeClient} whose connections are held until `close`. */
export interface HttpKubeClient extends KubeClient {
  /** Ends all connections; calls under way reject. */
  close(): Promise<void>;
}

export function kubeClient(options: HttpClientOptions): HttpKubeClient {
  throw new Error(`to be filled in for ${options.userAgent}`);
}
