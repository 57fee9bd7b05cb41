import { expect, test } from 'vitest';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { FakeKube } from '../../test/support/fake-kube.ts';
import { KubeError } from './errors.ts';
import { eventRecorder, microTime, type EventInput, type EventRecorder } from './events.ts';
import type { KubeObject } from './resource.ts';

const regarding = {
  apiVersion: 'example.dev/v1',
  kind: 'Widget',
  namespace: 'shop',
  name: 'one',
  uid: '11111111-2222-4333-8444-555555555555',
};
const event: EventInput = { regarding, type: 'Normal', reason: 'Made', note: 'it was made', action: 'Make' };

interface Setting {
  readonly fake: FakeKube;
  readonly clock: FakeClock;
  readonly recorder: EventRecorder;
  readonly lost: string[];
}

/** Answers nothing yet. */
class SlowKube extends FakeKube {
  readonly answers = Promise.withResolvers<void>();
  started = 0;

  override async create<T extends KubeObject>(...args: Parameters<FakeKube['create']>): Promise<T> {
    this.started += 1;
    await this.answers.promise;
    return (await super.create(...args)) as T;
  }
}

function aRecorder(fake = new FakeKube()): Setting {
  const [clock, lost] = [new FakeClock('2026-03-01T12:00:00.042Z'), [] as string[]];
  const recorder = eventRecorder({
    client: fake,
    now: () => clock.now(),
    reportingController: 'example.dev/operator',
    reportingInstance: 'operator-0',
    onLost: ({ note }, error) => lost.push(`${note}: ${error instanceof KubeError ? error.kind : 'other'}`),
  });
  return { fake, clock, recorder, lost };
}

function sent(fake: FakeKube): unknown[] {
  return fake.requests.map(({ body }) => body);
}

test('sends what events.k8s.io/v1 asks for, beside the object', async () => {
  const { fake, recorder } = aRecorder();
  recorder.record(event);
  await recorder.flush();
  expect(fake.requests).toMatchObject([{ verb: 'create', type: 'events.events.k8s.io', namespace: 'shop' }]);
  expect(sent(fake)).toMatchObject([
    {
      eventTime: '2026-03-01T12:00:00.042000Z',
      reportingController: 'example.dev/operator',
      reportingInstance: 'operator-0',
      type: 'Normal',
      reason: 'Made',
      action: 'Make',
      note: 'it was made',
      regarding,
    },
  ]);
});

test('does not send the same event again within 10 minutes, and does after them', async () => {
  const { fake, clock, recorder } = aRecorder();
  recorder.record(event);
  await clock.advance(599_999);
  recorder.record({ ...event });
  await recorder.flush();
  expect(fake.requests).toHaveLength(1);
  await clock.advance(1);
  recorder.record(event);
  await recorder.flush();
  expect(fake.requests).toHaveLength(2);
});

const others: readonly { name: string; other: EventInput }[] = [
  { name: 'object', other: { ...event, regarding: { ...regarding, uid: regarding.uid.replace('1', '9') } } },
  { name: 'type', other: { ...event, type: 'Warning' } },
  { name: 'reason', other: { ...event, reason: 'Unmade' } },
  { name: 'note', other: { ...event, note: 'it was made again' } },
];
test.for(others)('sends an event that differs in its $name', async ({ other }) => {
  const { fake, recorder } = aRecorder();
  recorder.record(event);
  recorder.record(other);
  await recorder.flush();
  expect(fake.requests).toHaveLength(2);
});

test('cuts what is too long to the bounds of the server', async () => {
  const { fake, recorder } = aRecorder();
  const name = 'x'.repeat(253);
  recorder.record({
    ...event,
    regarding: { ...regarding, name },
    note: 'é'.repeat(2_000),
    reason: 'R'.repeat(200),
  });
  await recorder.flush();
  const [body] = sent(fake) as { note: string; reason: string; metadata: { name: string } }[];
  expect(Buffer.byteLength(body?.note ?? '')).toBe(1023);
  expect(Buffer.byteLength(body?.reason ?? '')).toBe(128);
  expect(body?.metadata.name.length).toBeLessThanOrEqual(253);
});

test('tells of an event that could not be sent, and sends it when it comes again', async () => {
  const { fake, recorder, lost } = aRecorder();
  fake.fail({ verbs: ['create'], error: new KubeError('forbidden', 'no') });
  recorder.record(event);
  await recorder.flush();
  expect(lost).toEqual(['it was made: forbidden']);
  recorder.record(event);
  await recorder.flush();
  expect(fake.requests).toHaveLength(2);
});

/** The same event about another object. */
function about(index: number, note = event.note): EventInput {
  return { ...event, note, regarding: { ...regarding, uid: String(index) } };
}

test('sends few at once, holds no more than so many, and lets one wait for all of them', async () => {
  const fake = new SlowKube();
  const { clock, recorder, lost } = aRecorder(fake);
  for (let index = 0; index < 1_040; index += 1) {
    recorder.record(about(index));
    if (index === 500) await clock.advance(60_000);
  }
  expect(fake.started).toBe(4);
  expect(lost).toHaveLength(12);
  expect(lost[0]).toBe('it was made: tooManyRequests');
  fake.answers.resolve();
  await recorder.flush();
  expect(fake.requests).toHaveLength(1_028);
});

test('tells how often an event came while it was not repeated', async () => {
  const { fake, clock, recorder } = aRecorder();
  recorder.record(event);
  await clock.advance(60_000);
  recorder.record(event);
  recorder.record(event);
  await clock.advance(540_000);
  recorder.record(event);
  await clock.advance(600_000);
  recorder.record(event);
  await recorder.flush();
  const [first, second, third] = sent(fake);
  expect(sent(fake)).toHaveLength(3);
  expect(first).not.toHaveProperty('series');
  expect(second).toMatchObject({
    eventTime: '2026-03-01T12:01:00.042000Z',
    series: { count: 3, lastObservedTime: '2026-03-01T12:10:00.042000Z' },
  });
  expect(third).not.toHaveProperty('series');
});

test('gives each object so many events at once, and then one every five minutes', async () => {
  const { fake, clock, recorder, lost } = aRecorder();
  const many = (): void => {
    for (let index = 0; index < 30; index += 1) recorder.record(about(1, `${fake.requests.length} ${index}`));
  };
  many();
  recorder.record(about(2));
  await recorder.flush();
  expect([fake.requests.length, lost.length]).toEqual([26, 5]);
  await clock.advance(299_999);
  many();
  await recorder.flush();
  expect(fake.requests).toHaveLength(26);
  await clock.advance(1);
  many();
  await recorder.flush();
  expect(fake.requests).toHaveLength(27);
  await clock.advance(24 * 3_600_000);
  many();
  await recorder.flush();
  expect(fake.requests).toHaveLength(52);
});

test('gives all objects so many events at once, and then twenty a second', async () => {
  const { fake, clock, recorder } = aRecorder();
  let next = 0;
  const many = async (count: number): Promise<void> => {
    for (const end = next + count; next < end; next += 1) recorder.record(about(next));
    await recorder.flush();
  };
  await many(1_020);
  expect(fake.requests).toHaveLength(1_000);
  await clock.advance(1_000);
  await many(100);
  expect(fake.requests).toHaveLength(1_020);
});

test('sends again after the clock was set back, rather than be silent until then', async () => {
  const fake = new FakeKube();
  let now = new Date('2030-01-01T00:00:00Z');
  const names = { reportingController: 'example.dev/operator', reportingInstance: 'operator-0' };
  const recorder = eventRecorder({ client: fake, now: () => now, ...names });
  recorder.record(event);
  now = new Date('2026-01-01T00:00:00Z');
  recorder.record(event);
  await recorder.flush();
  expect(fake.requests).toHaveLength(2);
});

test('remembers the last 4096 events, no more', async () => {
  const { fake, clock, recorder } = aRecorder();
  for (let index = 0; index <= 4_096; index += 1) {
    recorder.record(about(index));
    if (index % 500 === 0) await clock.advance(25_000);
  }
  recorder.record(about(1));
  recorder.record(about(0));
  await recorder.flush();
  expect(fake.requests).toHaveLength(4_098);
});

test('writes instants with six digits', () => {
  expect(microTime(new Date('2026-01-02T03:04:05Z'))).toBe('2026-01-02T03:04:05.000000Z');
});
