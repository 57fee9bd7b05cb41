import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { KubeError, askedWaitMs, boundText, refusalError, type KubeErrorKind } from './errors.ts';

const step = 'create jobs shop/one';

interface Case {
  readonly name: string;
  readonly status: number;
  readonly reason?: string;
  readonly kind: KubeErrorKind;
}

const cases: readonly Case[] = [
  { name: 'a missing object', status: 404, reason: 'NotFound', kind: 'notFound' },
  { name: 'a stale version', status: 409, reason: 'Conflict', kind: 'conflict' },
  { name: 'a name that is taken', status: 409, reason: 'AlreadyExists', kind: 'alreadyExists' },
  { name: 'a missing permission', status: 403, reason: 'Forbidden', kind: 'forbidden' },
  { name: 'unknown credentials', status: 401, reason: 'Unauthorized', kind: 'forbidden' },
  { name: 'an object that does not validate', status: 422, reason: 'Invalid', kind: 'invalid' },
  { name: 'a malformed request', status: 400, reason: 'BadRequest', kind: 'invalid' },
  { name: 'an object that is too large', status: 413, reason: 'RequestEntityTooLarge', kind: 'invalid' },
  { name: 'a forgotten version', status: 410, reason: 'Expired', kind: 'expired' },
  { name: 'a forgotten version, in the words of a watch', status: 410, reason: 'Gone', kind: 'expired' },
  { name: 'too many requests', status: 429, reason: 'TooManyRequests', kind: 'tooManyRequests' },
  { name: 'an internal error', status: 500, reason: 'InternalError', kind: 'unavailable' },
  { name: 'a server that is not ready', status: 503, reason: 'ServiceUnavailable', kind: 'unavailable' },
  { name: 'a time-out of the server', status: 504, reason: 'Timeout', kind: 'unavailable' },
  { name: 'a redirect of a proxy', status: 302, kind: 'unavailable' },
];

test.for(cases)('$name is $kind', ({ status, reason, kind }) => {
  const error = refusalError({
    step,
    status,
    body: { kind: 'Status', code: status, reason, message: 'because' },
  });
  expect(error).toMatchObject({ kind, status, reason, message: `${step}: because` });
});

test('keeps the causes that the server names, bounded in number and length', () => {
  const causes = Array.from({ length: 20 }, (_, index) => ({
    field: `spec.a${index}`,
    message: 'x'.repeat(1_000),
    reason: 'FieldValueInvalid',
  }));
  const error = refusalError({ step, status: 422, body: { kind: 'Status', details: { causes } } });
  expect(error.causes).toHaveLength(8);
  expect(error.causes[0]).toMatch(/^spec\.a0: x+…$/);
  expect(Math.max(...error.causes.map((cause) => Buffer.byteLength(cause)))).toBeLessThanOrEqual(256);
});

test('quotes a page that does not come from an API server on one line, without its tags', () => {
  const body = `<html>\n<h1>Bad   Gateway</h1>\n<hr>nginx</html>${'x'.repeat(5_000)}`;
  const { kind, message } = refusalError({ step, status: 502, body });
  expect(kind).toBe('unavailable');
  expect(message).toContain('answer 502');
  expect(message).toContain('Bad Gateway nginx');
  expect(message).not.toMatch(/[<>\n]/);
  expect(message.length).toBeLessThan(400);
});

test('takes the wait from the header, else from the body', () => {
  const body = { kind: 'Status', details: { retryAfterSeconds: 7 } };
  expect(refusalError({ step, status: 429, body }).retryAfterMs).toBe(7_000);
  expect(refusalError({ step, status: 429, body, retryAfterMs: 3_000 }).retryAfterMs).toBe(3_000);
});

test('asks nobody to wait longer than a minute, and nobody for errors that are not ours', () => {
  expect(askedWaitMs(new KubeError('tooManyRequests', 'slow', { retryAfterMs: 5_000 }))).toBe(5_000);
  expect(askedWaitMs(new KubeError('tooManyRequests', 'slow', { retryAfterMs: 1e9 }))).toBe(60_000);
  expect(askedWaitMs(new KubeError('unavailable', 'down'))).toBe(0);
  expect(askedWaitMs(new Error('other'))).toBe(0);
});

test('bounds every message to 1 KiB', () => {
  const error = refusalError({ step, status: 422, body: { kind: 'Status', message: 'é'.repeat(100_000) } });
  expect(Buffer.byteLength(error.message)).toBeLessThanOrEqual(1024);
  expect(error.message.startsWith(step)).toBe(true);
});

test('cuts texts at the bound, never inside a character, and leaves short ones alone', () => {
  // The mark of a broken character must not be there to begin with, or finding it would say nothing.
  const texts = fc.string({ unit: 'grapheme', maxLength: 60 }).filter((text) => !text.includes('\ufffd'));
  fc.assert(
    fc.property(texts, fc.integer({ min: 3, max: 80 }), (text, maxBytes) => {
      const bounded = boundText(text, maxBytes);
      expect(Buffer.byteLength(bounded)).toBeLessThanOrEqual(maxBytes);
      expect(bounded).not.toContain('\ufffd');
      const fits = Buffer.byteLength(text) <= maxBytes;
      const isCut = bounded.endsWith('…') && text.startsWith(bounded.slice(0, -1));
      expect(fits ? bounded === text : isCut).toBe(true);
    }),
  );
});
