// The life of the operator, and how it feels: the API server must serve our schema, the others must let it lead, then it works.
import { judgeServed, type ServedSchema } from './api/served.ts';
import { unlessAborted } from './runtime/abort.ts';
import { backoffMs, type Backoff } from './runtime/backoff.ts';
import type { Clock } from './runtime/clock.ts';
import type { Log } from './runtime/log.ts';
import type { Check, Health } from './telemetry/health.ts';

/** A local copy of what is watched. A Reflector is one. */
interface Cache {
  /** Plural of the kind. */
  readonly resource: string;
  hasSynced(): boolean;
  /** Why it sees nothing at present. */
  readonly problem: string | undefined;
  /** For how long it has done nothing at all. Milliseconds. */
  stillMs(): number;
  /** For how long the API server has told it nothing; undefined before the first answer. Milliseconds. */
  silentMs(): number | undefined;
}

/** What the operator is there for. A BackupController is one. */
interface Work {
  /** Works until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  readonly caches: readonly {
    /** Undefined: all. */
    readonly namespace: string | undefined;
    readonly reflectors: readonly Cache[];
  }[];
  readonly controller: {
    /** Age of the oldest pass under way, 0 when there is none. Milliseconds. */
    oldestPassMs(): number;
  };
}

/** Who decides which replica works. A LeaderElector is one. */
interface Election {
  /** Calls `lead` when it is our turn. Its signal aborts with ours, or when our turn is over: then it rejects. */
  run(signal: AbortSignal, lead: (signal: AbortSignal) => Promise<void>): Promise<void>;
  readonly isLeading: boolean;
  /** Undefined: nobody that we know of. */
  readonly holder: string | undefined;
  /** Why we know nothing. */
  readonly problem: string | undefined;
}

export interface OperatorDeps {
  /** Fetches what the API server tells of our kind; undefined when it tells nothing. */
  readonly fetchSchema: (signal: AbortSignal) => Promise<unknown>;
  /** Absent: there is no other replica. */
  readonly election?: Election | undefined;
  readonly work: Work;
  /** Called when the work is told to end, by us or because another one leads: it has to, or the process must. */
  readonly onEnding: () => void;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
}

/** An API server takes seconds to tell of a new CRD; one that stays away is asked several times a minute: work is to go on within 30 s after it is back. */
const schemaBackoff: Backoff = { baseMs: 2_000, capMs: 15_000 };

/** A pass is told to end after a minute. One that is still there now will not end any more. Milliseconds. */
const wedgedMs = 180_000;

/**
 * A list ends after 30 s per page, and a watch after 100 s of silence: a cache that has done nothing for so long will not do
 * anything any more. Whether the server answers makes no difference. Milliseconds.
 */
const stuckMs = 900_000;

/** What could not be followed for so long is out of date: an API server that starts anew is back before. Milliseconds. */
const outdatedMs = 120_000;

/** How many missing fields, or caches, are named; the first ones tell what is the matter. */
const maxNamed = 5;

type Schema = ServedSchema | { readonly kind: 'unknown'; readonly why: string };

interface NamedCache {
  readonly name: string;
  readonly cache: Cache;
}

export class Operator implements Health {
  readonly #deps: OperatorDeps;
  #schema: Schema = { kind: 'unknown', why: 'not asked yet' };
  #isWorking = false;

  constructor(deps: OperatorDeps) {
    this.#deps = deps;
  }

  /** Works, as soon as it can and may, until the signal aborts. @throws {Error} when it may no longer. */
  async run(signal: AbortSignal): Promise<void> {
    const { election } = this.#deps;
    if (!(await this.#awaitSchema(signal))) return;
    if (election === undefined) await this.#work(signal);
    else await election.run(signal, (leading) => this.#work(leading));
  }

  live(): readonly Check[] {
    const { controller } = this.#deps.work;
    const oldestMs = controller.oldestPassMs();
    const stuck = this.#caches().filter(({ cache }) => cache.stillMs() >= stuckMs);
    const stood = stuck.map(({ name, cache }) => `${name} for ${seconds(cache.stillMs())}`);
    const passesEnd = oldestMs < wedgedMs;
    return [
      {
        name: 'passes',
        isGood: passesEnd,
        says: passesEnd ? 'they end' : `one has hung for ${seconds(oldestMs)}`,
      },
      {
        name: 'watches',
        isGood: stuck.length === 0,
        says: stuck.length === 0 ? 'they go on' : `hung: ${named(stood)}`,
      },
    ];
  }

  ready(): readonly Check[] {
    const schema = this.#schema;
    const reached = schema.kind !== 'unknown';
    return [
      { name: 'API server', isGood: reached, says: reached ? 'reached' : schema.why },
      { name: 'schema', isGood: schema.kind === 'current', says: sayOf(schema) },
      ...(schema.kind === 'current' ? this.#leader() : []),
      ...(this.#isWorking ? [this.#filled()] : []),
    ];
  }

  async #work(signal: AbortSignal): Promise<void> {
    const { work, onEnding } = this.#deps;
    this.#isWorking = true;
    signal.addEventListener('abort', onEnding, { once: true });
    await work.run(signal);
  }

  /** A replica that stands by is ready: it can do what it is there for. */
  #leader(): readonly Check[] {
    const { election } = this.#deps;
    if (election === undefined) return [];
    const { isLeading, holder, problem } = election;
    const others = holder === undefined ? 'nobody leads yet' : `${holder} leads, this one stands by`;
    const says = problem ?? (isLeading ? 'this one leads' : others);
    return [{ name: 'leader', isGood: problem === undefined && holder !== undefined, says }];
  }

  /** A namespace that cannot be read holds up no other, but somebody should see to it. */
  #filled(): Check {
    const all = this.#caches();
    const empty = all.filter(({ cache }) => !cache.hasSynced());
    const troubled = all.filter(({ cache }) => cache.hasSynced() && cache.problem !== undefined);
    const why = ({ name, cache: { problem } }: NamedCache): string =>
      problem === undefined ? name : `${name} (${problem})`;
    const says = [
      empty.length === 0 ? 'filled' : `not filled yet: ${named(empty.map(why))}`,
      ...(troubled.length === 0 ? [] : [`not followed: ${named(troubled.map(why))}`]),
    ];
    const isOutdated = troubled.some(({ cache }) => (cache.silentMs() ?? 0) >= outdatedMs);
    return { name: 'caches', isGood: empty.length === 0 && !isOutdated, says: says.join('; ') };
  }

  #caches(): readonly NamedCache[] {
    return this.#deps.work.caches.flatMap(({ namespace, reflectors }) =>
      reflectors.map((cache) => ({
        name: namespace === undefined ? cache.resource : `${cache.resource} in ${namespace}`,
        cache,
      })),
    );
  }

  /** With an older schema the API server would drop fields of the status, and what is left could lie. @returns false when stopped. */
  async #awaitSchema(signal: AbortSignal): Promise<boolean> {
    const { clock, random, log } = this.#deps;
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      const before = sayOf(this.#schema);
      this.#schema = await this.#judge(signal);
      if (this.#schema.kind === 'current') return true;
      const says = sayOf(this.#schema);
      if (says !== before && !signal.aborted) log.warn({ schema: this.#schema.kind }, `waiting: ${says}`);
      await clock.sleep(backoffMs(attempt, schemaBackoff, random), signal).catch(() => undefined);
    }
    return false;
  }

  async #judge(signal: AbortSignal): Promise<Schema> {
    try {
      return judgeServed(await unlessAborted(this.#deps.fetchSchema(signal), signal));
    } catch (error) {
      return { kind: 'unknown', why: error instanceof Error ? error.message : String(error) };
    }
  }
}

function sayOf(schema: Schema): string {
  const advice = 'kubectl apply --server-side -f crds/, or helm upgrade';
  switch (schema.kind) {
    case 'current':
      return 'served';
    case 'absent':
      return `the API server does not serve our kind, the CRD is missing: ${advice}`;
    case 'older':
      return `the CRD is older than this operator, it lacks ${named(schema.missing)}: ${advice}`;
    case 'unknown':
      return `not known: ${schema.why}`;
  }
}

/** The first few, and how many more there are. */
function named(names: readonly string[]): string {
  const more = names.length - maxNamed;
  return `${names.slice(0, maxNamed).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1_000)} s`;
}
