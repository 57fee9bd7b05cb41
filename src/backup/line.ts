// Who may make a Job on a claim next, where only one Pod at a time may use it: in the order in which they became due.
import { formatKey, type ObjectKey } from '../kube/resource.ts';

interface Turn {
  readonly who: string;
  /** Somebody was sent away meanwhile. */
  isWanted: boolean;
}

/**
 * Two passes that look at a claim at the same moment would both find it free. So only one at a time may look and make its
 * Job; after that the Job itself keeps the others away, also from another process. What is lost with this one is the order.
 */
export class Line {
  readonly #waiting = new Map<string, ObjectKey[]>();
  readonly #turns = new Map<string, Turn>();

  /**
   * Asks for the turn, which ends with {@link end}.
   * @param isDue a backup is: it stands in line until its Job is made, and goes before what only tends the volume
   * @returns who comes before. Undefined: it is your turn
   */
  begin(claim: string, key: ObjectKey, isDue: boolean): ObjectKey | undefined {
    const who = formatKey(key);
    const line = this.#waiting.get(claim) ?? [];
    if (isDue && !line.some((other) => formatKey(other) === who)) {
      line.push(key);
      this.#waiting.set(claim, line);
    }
    const turn = this.#turns.get(claim);
    if (turn !== undefined && turn.who !== who) {
      turn.isWanted = true;
      return keyIn(turn.who);
    }
    const [first] = line;
    if (first !== undefined && formatKey(first) !== who) return first;
    this.#turns.set(claim, { who, isWanted: turn?.isWanted === true });
    return undefined;
  }

  /**
   * The pass is over.
   * @param stays it is due as before, and has no Job yet
   * @returns who is to look again now
   */
  end(claim: string, key: ObjectKey, stays: boolean): ObjectKey | undefined {
    const who = formatKey(key);
    const isWanted = this.#giveBack(claim, who);
    const hasLeft = !stays && this.#leave(claim, who);
    if (!hasLeft && !isWanted) return undefined;
    return this.#waiting.get(claim)?.find((first, i) => i === 0 && formatKey(first) !== who);
  }

  /** The resource is gone, wherever it stood. @returns who is to look again now */
  forget(key: ObjectKey): readonly ObjectKey[] {
    return [...this.#waiting.keys()].flatMap((claim) => this.end(claim, key, false) ?? []);
  }

  /** @returns whether somebody was sent away meanwhile */
  #giveBack(claim: string, who: string): boolean {
    const turn = this.#turns.get(claim);
    if (turn?.who !== who) return false;
    this.#turns.delete(claim);
    return turn.isWanted;
  }

  #leave(claim: string, who: string): boolean {
    const line = this.#waiting.get(claim) ?? [];
    const left = line.filter((other) => formatKey(other) !== who);
    if (left.length === 0) this.#waiting.delete(claim);
    else this.#waiting.set(claim, left);
    return left.length < line.length;
  }
}

function keyIn(who: string): ObjectKey {
  const [namespace = '', name = ''] = who.split('/');
  return { namespace, name };
}
