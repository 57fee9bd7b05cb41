// How far a long piece of work is, said now and then: silence would look like a hang.

/** Is told of bytes as they are done. */
export type Progress = (bytes: number) => void;

/** Milliseconds between two lines. */
const paceMs = 10_000;

interface Spoken {
  readonly now: () => Date;
  readonly say: (fields: Readonly<Record<string, unknown>>, message: string) => void;
}

/**
 * Says every ten seconds at most how many of all bytes are done, and how many a second that is. Work that ends sooner is not
 * worth a line. A clock that jumps makes a line early or late, or a rate odd, and nothing else.
 */
export function progressOf({ now, say }: Spoken, totalBytes: number, message: string): Progress {
  let doneBytes = 0;
  const startedMs = now().getTime();
  let saidMs = startedMs;
  return (bytes) => {
    doneBytes += bytes;
    const atMs = now().getTime();
    if (atMs - saidMs < paceMs) return;
    saidMs = atMs;
    const seconds = (atMs - startedMs) / 1000;
    const bytesPerSecond = Math.round(doneBytes / seconds);
    say({ doneBytes, totalBytes, bytesPerSecond }, message);
  };
}

export function silent(): void {}
