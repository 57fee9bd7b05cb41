import { expect, test } from 'vitest';
import { FakeClock, quiet } from '../test/support/fake-clock.ts';
import { quietLog } from '../test/support/quiet-log.ts';
import { openAPISchema } from './api/crd.ts';
import { Operator, type OperatorDeps } from './operator.ts';

const kinds = [{ group: 'neo4j-backup.dev', version: 'v1alpha1', kind: 'Neo4jBackup' }];
const documentOf = (schema: object): object => ({
  components: { schemas: { one: { ...schema, 'x-kubernetes-group-version-kind': kinds } } },
});
const current = documentOf(openAPISchema());
const older = documentOf(withoutStatus(openAPISchema()));

function withoutStatus(schema: object): object {
  const { status: _status, ...properties } = (schema as { properties: Record<string, object> }).properties;
  return { ...schema, properties };
}

class Cache {
  readonly resource: string;
  isFilled = false;
  problem: string | undefined;
  silenceMs = 0;
  unheardMs = 0;

  constructor(resource: string) {
    this.resource = resource;
  }

  hasSynced(): boolean {
    return this.isFilled;
  }

  stillMs(): number {
    return this.silenceMs;
  }

  silentMs(): number {
    return this.unheardMs;
  }
}

/** An operator whose API server and work are played by the test. */
class Scene {
  readonly clock = new FakeClock();
  readonly log = quietLog();
  readonly stop = new AbortController();
  answer: () => unknown = () => current;
  asked = 0;
  isWorking = false;
  readonly caches = [{ namespace: undefined as string | undefined, reflectors: [new Cache('jobs')] }];
  oldestMs = 0;
  /** Its work does not end when it is told to. */
  hangs = false;
  mustEnd = 0;
  readonly operator: Operator;
  done: Promise<void> | undefined;

  constructor(election?: OperatorDeps['election']) {
    this.operator = this.#operator(election);
  }

  #operator(election: OperatorDeps['election']): Operator {
    return new Operator({
      election,
      fetchSchema: async (signal) => {
        signal.throwIfAborted();
        this.asked += 1;
        return this.answer();
      },
      work: {
        run: async (signal) => {
          this.isWorking = true;
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
          if (this.hangs) await new Promise(() => undefined);
          this.isWorking = false;
        },
        caches: this.caches,
        controller: { oldestPassMs: () => this.oldestMs },
      },
      onEnding: () => (this.mustEnd += 1),
      clock: this.clock,
      random: () => 0.5,
      log: this.log,
    });
  }

  async start(): Promise<void> {
    this.done = this.operator.run(this.stop.signal);
    await quiet();
  }

  fill(): void {
    for (const cache of this.caches.flatMap(({ reflectors }) => reflectors)) cache.isFilled = true;
  }

  /** Names of the checks that fail. */
  unready(): readonly string[] {
    return this.operator.ready().flatMap(({ isGood, name }) => (isGood ? [] : [name]));
  }

  says(check: string): string | undefined {
    return this.operator.ready().find(({ name }) => name === check)?.says;
  }
}

const refused = (): never => {
  throw new Error('connect ECONNREFUSED');
};

test('works once the schema is served, is ready once the caches are filled, and ends with its work', async () => {
  const scene = new Scene();
  await scene.start();
  expect([scene.isWorking, scene.unready()]).toEqual([true, ['caches']]);
  scene.fill();
  expect(scene.unready()).toEqual([]);
  scene.stop.abort();
  await scene.done;
  expect(scene.isWorking).toBe(false);
  expect(scene.log.counts.warn).toBe(0);
});

test.each([
  { name: 'is out of reach', answer: refused, unready: ['API server', 'schema'], says: /ECONNREFUSED/ },
  {
    name: 'does not know the kind',
    answer: () => undefined,
    unready: ['schema'],
    says: /missing.*kubectl apply/,
  },
  {
    name: 'has an older schema',
    answer: () => older,
    unready: ['schema'],
    says: /lacks status: kubectl apply/,
  },
])('waits, asks again and says why once while the API server $name', async ({ answer, unready, says }) => {
  const scene = new Scene();
  scene.answer = answer;
  await scene.start();
  await scene.clock.advance(600_000);
  expect([scene.isWorking, scene.unready()]).toEqual([false, unready]);
  expect(scene.says('schema')).toMatch(says);
  expect(scene.log.counts.warn).toBe(1);
  expect(scene.asked).toBeGreaterThan(40);
  expect(scene.asked).toBeLessThan(120);

  scene.answer = () => current;
  await scene.clock.advance(60_000);
  expect(scene.isWorking).toBe(true);
  scene.stop.abort();
  await scene.done;
});

/** An election of which the test says how it stands. */
class Election {
  isLeading = false;
  holder: string | undefined;
  problem: string | undefined;
  readonly #turn = Promise.withResolvers<void>();
  readonly #over = new AbortController();

  async run(signal: AbortSignal, lead: (signal: AbortSignal) => Promise<void>): Promise<void> {
    await this.#turn.promise;
    await lead(AbortSignal.any([signal, this.#over.signal]));
    this.#over.signal.throwIfAborted();
  }

  async begin(): Promise<void> {
    [this.isLeading, this.holder] = [true, 'me'];
    this.#turn.resolve();
    await quiet();
  }

  end(): void {
    this.#over.abort(new Error('the Lease was taken by b'));
  }
}

test('stands by, ready and without work, while another one leads', async () => {
  const election = new Election();
  const scene = new Scene(election);
  await scene.start();
  expect([scene.unready(), scene.says('leader')]).toEqual([['leader'], 'nobody leads yet']);
  election.holder = 'b';
  expect([scene.unready(), scene.isWorking]).toEqual([[], false]);
  expect(scene.says('leader')).toBe('b leads, this one stands by');
});

test('works in its turn, and rejects when that is over', async () => {
  const election = new Election();
  const scene = new Scene(election);
  await scene.start();
  await election.begin();
  expect([scene.isWorking, scene.unready(), scene.says('leader')]).toEqual([
    true,
    ['caches'],
    'this one leads',
  ]);
  election.end();
  await expect(scene.done).rejects.toThrow('taken by b');
  expect(scene.isWorking).toBe(false);
});

test('tells that its turn is over also when its work does not end: nobody may stay who neither leads nor goes', async () => {
  const election = new Election();
  const scene = new Scene(election);
  scene.hangs = true;
  await scene.start();
  await election.begin();
  expect(scene.mustEnd).toBe(0);
  election.end();
  await quiet();
  expect([scene.isWorking, scene.mustEnd]).toEqual([true, 1]);
});

test('is not ready while the Lease cannot be read', async () => {
  const election = new Election();
  const scene = new Scene(election);
  await scene.start();
  [election.holder, election.problem] = ['b', 'leases is forbidden'];
  expect([scene.unready(), scene.says('leader')]).toEqual([['leader'], 'leases is forbidden']);
});

test('does not run for leader before the schema is served', async () => {
  const election = new Election();
  const scene = new Scene(election);
  scene.answer = () => older;
  await scene.start();
  await election.begin();
  expect([scene.isWorking, scene.says('leader')]).toEqual([false, undefined]);
  scene.answer = () => current;
  await scene.clock.advance(60_000);
  expect(scene.isWorking).toBe(true);
});

test('names no more than a few of the missing fields', async () => {
  const scene = new Scene();
  scene.answer = () => documentOf({ properties: { metadata: {}, spec: { properties: {} } } });
  await scene.start();
  expect(scene.says('schema')).toMatch(
    /lacks apiVersion, kind, spec\.\w+, spec\.\w+, spec\.\w+ and \d+ more/,
  );
  scene.stop.abort();
  await scene.done;
});

test('ends while it waits for the schema', async () => {
  const scene = new Scene();
  scene.answer = refused;
  await scene.start();
  scene.stop.abort();
  await scene.done;
  expect([scene.isWorking, scene.clock.waiting]).toEqual([false, 0]);
});

test('ends while the API server does not answer', async () => {
  const scene = new Scene();
  scene.answer = () =>
    new Promise((_, reject) =>
      scene.stop.signal.addEventListener('abort', () => reject(new Error('stopped')), { once: true }),
    );
  await scene.start();
  scene.stop.abort();
  await scene.done;
  expect([scene.isWorking, scene.log.counts.warn]).toEqual([false, 0]);
});

test('is alive as long as no pass hangs far beyond its deadline', () => {
  const scene = new Scene();
  scene.oldestMs = 61_000;
  expect(scene.operator.live()).toMatchObject([{ isGood: true }, { isGood: true }]);
  scene.oldestMs = 200_000;
  expect(scene.operator.live()).toMatchObject([
    { isGood: false, says: 'one has hung for 200 s' },
    { isGood: true },
  ]);
});

test('is alive as long as every cache does something, be it in vain', () => {
  const scene = new Scene();
  const cache = scene.caches[0]?.reflectors[0] as Cache;
  [cache.problem, cache.silenceMs] = ['connect ECONNREFUSED', 600_000];
  expect(scene.operator.live()).toMatchObject([{ isGood: true }, { isGood: true }]);
  cache.silenceMs = 901_000;
  expect(scene.operator.live()).toMatchObject([
    { isGood: true },
    { isGood: false, says: 'hung: jobs for 901 s' },
  ]);
});

test('names the namespace that is not filled, and why, and one that was and can no longer be read', async () => {
  const scene = new Scene();
  const [shop, lab] = [new Cache('jobs'), new Cache('pods')];
  scene.caches.splice(
    0,
    1,
    { namespace: 'shop', reflectors: [shop] },
    { namespace: 'lab', reflectors: [lab] },
  );
  await scene.start();
  [shop.isFilled, lab.problem] = [true, 'forbidden'];
  expect([scene.unready(), scene.says('caches')]).toEqual([
    ['caches'],
    'not filled yet: pods in lab (forbidden)',
  ]);
  [lab.isFilled, lab.problem, shop.problem] = [true, undefined, 'gone'];
  expect([scene.unready(), scene.says('caches')]).toEqual([[], 'filled; not followed: jobs in shop (gone)']);
  shop.unheardMs = 120_000;
  expect(scene.unready()).toEqual(['caches']);
});
