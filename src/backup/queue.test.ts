import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aBackup, aJob } from '../../test/support/builders.ts';
import type { ObjectKey } from '../kube/resource.ts';
import type { Place } from './places.ts';
import { Queue, type Hold } from './queue.ts';
import type { Job, Neo4jBackup } from './resources.ts';

function place(kind: Place['kind'], name: string, room: number): Place {
  return { kind, key: `${kind} ${name}`, name, room };
}

const x = place('claim', 'x', 1);
const y = place('claim', 'y', 1);

function named(name: string, uid = `uid-of-${name}`): Neo4jBackup {
  return aBackup({ metadata: { name, uid } });
}

function keyFor(name: string): ObjectKey {
  return { namespace: 'shop', name };
}

/** A queue, the Jobs that a cache knows, and short words for what passes do. */
class Scene {
  readonly jobs = new Map<string, readonly Place[]>();
  readonly queue = new Queue((wanted) => this.#jobsAt(wanted));

  #jobsAt(wanted: string): readonly Job[] {
    return [...this.jobs]
      .filter(([, places]) => places.some(({ key }) => key === wanted))
      .map(([owner]) => jobOf(owner));
  }

  /** @returns who is waited for, or `go` */
  asks(name: string, places: readonly Place[], isDue = true): string {
    const hold = this.queue.begin({ backup: named(name), places, isDue, jobName: `${name}-1` });
    return hold === undefined ? 'go' : ([...hold.users, ...(hold.ahead ? [hold.ahead] : [])][0]?.name ?? '?');
  }

  /** The pass ends: it has to wait. */
  waits(name: string): readonly string[] {
    this.queue.stay(keyFor(name), undefined);
    return this.next();
  }

  /** The pass ends: its Job is made, and a cache knows it at once, or it is none that counts. */
  starts(name: string, places: readonly Place[] = []): readonly string[] {
    this.queue.sends(keyFor(name));
    this.jobs.set(name, places);
    this.queue.leave(keyFor(name));
    if (places.length === 0) this.queue.free(keyFor(name));
    else this.queue.made(keyFor(name), jobOf(name).metadata.uid);
    return this.next();
  }

  ends(name: string): readonly string[] {
    this.jobs.delete(name);
    this.queue.stir(undefined);
    return this.next();
  }

  next(): readonly string[] {
    return this.queue.next().map((key) => key.name);
  }
}

function jobOf(owner: string): Job {
  const job = aJob({ metadata: { name: `${owner}-1` } });
  const [reference] = job.metadata.ownerReferences ?? [];
  if (reference === undefined) throw new Error('it has no owner');
  const ownerReferences = [{ ...reference, name: owner, uid: `uid-of-${owner}` }];
  return { ...job, metadata: { ...job.metadata, ownerReferences } };
}

describe('the queue', () => {
  test('lets one look at a place at a time, and wakes the next when that one has ended', () => {
    const scene = new Scene();
    expect(scene.asks('a', [x])).toBe('go');
    expect(scene.asks('b', [x])).toBe('a-1');
    expect(scene.waits('b')).toEqual([]);
    expect(scene.starts('a', [x])).toEqual([]);
    expect(scene.ends('a')).toEqual(['b']);
    expect(scene.asks('b', [x])).toBe('go');
  });

  test('wakes the next when the one before makes no Job', () => {
    const scene = new Scene();
    scene.asks('a', [x]);
    scene.asks('b', [x]);
    scene.queue.leave(keyFor('a'));
    scene.queue.free(keyFor('a'));
    expect(scene.next()).toEqual(['b']);
    expect(scene.next()).toEqual([]);
  });

  test('keeps the order in which they became due', () => {
    const scene = new Scene();
    scene.jobs.set('z', [x]);
    for (const name of ['a', 'b', 'c']) expect(scene.asks(name, [x])).toBe('z-1');
    expect(scene.ends('z')).toEqual(['a']);
    expect(scene.asks('c', [x])).toBe('a');
    expect(scene.asks('b', [x])).toBe('a');
    expect(scene.asks('a', [x])).toBe('go');
    expect(scene.queue.waiting().map(({ name }) => name)).toEqual(['b', 'c']);
  });

  test('lets nobody wait behind one for whom there is no room', () => {
    const scene = new Scene();
    const all = place('operator', '', 2);
    scene.jobs.set('z', [x, all]);
    expect(scene.asks('a', [x, all])).toBe('z-1');
    expect(scene.asks('b', [y, all])).toBe('go');
  });

  test('gives the last place to the one that came first of those that may have it', () => {
    const scene = new Scene();
    const all = place('operator', '', 1);
    scene.jobs.set('z', [y, all]);
    for (const name of ['a', 'b', 'c']) scene.asks(name, [place('claim', name, 1), all]);
    expect(scene.ends('z')).toEqual(['a']);
    expect(scene.asks('c', [place('claim', 'c', 1), all])).toBe('a');
  });

  test('lets a backup go before what only tends the volume, and that before none', () => {
    const scene = new Scene();
    scene.jobs.set('z', [x]);
    scene.asks('a', [x]);
    scene.ends('z');
    expect(scene.asks('b', [x], false)).toBe('a');
    expect(scene.queue.has(keyFor('b'))).toBe(false);
    scene.queue.leave(keyFor('a'));
    expect(scene.asks('b', [x], false)).toBe('go');
    expect(scene.asks('a', [x])).toBe('b-1');
    expect(scene.starts('b')).toEqual(['a']);
  });

  test('keeps a place for one that is stuck there, and gives its others away', () => {
    const scene = new Scene();
    const all = place('operator', '', 1);
    expect(scene.asks('a', [x, all])).toBe('go');
    scene.queue.free(keyFor('a'));
    scene.queue.stay(keyFor('a'), x.key);
    expect(scene.next()).toEqual([]);
    expect(scene.asks('b', [x, all])).toBe('a');
    expect(scene.asks('c', [y, all])).toBe('go');
    scene.starts('c', [y, all]);
    scene.queue.stir(x.key);
    expect(scene.next()).toEqual([]);
    expect(scene.ends('c')).toEqual(['a']);
  });

  test('wakes those for whom there is room when one is stuck, and when one leaves that could have started', () => {
    const scene = new Scene();
    const server = place('server', 's', 1);
    scene.asks('a', [x, server]);
    expect(scene.asks('b', [y, server])).toBe('a-1');
    scene.queue.stay(keyFor('a'), x.key);
    scene.queue.free(keyFor('a'));
    expect(scene.next()).toEqual(['b']);
    expect(scene.asks('c', [y])).toBe('b');
    scene.queue.leave(keyFor('b'));
    expect(scene.next()).toEqual(['c']);
  });

  test('counts who has a turn once', () => {
    const scene = new Scene();
    const all = place('operator', '', 2);
    expect(scene.asks('a', [all])).toBe('go');
    expect(scene.asks('b', [all])).toBe('go');
    expect(scene.asks('c', [all])).toBe('a-1');
  });

  test('takes a second look in the same pass for the same turn, unless it is for other places', () => {
    const scene = new Scene();
    scene.asks('a', [x]);
    scene.asks('b', [x]);
    expect(scene.asks('a', [x])).toBe('go');
    expect(scene.asks('a', [y])).toBe('go');
    expect(scene.asks('b', [x])).toBe('go');
  });

  test('takes one that was made anew under its name for another', () => {
    const scene = new Scene();
    scene.jobs.set('z', [x]);
    scene.asks('a', [x]);
    scene.asks('b', [x]);
    scene.queue.begin({ backup: named('a', 'another'), places: [x], isDue: true });
    expect(scene.ends('z')).toEqual(['b']);
  });

  test('does not let one wait for itself, as a cache knew it before it was made anew', () => {
    const scene = new Scene();
    expect(scene.asks('a', [x])).toBe('go');
    const backup = named('a', 'another');
    expect(scene.queue.begin({ backup, places: [x], isDue: true })).toBeUndefined();
  });

  test('counts a Job that is on its way to the cache, until that knows it, and then that', () => {
    const scene = new Scene();
    scene.asks('a', [x]);
    scene.queue.sends(keyFor('a'));
    scene.queue.leave(keyFor('a'));
    scene.queue.made(keyFor('a'), jobOf('a').metadata.uid);
    expect(scene.asks('b', [x])).toBe('a-1');
    scene.jobs.set('a', [x]);
    scene.queue.made(keyFor('a'), jobOf('a').metadata.uid);
    expect(scene.asks('b', [x])).toBe('a-1');
    expect(scene.ends('a')).toEqual(['b']);
  });

  test('counts a Job of which nobody knows whether it was made', () => {
    const scene = new Scene();
    scene.asks('a', [x]);
    scene.queue.sends(keyFor('a'));
    scene.queue.cut(keyFor('a'));
    expect(scene.queue.isUnsure(keyFor('a'))).toBe(true);
    expect(scene.asks('b', [x])).toBe('a-1');
    scene.queue.free(keyFor('a'));
    expect(scene.next()).toEqual(['b']);
  });

  test('forgets a resource that is gone; its Job that no cache knows, when it is said again', () => {
    const scene = new Scene();
    scene.asks('a', [x]);
    scene.asks('b', [x]);
    expect(scene.queue.forget(keyFor('b'))).toBe(false);
    scene.queue.sends(keyFor('a'));
    expect(scene.queue.forget(keyFor('a'))).toBe(true);
    expect(scene.asks('c', [x])).toBe('a-1');
    expect(scene.queue.forget(keyFor('a'))).toBe(false);
    expect(scene.next()).toEqual(['c']);
  });
});

const operator = place('operator', '', 2);
const [one, two] = [place('server', 'one', 1), place('server', 'two', 1)] as const;
const many = place('claim', 'many', 2);
/** What each resource needs. */
const needs: readonly (readonly Place[])[] = [
  [x, one, operator],
  [x, two, operator],
  [y, one, operator],
  [y, two, operator],
  [many, one, operator],
  [many, operator],
  [many, two, operator],
];
const allPlaces = [...new Set(needs.flat())];

const endings = ['made', 'refused', 'lost', 'unheard', 'stuck'] as const;
const steps = [...endings, 'due', 'withdrawn', 'begins', 'seen', 'finished'] as const;
type Step = (typeof steps)[number];

/** Passes over resources whose Jobs are made, become known and end, in any order: what the controller does with the queue. */
class World {
  /** Resources that have a Job, whoever knows. */
  readonly real = new Set<number>();
  readonly known = new Set<number>();
  readonly due = new Set<number>();
  readonly woken = new Set<number>();
  readonly passes = new Map<number, Hold | 'go' | 'idle'>();
  readonly queue = new Queue((wanted) => this.#knownAt(wanted));
  readonly started: number[] = [];
  /** Keys of claims that something else is in the way of. */
  stuckAt = new Set<string>();

  #knownAt(wanted: string): readonly Job[] {
    return [...this.known]
      .filter((i) => needs[i]?.some(({ key }) => key === wanted))
      .map((i) => jobOf(String(i)));
  }

  does(step: Step, i: number): void {
    if (step === 'due' && !this.real.has(i)) this.due.add(i);
    if (step === 'withdrawn') this.due.delete(i);
    if (step === 'due' || step === 'withdrawn') this.woken.add(i);
    if (step === 'begins') this.#begins(i);
    if (step === 'seen') this.#seen(i);
    if (step === 'finished') this.#finished(i);
    const ending = endings.find((each) => each === step);
    if (ending !== undefined) this.#ends(i, ending);
  }

  /** Everybody who was woken is passed over, and every Job ends: until nothing moves. */
  drain(): void {
    for (let again = true; again;) {
      const before = this.started.length;
      for (const i of needs.keys()) this.#finishes(i);
      again = this.started.length > before || this.woken.size > 0;
    }
  }

  #finishes(i: number): void {
    for (const step of ['made', 'begins', 'made', 'begins', 'made', 'seen', 'finished'] as const)
      this.does(step, i);
    // What is in the way of the claims goes, too.
    const { stuckAt } = this;
    this.stuckAt = new Set();
    for (const key of stuckAt) this.queue.stir(key);
    this.#wakeNext();
  }

  #begins(i: number): void {
    if (!this.woken.has(i) || this.passes.has(i)) return;
    this.woken.delete(i);
    if (!this.due.has(i) || this.real.has(i)) {
      this.passes.set(i, 'idle');
      return;
    }
    const backup = named(String(i));
    const hold = this.queue.begin({ backup, places: needs[i] ?? [], isDue: true, jobName: `${i}-1` });
    this.passes.set(i, hold ?? 'go');
  }

  #ends(i: number, how: (typeof endings)[number]): void {
    const pass = this.passes.get(i);
    if (pass === undefined) return;
    this.passes.delete(i);
    const key = keyFor(String(i));
    if (pass === 'go') this.#goes(i, how);
    else if (pass === 'idle') this.#idles(i);
    else {
      this.queue.stay(key, undefined);
      this.queue.free(key);
    }
    this.#wakeNext();
  }

  #goes(i: number, how: (typeof endings)[number]): void {
    const key = keyFor(String(i));
    if (how === 'stuck') {
      const claim = needs[i]?.[0]?.key ?? '';
      this.stuckAt.add(claim);
      this.queue.stay(key, claim);
      this.queue.free(key);
      return;
    }
    this.queue.sends(key);
    if (how === 'made' || how === 'unheard') this.#starts(i);
    this.queue.leave(key);
    if (how === 'made') this.queue.made(key, jobOf(String(i)).metadata.uid);
    else if (how === 'refused') this.queue.free(key);
    else this.woken.add(i);
    if (how === 'refused') this.due.delete(i);
  }

  #starts(i: number): void {
    this.real.add(i);
    this.due.delete(i);
    this.started.push(i);
  }

  #idles(i: number): void {
    const key = keyFor(String(i));
    this.queue.leave(key);
    if (this.real.has(i)) this.queue.made(key, jobOf(String(i)).metadata.uid);
    else this.queue.free(key);
  }

  #seen(i: number): void {
    if (!this.real.has(i) || this.known.has(i)) return;
    this.known.add(i);
    this.#changed(i);
  }

  #finished(i: number): void {
    if (!this.real.delete(i)) return;
    if (this.known.delete(i)) this.#changed(i);
    this.woken.add(i);
  }

  #changed(i: number): void {
    this.queue.stir(needs[i]?.[0]?.key);
    this.woken.add(i);
    this.#wakeNext();
  }

  #wakeNext(): void {
    for (const { name } of this.queue.next()) this.woken.add(Number(name));
  }

  /** Places that more use than may. */
  crowded(): readonly string[] {
    return allPlaces
      .filter(
        ({ key, room }) => [...this.real].filter((i) => needs[i]?.some((p) => p.key === key)).length > room,
      )
      .map(({ key }) => key);
  }
}

const story = fc.array(fc.tuple(fc.constantFrom(...steps), fc.nat({ max: needs.length - 1 })), {
  maxLength: 80,
});

describe('whatever happens, in whatever order', () => {
  test('no limit is exceeded, and nobody waits for ever, with nothing to wake them but the queue', () => {
    fc.assert(
      fc.property(story, (moves) => {
        const world = new World();
        for (const [step, i] of moves) {
          world.does(step, i);
          expect(world.crowded()).toEqual([]);
        }
        world.drain();
        expect(world.crowded()).toEqual([]);
        expect([...world.due]).toEqual([]);
        expect(world.queue.waiting()).toEqual([]);
      }),
      { numRuns: 3_000 },
    );
  });

  test('after everything has ended all places are free', () => {
    fc.assert(
      fc.property(story, (moves) => {
        const world = new World();
        for (const [step, i] of moves) world.does(step, i);
        world.drain();
        const free = { backup: named('new'), places: allPlaces.map((each) => ({ ...each, room: 1 })) };
        expect(world.queue.begin({ ...free, isDue: true })).toBeUndefined();
      }),
    );
  });
});
