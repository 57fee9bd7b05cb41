export type FakeVerb = 'get' | 'list' | 'watch' | 'create' | 'replace' | 'replaceStatus' | 'delete';

/** One call that the fake was asked to do, in order of arrival, whether it was refused or not. */
export interface FakeRequest {
  readonly verb: FakeVerb;
  /** `plural.group`, as `jobs.batch`. */
  readonly type: string;
  readonly namespace: string | undefined;
  readonly name: string | undefined;
  /** The object of a create, replace or replaceStatus, the options of a delete. */
  readonly body?: unknown;
}

export interface Fault {
  /** Absent: every verb. */
  readonly verbs?: readonly FakeVerb[] | undefined;
  /** `plural.group`, as `jobs.batch`. Absent: every resource. */
  readonly type?: string | undefined;
  readonly name?: string | undefined;
  /** The how-many-th matching call from now fails, counted from 1. Default 1. */
  readonly nth?: number | undefined;
  /** How many calls fail in a row. Default 1; Infinity for all from then on. */
  readonly times?: number | undefined;
  /** `after`: the call is done, and its answer lost. Default `before`. A watch fails before it opens in either case. */
  readonly when?: 'before' | 'after' | undefined;
  readonly error: Error;
}

interface ArmedFault extends Fault {
  seen: number;
}

/** Decides which calls fail. */
export class Faults {
  readonly #armed: ArmedFault[] = [];

  arm(fault: Fault): void {
    this.#armed.push({ ...fault, seen: 0 });
  }

  clear(): void {
    this.#armed.length = 0;
  }

  /** Counts the call. @returns the fault that strikes it. */
  strike(request: FakeRequest): Fault | undefined {
    const struck = this.#armed.filter((fault) => {
      if (!isMatch(fault, request)) return false;
      fault.seen += 1;
      const { nth = 1, times = 1 } = fault;
      return fault.seen >= nth && fault.seen < nth + times;
    });
    return struck[0];
  }
}

function isMatch({ verbs, type, name }: Fault, request: FakeRequest): boolean {
  return (
    (verbs === undefined || verbs.includes(request.verb)) &&
    (type === undefined || type === request.type) &&
    (name === undefined || name === request.name)
  );
}
