// How each fault looks on the wire.
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WireFaultKind } from './fake-kube-wire.ts';

/** How long a delayed event is held back: many times what a healthy one takes. Milliseconds. */
const delayMs = 30;

const hugeBytes = 5 * 1024 * 1024;

const page = '<!doctype html><html><head><title>Sign in</title></head><body><p>Bad Gateway</p></body></html>';

const codes: Readonly<Partial<Record<WireFaultKind, number>>> = {
  tooMany: 429,
  tooManyWait: 429,
  error500: 500,
  error502: 502,
  error503: 503,
  error504: 504,
  lost504: 504,
  html200: 200,
  html502: 502,
};

/** Answers instead of the fake, or never. */
export function spoil(response: ServerResponse, kind: WireFaultKind): void {
  const code = codes[kind];
  if (kind === 'resetBefore' || kind === 'resetAfter') return reset(response);
  if (code === undefined) return; // silence
  if (kind === 'html200' || kind === 'html502') {
    response.writeHead(code, { 'content-type': 'text/html' }).end(page);
    return;
  }
  const status = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code, message: `the fault ${kind}` };
  const wait = kind === 'tooManyWait' ? { 'retry-after': '1' } : {};
  response.writeHead(code, { 'content-type': 'application/json', ...wait }).end(JSON.stringify(status));
}

/** What was asked for is done, and the answer suffers. */
export function spoilReply(
  response: ServerResponse,
  reply: { readonly status: number; readonly body: unknown },
  kind: WireFaultKind,
): void {
  if (kind !== 'halfAnswer') return spoil(response, kind);
  const text = JSON.stringify(reply.body);
  response.writeHead(reply.status, { 'content-type': 'application/json', 'content-length': text.length });
  response.write(text.slice(0, text.length / 2), () => reset(response));
}

/** Takes the lines of a watch that is open, and sends what becomes of them. */
export function spoiledLines(
  response: ServerResponse,
  kind: WireFaultKind | undefined,
): (line: string) => Promise<void> {
  if (kind === 'endsAtOnce') response.end();
  if (kind === 'expired') {
    const object = { kind: 'Status', code: 410, reason: 'Expired', message: 'too old resource version' };
    response.end(`${JSON.stringify({ type: 'ERROR', object })}\n`);
  }
  let sent = 0;
  return async (line) => {
    sent += 1;
    if (kind === 'delayed') await sleep(delayMs);
    for (const text of textsOf(line, sent, kind)) response.write(text);
    const isCut = kind === 'halfLine' || kind === 'cutAfterEvent';
    if (isCut && sent === 1) response.write('', () => reset(response));
  };
}

function textsOf(line: string, nth: number, kind: WireFaultKind | undefined): readonly string[] {
  const change = kind === undefined ? undefined : changes[kind];
  return change === undefined ? [`${line}\n`] : change(line, nth === 1);
}

const nothing = (): readonly string[] => [];

/** What of a line is sent, and how often. Kinds that are not here send each line as it is. */
const changes: Readonly<
  Partial<Record<WireFaultKind, (line: string, isFirst: boolean) => readonly string[]>>
> = {
  silentWatch: nothing,
  endsAtOnce: nothing,
  expired: nothing,
  duplicated: (line) => [`${line}\n`, `${line}\n`],
  halfLine: (line, isFirst) => (isFirst ? [line.slice(0, line.length / 2)] : []),
  cutAfterEvent: (line, isFirst) => (isFirst ? [`${line}\n`] : []),
  huge: (line, isFirst) => [`${isFirst ? padded(line) : line}\n`],
};

/** In a field that everybody sends and nobody reads. */
function padded(line: string): string {
  const event = JSON.parse(line) as { object: { metadata: Record<string, unknown> } };
  event.object.metadata['managedFields'] = [{ manager: 'x'.repeat(hugeBytes) }];
  return JSON.stringify(event);
}

function reset(response: ServerResponse): void {
  response.socket?.resetAndDestroy();
}
