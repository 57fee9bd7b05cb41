// What goes wrong between a client and the fake server: which requests are struck, and how. The same seed, the same faults.
import { createHash } from 'node:crypto';
import type { FakeVerb } from './fake-kube-faults.ts';

/** Before the fake is asked: nothing is done. */
const before = [
  'resetBefore',
  /** The request is taken, and never answered. */
  'silentBefore',
  'tooMany',
  /** With Retry-After: 1. */
  'tooManyWait',
  'error500',
  'error502',
  'error503',
  'error504',
  /** A page of somebody who is no API server. */
  'html200',
  'html502',
] as const;

/** After the fake has done what it was asked for. */
const after = ['resetAfter', 'silentAfter', 'lost504', 'halfAnswer'] as const;

/** In a watch that is open. */
const inWatch = [
  'endsAtOnce',
  /** The head comes, and never an event. */
  'silentWatch',
  /** The first event is cut in the middle, and with it the connection. */
  'halfLine',
  /** The connection ends after the first event. */
  'cutAfterEvent',
  'duplicated',
  /** Each event is held back for a while. */
  'delayed',
  /** The first event has 5 MB. */
  'huge',
  /** An event of type ERROR says 410. */
  'expired',
] as const;

export type WireFaultKind = (typeof before)[number] | (typeof after)[number] | (typeof inWatch)[number];

export interface WireRequest {
  readonly verb: FakeVerb;
  /** `plural.group`, as `jobs.batch`. */
  readonly type: string;
  readonly name: string;
}

/** One request that is to be struck. */
export interface WirePlan {
  readonly verb: FakeVerb;
  /** Absent: every resource. */
  readonly type?: string;
  /** The how-many-th matching request, counted from 1. */
  readonly nth: number;
  readonly kind: WireFaultKind;
}

export type WireFaultOptions =
  | { readonly plan: readonly WirePlan[] }
  | {
      readonly seed: number;
      /** Of the requests, in [0, 1]. */
      readonly share: number;
      /** Absent: all that fit the request. */
      readonly kinds?: readonly WireFaultKind[];
      /** No more than so many. Absent: no limit. */
      readonly most?: number;
    };

export interface Strike extends WireRequest {
  /** The how-many-th request of this verb, type and name. */
  readonly nth: number;
  readonly kind: WireFaultKind;
}

/**
 * Decides which requests are struck. With a seed that depends on the request and on how often it was made, not on what
 * else is under way: who asks in another order meets the same faults.
 */
export class WireFaults {
  /** What struck, in order. */
  readonly log: Strike[] = [];
  readonly #options: WireFaultOptions;
  readonly #seen = new Map<string, number>();
  #isOver = false;

  constructor(options: WireFaultOptions) {
    this.#options = options;
  }

  /** From now on nothing goes wrong. */
  end(): void {
    this.#isOver = true;
  }

  /** Counts the request. @returns how it is struck */
  strike(request: WireRequest): WireFaultKind | undefined {
    if (this.#isOver) return undefined;
    const kind = 'plan' in this.#options ? this.#planned(request, this.#options.plan) : this.#drawn(request);
    if (kind === undefined) return undefined;
    const nth = this.#seen.get(idOf(request)) ?? this.#count(idOf(request));
    this.log.push({ ...request, nth, kind });
    return kind;
  }

  #planned(request: WireRequest, plan: readonly WirePlan[]): WireFaultKind | undefined {
    this.#count(idOf(request));
    const matching = plan.filter(
      ({ verb, type }) => verb === request.verb && (type ?? request.type) === request.type,
    );
    const struck = matching.filter((one) => this.#count(`plan ${plan.indexOf(one)}`) === one.nth);
    return struck[0]?.kind;
  }

  #drawn(request: WireRequest): WireFaultKind | undefined {
    if ('plan' in this.#options) return undefined;
    const { seed, share, kinds, most = Infinity } = this.#options;
    const nth = this.#count(idOf(request));
    const fitting = fittingKinds(request).filter((kind) => kinds?.includes(kind) ?? true);
    const id = `${seed} ${idOf(request)} ${nth}`;
    if (this.log.length >= most || draw(`${id} whether`) >= share) return undefined;
    return fitting[Math.floor(draw(`${id} which`) * fitting.length)];
  }

  #count(id: string): number {
    const count = 1 + (this.#seen.get(id) ?? 0);
    this.#seen.set(id, count);
    return count;
  }
}

export function isBefore(kind: WireFaultKind): kind is (typeof before)[number] {
  return before.some((one) => one === kind);
}

function fittingKinds({ verb }: WireRequest): readonly WireFaultKind[] {
  return [...before, ...(verb === 'watch' ? inWatch : after)];
}

function idOf({ verb, type, name }: WireRequest): string {
  return `${verb} ${type} ${name}`;
}

/** In [0, 1), evenly. */
function draw(id: string): number {
  return createHash('sha256').update(id).digest().readUInt32BE() / 2 ** 32;
}
