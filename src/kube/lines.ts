import { KubeError } from './errors.ts';

const lineFeed = 0x0a;

export interface LineLimits {
  /** What is read, for messages. */
  readonly step: string;
  readonly maxLineBytes: number;
}

/**
 * Splits a stream into its lines, without the line feed; empty lines are left out. Memory holds one line and one chunk.
 *
 * @throws {KubeError} `unavailable` when the stream ends inside a line: it was cut, and the rest would be a lie.
 * `unreadable` when a line is longer than the limit.
 */
export async function* splitLines(
  chunks: AsyncIterable<Uint8Array>,
  limits: LineLimits,
): AsyncGenerator<string, void> {
  let parts: Uint8Array[] = [];
  let held = 0;

  function hold(part: Uint8Array): void {
    held += part.length;
    if (held > limits.maxLineBytes) {
      throw new KubeError('unreadable', `${limits.step}: an event of more than ${limits.maxLineBytes} bytes`);
    }
    parts.push(part);
  }

  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(lineFeed); end !== -1; end = chunk.indexOf(lineFeed, start)) {
      hold(chunk.subarray(start, end));
      start = end + 1;
      const line = Buffer.concat(parts, held).toString('utf8');
      parts = [];
      held = 0;
      if (line !== '') yield line;
    }
    if (start < chunk.length) hold(chunk.subarray(start));
  }
  if (held > 0) throw new KubeError('unavailable', `${limits.step}: the stream was cut inside an event`);
}
