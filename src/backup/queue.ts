// Who may make a Job next: in the order in which they became due, past those for whom there is no room yet.
import { formatKey, keyOf, type ObjectKey } from '../kube/resource.ts';
import { ownerUID, type Place } from './places.ts';
import type { Job, Neo4jBackup } from './resources.ts';

/** Why a run may not start yet. */
export interface Hold {
  readonly place: Place;
  /** Who has it, by name of their Jobs, or of the resource where nobody knows that yet. Empty: there is room, for who came before. */
  readonly users: readonly ObjectKey[];
  /** The resource that came before, and may start. */
  readonly ahead?: ObjectKey;
}

interface Asked {
  readonly key: ObjectKey;
  readonly uid: string;
  readonly places: readonly Place[];
}

interface Waiting extends Asked {
  /** Key of the place at which something else is in the way, a Pod that nobody counts: it takes no other place meanwhile. */
  stuckAt: string | undefined;
}

interface Turn extends Asked {
  /** The Job that is made in it, or the resource as long as that has no name. */
  readonly user: ObjectKey;
  /** The API server was asked to make the Job, and may have. */
  isSent: boolean;
  /** Its resource is gone. */
  isForgotten?: boolean;
  /** Of the Job that was made. */
  jobUID: string | undefined;
}

export interface Request {
  readonly backup: Neo4jBackup;
  readonly places: readonly Place[];
  /** A backup is: it stands in line until its Job is made, and goes before what only tends the volume. */
  readonly isDue: boolean;
  readonly jobName?: string | undefined;
}

/**
 * Two passes that look at the same moment would both find room. So who may start takes its places here at once, and keeps them
 * until its Job is seen, or known not to be there. What is lost with this process is the order: Jobs count, whoever made them.
 */
export class Queue {
  readonly #running: (place: string) => readonly Job[];
  /** In the order in which they came. */
  readonly #line = new Map<string, Waiting>();
  readonly #turns = new Map<string, Turn>();
  /** Since it was last asked who is next there may be more room. */
  #hasChanged = false;

  /** @param running the Jobs of runs that have not ended and are known of, by the place that they take */
  constructor(running: (place: string) => readonly Job[]) {
    this.#running = running;
  }

  /**
   * Asks for the turn, which ends with {@link end}.
   * @returns what is to be waited for. Undefined: it is your turn
   */
  begin({ backup, places, isDue, jobName }: Request): Hold | undefined {
    const key = keyOf(backup);
    const who = formatKey(key);
    const asked = { key, uid: backup.metadata.uid, places };
    if (isDue) this.#join(who, asked);
    const turn = this.#turnOf(who, asked.uid);
    if (turn?.uid === asked.uid && hasSamePlaces(turn, asked)) return undefined;
    const hold = this.#holdOf(who, asked);
    if (hold !== undefined) return hold;
    const user = { ...key, name: jobName ?? key.name };
    // An answer that never came may still have been a Job.
    this.#turns.set(who, { ...asked, user, isSent: turn?.isSent === true, jobUID: undefined });
    return undefined;
  }

  #turnOf(who: string, uid: string): Turn | undefined {
    const turn = this.#turns.get(who);
    // A cache may have known it as it was before it was made anew: that one makes no Job, and keeps its successor from nothing.
    if (turn !== undefined && turn.uid !== uid && !turn.isSent) this.#turns.delete(who);
    return turn;
  }

  /** The Job is about to be asked for. */
  sends(key: ObjectKey): void {
    const turn = this.#turns.get(formatKey(key));
    if (turn !== undefined) turn.isSent = true;
  }

  /** A Job was asked for, and whether it was made nobody knows. */
  isUnsure(key: ObjectKey): boolean {
    const turn = this.#turns.get(formatKey(key));
    return turn?.isSent === true && turn.jobUID === undefined;
  }

  /** The Job of the resource is there. Its turn goes on until that is counted as one, as a later pass finds. */
  made(key: ObjectKey, jobUID: string): void {
    const turn = this.#turns.get(formatKey(key));
    if (turn === undefined) return;
    turn.jobUID = jobUID;
    const isCounted = turn.places.some((place) =>
      this.#running(place.key).some(({ metadata }) => metadata.uid === jobUID),
    );
    if (isCounted) this.#turns.delete(formatKey(key));
  }

  /** There is no Job, and none is being made. */
  free(key: ObjectKey): void {
    if (this.#turns.delete(formatKey(key))) this.#hasChanged = true;
  }

  /** The pass was cut short: whatever it had asked for, it comes again. */
  cut(key: ObjectKey): void {
    this.leave(key);
    if (this.#turns.get(formatKey(key))?.isSent !== true) this.free(key);
  }

  /** The resource is gone. Its Job may be on its way to the cache. @returns whether this is to be said again, some time later */
  forget(key: ObjectKey): boolean {
    this.leave(key);
    const turn = this.#turns.get(formatKey(key));
    if (turn?.isSent === true && turn.isForgotten !== true) {
      turn.isForgotten = true;
      return true;
    }
    this.free(key);
    return false;
  }

  /** The resource waits on. @param stuckAt the place at which something that is not counted is in the way */
  stay(key: ObjectKey, stuckAt: string | undefined): void {
    const waiting = this.#line.get(formatKey(key));
    if (waiting !== undefined) waiting.stuckAt = stuckAt;
  }

  /** The resource waits no longer: its Job is made, or it is due no more. */
  leave(key: ObjectKey): void {
    if (this.#line.delete(formatKey(key))) this.#hasChanged = true;
  }

  /** Something at a place has changed: what was in the way there may be gone. */
  stir(place: string | undefined): void {
    this.#hasChanged = true;
    for (const waiting of this.#line.values()) if (waiting.stuckAt === place) waiting.stuckAt = undefined;
  }

  /** Is it in line? */
  has(key: ObjectKey): boolean {
    return this.#line.has(formatKey(key));
  }

  /** All who wait, the one that came first before the others. */
  waiting(): readonly ObjectKey[] {
    return [...this.#line].filter(([who]) => !this.#turns.has(who)).map(([, { key }]) => key);
  }

  /** Those that wait and may start now, where that may have changed since this was last asked. */
  next(): readonly ObjectKey[] {
    if (!this.#hasChanged) return [];
    this.#hasChanged = false;
    const tally = new Tally((place) => this.#usersOf(place, undefined).size);
    return this.#walk(tally, undefined).map(({ key }) => key);
  }

  #join(who: string, asked: Asked): void {
    const before = this.#line.get(who);
    // Made anew under the same name, it is another one, and has not waited yet.
    if (before !== undefined && before.uid !== asked.uid) this.#line.delete(who);
    if (before !== undefined && !hasSamePlaces(before, asked)) this.#hasChanged = true;
    this.#line.set(who, { ...asked, stuckAt: undefined });
  }

  #holdOf(who: string, { uid, places }: Asked): Hold | undefined {
    for (const place of places) {
      const users = this.#usersOf(place.key, uid);
      if (users.size >= place.room) return { place, users: [...users.values()] };
    }
    const tally = new Tally((place) => this.#usersOf(place, uid).size);
    const before = this.#walk(tally, who);
    const place = places.find((each) => !tally.hasRoom(each));
    if (place === undefined) return undefined;
    const ahead = before.find(({ places: theirs, stuckAt }) =>
      stuckAt === undefined ? theirs.some(({ key }) => key === place.key) : stuckAt === place.key,
    );
    return { place, users: [], ...(ahead === undefined ? {} : { ahead: ahead.key }) };
  }

  /** Gives all before that one in line what there is room for. @returns those that may start, or are stuck at a place */
  #walk(tally: Tally, until: string | undefined): readonly Waiting[] {
    const found: Waiting[] = [];
    for (const [who, waiting] of this.#line) {
      if (who === until) break;
      if (this.#turns.has(who)) continue; // it has its places
      const { places, stuckAt } = waiting;
      if (stuckAt !== undefined) {
        // Nobody overtakes it there; that it waits must not hold up anybody elsewhere.
        tally.take(places.filter(({ key }) => key === stuckAt));
        if (until !== undefined) found.push(waiting);
      } else if (places.every((place) => tally.hasRoom(place))) {
        tally.take(places);
        found.push(waiting);
      }
    }
    return found;
  }

  /** Who has a place, by the uid of the resource, of which one run at a time is under way. @param but who asks */
  #usersOf(place: string, but: string | undefined): ReadonlyMap<string, ObjectKey> {
    const users = new Map<string, ObjectKey>();
    for (const { uid, places, user } of this.#turns.values())
      if (places.some(({ key }) => key === place)) users.set(uid, user);
    for (const job of this.#running(place)) users.set(ownerUID(job) ?? job.metadata.uid, keyOf(job));
    if (but !== undefined) users.delete(but);
    return users;
  }
}

/** How much of each place is taken, those who use it now included. */
class Tally {
  readonly #usedNow: (place: string) => number;
  readonly #taken = new Map<string, number>();

  constructor(usedNow: (place: string) => number) {
    this.#usedNow = usedNow;
  }

  hasRoom({ key, room }: Place): boolean {
    return this.#takenOf(key) < room;
  }

  take(places: readonly Place[]): void {
    for (const { key } of places) this.#taken.set(key, this.#takenOf(key) + 1);
  }

  #takenOf(key: string): number {
    const known = this.#taken.get(key) ?? this.#usedNow(key);
    this.#taken.set(key, known);
    return known;
  }
}

function hasSamePlaces(a: Asked, b: Asked): boolean {
  return a.places.length === b.places.length && a.places.every(({ key }, i) => key === b.places[i]?.key);
}
