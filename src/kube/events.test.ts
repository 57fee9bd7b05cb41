import { expect, test } from 'vitest';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { FakeKube } from '../../test/support/fake-kube.ts';
import { KubeError } from './errors.ts';
import { eventRecorder, microTime, type EventInput, type EventRecorder } from './events.ts';

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

function aRecorder(): Setting {
  const [fake, clock, lost] = [new FakeKube(), new FakeClock('2026-03-01T12:00:00.042Z'), [] as string[]];
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

test('holds no more than so many events while the server does not answer', async () => {
  const { recorder, fake, lost } = aRecorder();
  for (let index = 0; index < 300; index += 1) recorder.record({ ...event, note: String(index) });
  await recorder.flush();
  expect(fake.requests).toHaveLength(256);
  expect(lost).toHaveLength(44);
  expect(lost[0]).toBe('256: tooManyRequests');
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
  const { fake, recorder } = aRecorder();
  for (let index = 0; index <= 4_096; index += 1) {
    recorder.record({ ...event, note: String(index) });
    await recorder.flush();
  }
  recorder.record({ ...event, note: '1' });
  recorder.record({ ...event, note: '0' });
  await recorder.flush();
  expect(fake.requests).toHaveLength(4_098);
});

test('writes instants with six digits', () => {
  expect(microTime(new Date('2026-01-02T03:04:05Z'))).toBe('2026-01-02T03:04:05.000000Z');
});
