// Who of several replicas works: the holder of a Lease. It saves work; that nothing is done twice rests on names of Jobs.
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import type { KubeClient } from '../kube/client.ts';
import { isKubeError } from '../kube/errors.ts';
import { microTime } from '../kube/events.ts';
import type { Permission } from '../kube/permission.ts';
import { kubeObjectSchema, type Resource } from '../kube/resource.ts';
import { unlessAborted } from './abort.ts';
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import { reasonOf } from './troubles.ts';

const leaseSchema = kubeObjectSchema.extend({
  spec: z
    .looseObject({
      holderIdentity: z.string().default(''),
      leaseDurationSeconds: z.number().optional(),
      acquireTime: z.string().optional(),
      leaseTransitions: z.number().default(0),
    })
    .prefault({}),
});

type Lease = z.infer<typeof leaseSchema>;

export const leases: Resource<Lease> = {
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  kind: 'Lease',
  schema: leaseSchema,
  isUrgent: true,
};

/** One name per namespace, whatever the release of the chart is called. */
export const leaseName = 'neo4j-backup-operator';

/** What the election asks of the API server, in the namespace of the Lease. */
export const leasePermissions: readonly Permission[] = [
  {
    apiGroup: leases.group,
    resource: leases.plural,
    verbs: ['get', 'update'],
    resourceNames: [leaseName],
  },
  { apiGroup: leases.group, resource: leases.plural, verbs: ['create'] },
];

export interface LeaderElectorOptions {
  readonly client: Pick<KubeClient, 'get' | 'create' | 'replace'>;
  /** Where the Lease is. */
  readonly namespace: string;
  /** Ours alone among the candidates, and the same again after a restart of the container: then we go on at once. */
  readonly identity: string;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

/**
 * The numbers of client-go. A leader who cannot renew stops after `renewMs`; the others wait for `leaseMs`, so it has the
 * difference to end its work. Milliseconds.
 */
const leaseMs = 15_000;
const renewMs = 10_000;
const retryMs = 2_000;
/** Candidates wait up to so much longer, each at random, so that they do not come together. */
const retryJitter = 1.2;
/** One attempt, so that a connection gone silent leaves time for another one. */
const attemptMs = 5_000;
/** The last word of a process that has been told to go. */
const releaseMs = 2_000;

/** The Lease was not renewed in time, or is another's. Whatever the process still does, it does not as the leader. */
class LeadershipLostError extends Error {
  override readonly name = 'LeadershipLostError';
}

/** How an attempt to get or keep the Lease ended. */
type Attempt = 'held' | 'taken' | 'failed';

/** A Lease as we saw it, and since when we have seen nothing else in it. Monotonic milliseconds. */
interface Observed {
  readonly lease: Lease;
  readonly sinceMs: number;
}

/**
 * A candidate for the Lease, as client-go has it.
 *
 *     campaign ──held──> lead, renew ──work ended──> release
 *        └─stopped          └─not renewed in time, taken──> lost
 *
 * Clocks of machines are never compared: a Lease has expired when we ourselves saw no change in it for its duration. The
 * times in it are for people.
 */
export class LeaderElector {
  readonly #options: LeaderElectorOptions;
  #observed: Observed | undefined;
  #isLeading = false;
  #problem: string | undefined;
  /** What the last line about it said; numbers aside. */
  #problemReason: string | undefined;

  constructor(options: LeaderElectorOptions) {
    this.#options = options;
  }

  get isLeading(): boolean {
    return this.#isLeading;
  }

  /** Who held the Lease when we last looked; undefined when nobody did, or we have not seen it. */
  get holder(): string | undefined {
    const holder = this.#observed?.lease.spec.holderIdentity ?? '';
    return holder === '' ? undefined : holder;
  }

  /** Why the Lease could not be read or written when we last tried; undefined when it could. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /**
   * Waits for the Lease, calls `lead` and renews until it has ended, then gives the Lease back. The signal that `lead`
   * gets aborts with ours, and when the Lease is lost.
   *
   * @throws {LeadershipLostError} after `lead` has ended, when the Lease was lost. And what `lead` throws.
   */
  async run(signal: AbortSignal, lead: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const renewedMs = await this.#campaign(signal);
    if (renewedMs === undefined) return;
    const [lost, ended] = [new AbortController(), new AbortController()];
    lost.signal.addEventListener('abort', () => (this.#isLeading = false), { once: true });
    const renewing = this.#renew(renewedMs, lost, ended.signal);
    try {
      await lead(AbortSignal.any([signal, lost.signal]));
    } finally {
      ended.abort();
      await renewing;
      this.#isLeading = false;
      if (!lost.signal.aborted) await this.#release();
    }
    lost.signal.throwIfAborted();
  }

  /** Tries until the Lease is ours. @returns when the attempt began that got it, undefined when stopped. */
  async #campaign(signal: AbortSignal): Promise<number | undefined> {
    const { clock, random, log, identity } = this.#options;
    while (!signal.aborted) {
      const startMs = clock.monotonicMs();
      if ((await this.#attempt(attemptMs, signal)) === 'held') {
        this.#isLeading = true;
        log.info({ identity, transitions: this.#observed?.lease.spec.leaseTransitions }, 'leading');
        return startMs;
      }
      await this.#pause(retryMs * (1 + random() * retryJitter), signal);
    }
    return undefined;
  }

  /**
   * Keeps the Lease ours. Time counts from the beginning of the attempt that renewed it, which is before the others can
   * have seen it. Ends when the signal aborts, or aborts `lost` with the reason.
   */
  async #renew(sinceMs: number, lost: AbortController, signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    let deadlineMs = sinceMs + renewMs;
    while (!lost.signal.aborted) {
      await this.#pause(Math.min(retryMs, deadlineMs - clock.monotonicMs()), signal);
      if (signal.aborted) return;
      const startMs = clock.monotonicMs();
      const leftMs = deadlineMs - startMs;
      const attempt = leftMs > 0 ? await this.#attempt(Math.min(attemptMs, leftMs), signal) : 'late';
      if (attempt === 'held') deadlineMs = startMs + renewMs;
      if (attempt === 'late')
        lost.abort(new LeadershipLostError(`the Lease was not renewed in ${renewMs / 1_000} s`));
      if (attempt === 'taken') lost.abort(new LeadershipLostError(`the Lease was taken by ${this.holder}`));
    }
  }

  async #attempt(limitMs: number, signal: AbortSignal): Promise<Attempt> {
    const before = this.holder;
    try {
      const attempt = await this.#within(limitMs, signal, (limited) => this.#getOrKeep(limited));
      this.#problem = undefined;
      if (attempt === 'taken' && this.holder !== before)
        this.#options.log.info({ leader: this.holder }, 'another one leads');
      return attempt;
    } catch (error) {
      this.#note(error, signal);
      return 'failed';
    }
  }

  /** @throws {KubeError} `conflict` or `alreadyExists` when another one was faster; and whatever a call does. */
  async #getOrKeep(signal: AbortSignal): Promise<Attempt> {
    const { client, namespace } = this.#options;
    const key = { namespace, name: leaseName };
    if (this.#isLeading && (await this.#keep(signal))) return 'held';
    const lease = await client.get(leases, key, { signal });
    if (lease === undefined) {
      const first = { metadata: { name: leaseName }, spec: this.#claim(undefined) };
      this.#observe(await client.create(leases, namespace, first, { signal }));
      return 'held';
    }
    if (!this.#isFree(this.#observe(lease))) return 'taken';
    const claimed = { ...lease, spec: this.#claim(lease) };
    this.#observe(await client.replace(leases, key, claimed, { signal }));
    return 'held';
  }

  /** Renews the Lease as we last saw it, which costs one request. @returns false when it is no longer that. */
  async #keep(signal: AbortSignal): Promise<boolean> {
    const { client, namespace, identity } = this.#options;
    const lease = this.#observed?.lease;
    if (lease === undefined || lease.spec.holderIdentity !== identity) return false;
    const renewed = { ...lease, spec: this.#claim(lease) };
    try {
      const key = { namespace, name: leaseName };
      this.#observe(await client.replace(leases, key, renewed, { signal }));
      return true;
    } catch (error) {
      if (isKubeError(error, 'conflict', 'notFound')) return false;
      throw error;
    }
  }

  /** What we write into a Lease that is ours, or free. */
  #claim(lease: Lease | undefined): Lease['spec'] {
    const { clock, identity } = this.#options;
    const now = microTime(clock.now());
    const isOurs = lease?.spec.holderIdentity === identity;
    const transitions = lease === undefined ? 0 : lease.spec.leaseTransitions + (isOurs ? 0 : 1);
    return {
      ...lease?.spec,
      holderIdentity: identity,
      leaseDurationSeconds: leaseMs / 1_000,
      acquireTime: isOurs ? (lease.spec.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: transitions,
    };
  }

  #isFree({ lease, sinceMs }: Observed): boolean {
    const { holderIdentity, leaseDurationSeconds = leaseMs / 1_000 } = lease.spec;
    if (holderIdentity === '' || holderIdentity === this.#options.identity) return true;
    return this.#options.clock.monotonicMs() >= sinceMs + leaseDurationSeconds * 1_000;
  }

  #observe(lease: Lease): Observed {
    const before = this.#observed;
    const isSame = before !== undefined && isDeepStrictEqual(before.lease.spec, lease.spec);
    const sinceMs = isSame ? before.sinceMs : this.#options.clock.monotonicMs();
    this.#observed = { lease, sinceMs };
    return this.#observed;
  }

  /** Lets the others go on at once. Should it fail they wait until the Lease has expired. */
  async #release(): Promise<void> {
    const { client, namespace, identity, clock, log } = this.#options;
    const key = { namespace, name: leaseName };
    try {
      await this.#within(releaseMs, undefined, async (signal) => {
        const lease = await client.get(leases, key, { signal });
        if (lease?.spec.holderIdentity !== identity) return;
        const now = microTime(clock.now());
        const times = { leaseDurationSeconds: 1, acquireTime: now, renewTime: now };
        const spec = { ...lease.spec, ...times, holderIdentity: '' };
        this.#observe(await client.replace(leases, key, { ...lease, spec }, { signal }));
      });
    } catch (error) {
      log.warn({ err: error }, 'the Lease was not given back');
    }
  }

  #note(error: unknown, signal: AbortSignal): void {
    // Another one was faster, or we are told to go: neither is a problem.
    if (signal.aborted || isKubeError(error, 'conflict', 'alreadyExists')) return;
    const problem = error instanceof Error ? error.message : String(error);
    if (this.#problem === undefined || reasonOf(error) !== this.#problemReason)
      this.#options.log.warn({ err: error }, 'the Lease cannot be read or written');
    this.#problem = problem;
    this.#problemReason = reasonOf(error);
  }

  /** Calls with a signal that aborts after so many milliseconds, or with ours. */
  async #within<R>(
    limitMs: number,
    signal: AbortSignal | undefined,
    call: (signal: AbortSignal) => Promise<R>,
  ): Promise<R> {
    const limit = new AbortController();
    const abort = (): void => limit.abort(signal?.reason);
    const giveUp = (): void => limit.abort(new Error(`no answer within ${(limitMs / 1_000).toFixed(1)} s`));
    const cancel = this.#options.clock.after(limitMs, giveUp);
    signal?.addEventListener('abort', abort, { once: true });
    try {
      signal?.throwIfAborted();
      // An attempt that hung beyond its limit would keep us from noticing that the Lease is lost.
      return await unlessAborted(call(limit.signal), limit.signal);
    } finally {
      cancel();
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Ends early when the signal aborts. */
  async #pause(delayMs: number, signal: AbortSignal): Promise<void> {
    await this.#options.clock.sleep(delayMs, signal).catch(() => undefined);
  }
}
