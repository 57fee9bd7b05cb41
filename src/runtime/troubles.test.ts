import { expect, test } from 'vitest';
import { quietLog } from '../../test/support/quiet-log.ts';
import { KubeError } from '../kube/errors.ts';
import { TerminalError } from './next.ts';
import { Troubles } from './troubles.ts';

const a = { namespace: 'shop', name: 'a' };
const b = { namespace: 'shop', name: 'b' };

const forbidden = new KubeError('forbidden', 'create jobs shop/a-4711: no permission');
const quota = (used: number): KubeError =>
  new KubeError('forbidden', `create jobs shop/a-${used}: used ${used}`);

interface Case {
  readonly name: string;
  /** What each pass of one key threw; undefined: nothing. */
  readonly passes: readonly unknown[];
  /** Lines above debug. */
  readonly said: { readonly info?: number; readonly warn?: number; readonly error?: number };
}

const cases: readonly Case[] = [
  { name: 'nothing of a pass that went well', passes: [undefined], said: {} },
  { name: 'of a trouble once', passes: [forbidden, forbidden, forbidden], said: { warn: 1 } },
  {
    name: 'of a trouble once, although its numbers differ',
    passes: [1, 2, 30].map(quota),
    said: { warn: 1 },
  },
  { name: 'of each change of trouble', passes: [forbidden, quota(1), forbidden], said: { warn: 3 } },
  { name: 'of its end', passes: [forbidden, forbidden, undefined, undefined], said: { warn: 1, info: 1 } },
  {
    name: 'of the same trouble that came back',
    passes: [forbidden, undefined, forbidden],
    said: { warn: 2, info: 1 },
  },
  {
    name: 'of a terminal one once, by its reason',
    passes: [new TerminalError('NameConflict', 'one'), new TerminalError('NameConflict', 'another')],
    said: { error: 1 },
  },
  { name: 'of what is no Error', passes: ['oops', null], said: { warn: 2 } },
];
test.for(cases)('tells $name', ({ passes, said }) => {
  const log = quietLog();
  const troubles = new Troubles('test', log);
  for (const error of passes) {
    if (error === undefined) troubles.went(a, {});
    else troubles.failed(a, error, 1_000);
  }
  const { info, warn, error } = log.counts;
  expect({ info, warn, error }).toEqual({ info: 0, warn: 0, error: 0, ...said });
});

test('keeps the troubles of two keys apart', () => {
  const log = quietLog();
  const troubles = new Troubles('test', log);
  troubles.failed(a, forbidden, 1_000);
  troubles.failed(b, forbidden, 1_000);
  troubles.went(a, {});
  troubles.failed(b, forbidden, 1_000);
  expect([log.counts.warn, log.counts.info]).toEqual([2, 1]);
});

test('tells each pass to who debugs', () => {
  const log = quietLog();
  const troubles = new Troubles('test', log);
  for (let pass = 0; pass < 3; pass += 1) troubles.failed(a, forbidden, 1_000);
  troubles.went(a, {});
  expect(log.counts.debug).toBe(3);
});
