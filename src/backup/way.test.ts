import { expect, test } from 'vitest';
import { aJob, anObserved } from '../../test/support/builders.ts';
import type { Place } from './places.ts';
import type { Hold } from './queue.ts';
import { isCrowded, waitsFor } from './way.ts';

const seen = anObserved();

function place(kind: Place['kind'], name: string, room: number): Place {
  return { kind, key: `${kind} ${name}`, name, room };
}

const server = place('server', 'orders-neo4j:6362', 1);
const mine = { namespace: 'shop', name: 'other-1' };
const theirs = { namespace: 'secret', name: 'secret-1' };

test.each<{ hold: Hold; says: string }>([
  { hold: { place: place('operator', '', 4), users: [mine] }, says: ' waits: 4 of 4 backups are running' },
  {
    hold: { place: server, users: [mine] },
    says: ' waits for the Job other-1, which copies from the server orders-neo4j:6362',
  },
  {
    hold: { place: server, users: [theirs] },
    says: ' waits for a Job of another namespace, which copies from the server orders-neo4j:6362',
  },
  {
    hold: { place: server, users: [], ahead: mine },
    says: ' waits for the resource other-1, which has waited for the server orders-neo4j:6362 for longer',
  },
  {
    hold: { place: place('claim', 'backups', 1), users: [mine] },
    says: ' waits for the Job other-1, which uses the claim backups',
  },
  {
    hold: { place: place('claim', 'backups', 2), users: [mine, theirs] },
    says: ' waits: 2 of 2 backups of the claim backups are running',
  },
])('it says$says', ({ hold, says }) => {
  expect(waitsFor({ ...seen, hold }, 'orders-1')).toBe(`The run orders-1${says}`);
  expect(isCrowded({ ...seen, hold })).toBe(true);
});

test('who has a turn still waits for what else is on a claim for one Pod', () => {
  expect(waitsFor(seen, 'orders-1')).toBeUndefined();
  expect(waitsFor({ ...seen, crowd: { jobs: [], isFresh: true } }, 'orders-1')).toBeUndefined();
  const crowd = { jobs: [aJob({ metadata: { name: 'scrub-1' } })], isFresh: true };
  expect(waitsFor({ ...seen, crowd }, 'orders-1')).toBe(
    'The run orders-1 waits for the Job scrub-1, which uses the claim backups',
  );
});
