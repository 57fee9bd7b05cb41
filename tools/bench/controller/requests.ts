// What the operator asked of the API server, counted.
import type { AuditEntry, AuditLog } from '../../cluster/audit.ts';
import { pause } from './until.ts';

/** Whoever asks nothing for so long has nothing to do. Shorter than any second look of the operator's. Milliseconds. */
const quietMs = 3_000;

const reading: readonly string[] = ['get', 'list'];

/** Events may get lost, the lease is renewed whether there are runs or not, and a watch is no request of a run. */
function counts({ resource, verb }: AuditEntry): boolean {
  return !['events', 'leases'].includes(resource) && verb !== 'watch';
}

export interface Counted {
  readonly reads: number;
  readonly writes: number;
  /** `create jobs.batch`, the most frequent first; events, lease and watches, too. */
  readonly kinds: readonly (readonly [string, number])[];
}

/** The requests of the operator, not those of others in its name. */
export class Requests {
  readonly #audit: AuditLog;

  constructor(audit: AuditLog) {
    this.#audit = audit;
  }

  all(): readonly AuditEntry[] {
    return this.#audit.read().filter(({ userAgent }) => userAgent.startsWith('neo4j-backup-operator'));
  }

  /** Requests that arrived at that time or later. Milliseconds since 1970. */
  since(time: number): readonly AuditEntry[] {
    return this.all().filter((entry) => entry.time >= time);
  }

  /** Waits until the operator asks nothing any more. @returns when it was last answered, in milliseconds since 1970 */
  async quiet(): Promise<number> {
    for (;;) {
      const before = this.all().filter(counts);
      await pause(quietMs);
      const after = this.all().filter(counts);
      if (before.length === after.length) return Math.max(0, ...after.map(({ answered }) => answered));
    }
  }
}

export function counted(entries: readonly AuditEntry[]): Counted {
  const run = entries.filter(counts);
  const kinds = Map.groupBy(entries, kindOf);
  const reads = run.filter(({ verb }) => reading.includes(verb)).length;
  return {
    reads,
    writes: run.length - reads,
    kinds: [...kinds].map(([kind, { length }]) => [kind, length] as const).toSorted(([, a], [, b]) => b - a),
  };
}

function kindOf({ verb, resource, subresource, code }: AuditEntry): string {
  const what = subresource === undefined ? resource : `${resource}/${subresource}`;
  return `${verb} ${what}${code < 400 ? '' : `, answered ${code}`}`;
}
