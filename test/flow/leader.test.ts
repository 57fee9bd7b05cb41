// Candidates for one Lease on one API server, with clocks of their own that may be wrong.
import { describe, expect, test } from 'vitest';
import { KubeError } from '../../src/kube/errors.ts';
import type { Clock } from '../../src/runtime/clock.ts';
import { LeaderElector, leaseName, leases } from '../../src/runtime/leader.ts';
import { FakeClock, quiet } from '../support/fake-clock.ts';
import { FakeKube } from '../support/fake-kube.ts';
import { quietLog } from '../support/quiet-log.ts';

const namespace = 'backup';
const key = { namespace, name: leaseName };

interface Line {
  /** Calls are refused at once, or answered by nobody until they are given up. */
  state: 'up' | 'refused' | 'silent';
}

type Client = ConstructorParameters<typeof LeaderElector>[0]['client'];

/** One candidate's way to the API server. */
function through(line: Line, kube: FakeKube): Client {
  const call = async <R>(signal: AbortSignal | undefined, made: () => Promise<R>): Promise<R> => {
    if (line.state === 'refused') throw new KubeError('unavailable', 'connection refused');
    if (line.state === 'silent') {
      await new Promise<never>((_, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      });
    }
    return made();
  };
  return {
    get: (resource, at, options) => call(options?.signal, () => kube.get(resource, at, options)),
    create: (resource, into, object, options) =>
      call(options?.signal, () => kube.create(resource, into, object, options)),
    replace: (resource, at, object, options) =>
      call(options?.signal, () => kube.replace(resource, at, object, options)),
  };
}

interface Candidate {
  readonly elector: LeaderElector;
  readonly line: Line;
  readonly stop: AbortController;
  /** How `run` ended; undefined until then. */
  ended: string | undefined;
  isWorking: boolean;
}

class Scene {
  readonly clock = new FakeClock();
  readonly kube = new FakeKube();
  readonly candidates: Candidate[] = [];
  /** The most that ever worked at once. */
  most = 0;

  /** @param skewMs how wrong its wall clock is. @param endMs how long its work takes to end. */
  async join(identity: string, { skewMs = 0, endMs = 0, random = 0.5 } = {}): Promise<Candidate> {
    const clock: Clock = {
      now: () => new Date(this.clock.now().getTime() + skewMs),
      monotonicMs: () => this.clock.monotonicMs() + skewMs,
      sleep: (delayMs, signal) => this.clock.sleep(delayMs, signal),
      after: (delayMs, callback) => this.clock.after(delayMs, callback),
    };
    const line: Line = { state: 'up' };
    const client = through(line, this.kube);
    const elector = new LeaderElector({
      client,
      namespace,
      identity,
      clock,
      random: () => random,
      log: quietLog(),
    });
    const stop = new AbortController();
    const candidate: Candidate = { elector, line, stop, ended: undefined, isWorking: false };
    this.candidates.push(candidate);
    const work = async (signal: AbortSignal): Promise<void> => {
      candidate.isWorking = true;
      this.most = Math.max(this.most, this.working);
      await this.clock.sleep(Infinity, signal).catch(() => undefined);
      if (endMs > 0) await this.clock.sleep(endMs, new AbortController().signal);
      candidate.isWorking = false;
    };
    void elector.run(stop.signal, work).then(
      () => (candidate.ended = 'stopped'),
      (error: Error) => (candidate.ended = error.message),
    );
    await quiet();
    return candidate;
  }

  get working(): number {
    return this.candidates.filter(({ isWorking }) => isWorking).length;
  }

  lease(): object {
    return this.kube.peek(leases, key)?.spec ?? {};
  }

  /** A minute at most, in steps small enough to see when. @returns milliseconds. */
  async until(isSo: () => boolean): Promise<number> {
    const startMs = this.clock.monotonicMs();
    while (!isSo()) {
      if (this.clock.monotonicMs() - startMs > 60_000) throw new Error('it did not happen');
      await this.clock.advance(100);
    }
    return this.clock.monotonicMs() - startMs;
  }

  writes(): number {
    return this.kube.requests.filter(({ verb }) => verb === 'create' || verb === 'replace').length;
  }
}

describe('the first candidate', () => {
  test('makes the Lease and leads at once', async () => {
    const scene = new Scene();
    const { elector } = await scene.join('a');
    expect([elector.isLeading, elector.holder, elector.problem]).toEqual([true, 'a', undefined]);
    expect(scene.lease()).toEqual({
      holderIdentity: 'a',
      leaseDurationSeconds: 15,
      acquireTime: '2026-01-01T00:00:00.000000Z',
      renewTime: '2026-01-01T00:00:00.000000Z',
      leaseTransitions: 0,
    });
  });

  test('renews with one request every two seconds, and keeps the time when it began', async () => {
    const scene = new Scene();
    await scene.join('a');
    const before = scene.kube.requests.length;
    await scene.clock.advance(60_000);
    expect(scene.kube.requests.length - before).toBe(30);
    expect(scene.lease()).toMatchObject({
      acquireTime: '2026-01-01T00:00:00.000000Z',
      renewTime: '2026-01-01T00:01:00.000000Z',
      leaseTransitions: 0,
    });
  });

  test('goes on at once after a restart under the same name', async () => {
    const scene = new Scene();
    const first = await scene.join('a');
    first.line.state = 'silent';
    await scene.clock.advance(3_000);
    const again = await scene.join('a');
    expect(again.isWorking).toBe(true);
    expect(scene.lease()).toMatchObject({ holderIdentity: 'a', leaseTransitions: 0 });
  });

  test('keeps what others have written into the Lease', async () => {
    const scene = new Scene();
    scene.kube.put(leases, namespace, {
      metadata: { name: leaseName, labels: { team: 'dba' } },
      spec: { leaseTransitions: 7, strategy: 'odd' },
    });
    await scene.join('a');
    expect(scene.lease()).toMatchObject({ holderIdentity: 'a', leaseTransitions: 8, strategy: 'odd' });
    expect(scene.kube.peek(leases, key)?.metadata.labels).toEqual({ team: 'dba' });
  });

  test('takes a Lease without spec', async () => {
    const scene = new Scene();
    scene.kube.put(leases, namespace, { metadata: { name: leaseName } });
    expect((await scene.join('a')).isWorking).toBe(true);
  });
});

describe('two candidates', () => {
  test('started at once are one leader', async () => {
    const scene = new Scene();
    await Promise.all([scene.join('a'), scene.join('b', { random: 0.1 })]);
    await scene.clock.advance(120_000);
    expect(scene.working).toBe(1);
    expect(scene.most).toBe(1);
  });

  test('who both find an expired Lease are one leader', async () => {
    const scene = new Scene();
    const first = await scene.join('a');
    await Promise.all([scene.join('b'), scene.join('c')]);
    first.line.state = 'silent';
    await scene.clock.advance(30_000);
    expect(scene.working).toBe(1);
    expect(scene.most).toBe(1);
    expect(scene.lease()).toMatchObject({ leaseTransitions: 1 });
  });

  test('are told who leads', async () => {
    const scene = new Scene();
    await scene.join('a');
    const { elector, isWorking } = await scene.join('b');
    expect([isWorking, elector.isLeading, elector.holder]).toEqual([false, false, 'a']);
  });

  test('change places only after the Lease has been still for its duration', async () => {
    const scene = new Scene();
    const first = await scene.join('a', { endMs: 4_000 });
    const second = await scene.join('b');
    await scene.clock.advance(60_000);
    expect(second.isWorking).toBe(false);
    first.line.state = 'refused';
    const tookMs = await scene.until(() => second.isWorking);
    expect(tookMs).toBeGreaterThanOrEqual(13_000);
    expect(tookMs).toBeLessThan(15_000 + 2 * 4_400);
    expect(scene.lease()).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1 });
    expect([first.ended, scene.most]).toEqual(['the Lease was not renewed in 10 s', 1]);
  });

  test.each([
    { name: 'a day ahead', skewMs: 86_400_000 },
    { name: 'a day behind', skewMs: -86_400_000 },
  ])('do not mind a clock that is $name', async ({ skewMs }) => {
    const scene = new Scene();
    const first = await scene.join('a');
    const second = await scene.join('b', { skewMs });
    await scene.clock.advance(120_000);
    expect([first.isWorking, second.isWorking]).toEqual([true, false]);
    first.line.state = 'refused';
    expect(await scene.until(() => second.isWorking)).toBeGreaterThanOrEqual(13_000);
    expect(await scene.until(() => first.ended !== undefined)).toBe(0);
    expect(scene.most).toBe(1);
  });

  test('hand over within a retry when the leader is told to go', async () => {
    const scene = new Scene();
    const first = await scene.join('a');
    const second = await scene.join('b', { random: 0.999 });
    first.stop.abort();
    expect(await scene.until(() => second.isWorking)).toBeLessThanOrEqual(4_400);
    expect([first.ended, scene.most]).toEqual(['stopped', 1]);
    expect(scene.lease()).toMatchObject({ holderIdentity: 'b', leaseTransitions: 1 });
  });
});

describe('the leader', () => {
  test('gives the Lease back empty and for a second', async () => {
    const scene = new Scene();
    const { stop, elector } = await scene.join('a');
    await scene.clock.advance(10_000);
    stop.abort();
    await quiet();
    expect(scene.lease()).toMatchObject({ holderIdentity: '', leaseDurationSeconds: 1, leaseTransitions: 0 });
    expect([elector.isLeading, elector.holder]).toEqual([false, undefined]);
  });

  test('renews until its work has ended, and gives the Lease back only then', async () => {
    const scene = new Scene();
    const first = await scene.join('a', { endMs: 30_000 });
    await scene.join('b');
    first.stop.abort();
    await scene.clock.advance(29_900);
    expect([first.isWorking, first.ended]).toEqual([true, undefined]);
    expect(scene.lease()).toMatchObject({ holderIdentity: 'a' });
    await scene.clock.advance(5_000);
    expect([first.ended, scene.most]).toEqual(['stopped', 1]);
    expect(scene.lease()).toMatchObject({ holderIdentity: 'b' });
  });

  test.each(['refused', 'silent'] as const)(
    'stops its work ten seconds after its last renewal when calls are %s',
    async (state) => {
      const scene = new Scene();
      const { line, elector } = await scene.join('a');
      await scene.clock.advance(4_000);
      line.state = state;
      await scene.clock.advance(9_999);
      expect([scene.candidates[0]?.isWorking, elector.isLeading]).toEqual([true, true]);
      await scene.clock.advance(1);
      expect([scene.candidates[0]?.isWorking, elector.isLeading]).toEqual([false, false]);
      expect(scene.candidates[0]?.ended).toBe('the Lease was not renewed in 10 s');
    },
  );

  test('survives an outage shorter than that', async () => {
    const scene = new Scene();
    const leader = await scene.join('a');
    for (let outage = 0; outage < 5; outage += 1) {
      leader.line.state = 'refused';
      await scene.clock.advance(7_500);
      expect(leader.elector.problem).toBe('connection refused');
      leader.line.state = 'up';
      await scene.clock.advance(2_500);
    }
    expect([leader.isWorking, leader.elector.problem]).toEqual([true, undefined]);
  });

  test('survives a connection gone silent: the next attempt takes another one', async () => {
    const scene = new Scene();
    const leader = await scene.join('a');
    leader.line.state = 'silent';
    await scene.clock.advance(2_000);
    leader.line.state = 'up';
    await scene.clock.advance(30_000);
    expect(leader.isWorking).toBe(true);
  });

  test('survives a renewal whose answer was lost', async () => {
    const scene = new Scene();
    const leader = await scene.join('a');
    scene.kube.fail({ verbs: ['replace'], when: 'after', error: new KubeError('unavailable', 'reset') });
    await scene.clock.advance(30_000);
    expect([leader.isWorking, leader.elector.problem]).toEqual([true, undefined]);
    expect(scene.lease()).toMatchObject({ renewTime: '2026-01-01T00:00:30.000000Z', leaseTransitions: 0 });
  });

  test('survives an edit of the Lease by somebody else, as a conflict', async () => {
    const scene = new Scene();
    const leader = await scene.join('a');
    scene.kube.edit(leases, key, ({ metadata }) => (metadata.labels = { team: 'dba' }));
    await scene.clock.advance(30_000);
    expect(leader.isWorking).toBe(true);
    expect(scene.kube.peek(leases, key)?.metadata.labels).toEqual({ team: 'dba' });
  });

  test('makes the Lease anew when it was deleted', async () => {
    const scene = new Scene();
    const leader = await scene.join('a');
    scene.kube.remove(leases, key);
    await scene.clock.advance(30_000);
    expect([leader.isWorking, scene.lease()]).toMatchObject([true, { holderIdentity: 'a' }]);
  });

  test('stops its work at once when it sees another one in the Lease, and leaves it to that one', async () => {
    const scene = new Scene();
    const leader = await scene.join('a');
    const spec = { holderIdentity: 'b', leaseDurationSeconds: 15, leaseTransitions: 1 };
    scene.kube.edit(leases, key, (draft) => (draft['spec'] = spec));
    await scene.clock.advance(2_000);
    expect([leader.isWorking, leader.ended]).toEqual([false, 'the Lease was taken by b']);
    expect(scene.lease()).toEqual(spec);
  });

  test('does not call itself the leader while it is still ending', async () => {
    const scene = new Scene();
    const leader = await scene.join('a', { endMs: 5_000 });
    expect(leader.elector.isLeading).toBe(true);
    leader.line.state = 'refused';
    await scene.until(() => !leader.elector.isLeading);
    expect([leader.isWorking, leader.ended]).toEqual([true, undefined]);
  });

  test('leaves the Lease alone that another one took while it was ending', async () => {
    const scene = new Scene();
    const leader = await scene.join('a');
    const spec = { holderIdentity: 'b', leaseDurationSeconds: 15, leaseTransitions: 1 };
    scene.kube.edit(leases, key, (draft) => (draft['spec'] = spec));
    leader.stop.abort();
    await quiet();
    expect([leader.ended, scene.lease()]).toEqual(['stopped', spec]);
  });

  test('ends within two seconds of its work when the Lease cannot be given back', async () => {
    const scene = new Scene();
    const leader = await scene.join('a');
    leader.line.state = 'silent';
    leader.stop.abort();
    await scene.clock.advance(2_000);
    expect([leader.ended, scene.clock.waiting]).toEqual(['stopped', 0]);
  });
});

describe('a candidate', () => {
  test.each(['up', 'refused', 'silent'] as const)(
    'that waits ends at once when calls are %s',
    async (state) => {
      const scene = new Scene();
      await scene.join('a');
      const second = await scene.join('b');
      second.line.state = state;
      await scene.clock.advance(5_000);
      const writes = scene.writes();
      second.stop.abort();
      await quiet();
      expect([second.ended, scene.writes()]).toEqual(['stopped', writes]);
    },
  );

  test('says what keeps it from the Lease, and goes on trying', async () => {
    const scene = new Scene();
    const error = new KubeError('forbidden', 'leases is forbidden');
    scene.kube.fail({ verbs: ['get'], times: 3, error });
    const { elector } = await scene.join('a');
    expect([elector.isLeading, elector.problem]).toEqual([false, 'leases is forbidden']);
    await scene.until(() => elector.isLeading);
    expect(elector.problem).toBeUndefined();
  });
});
