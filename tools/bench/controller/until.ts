// Waiting for what others do.

/** How long anything may take. Milliseconds. */
const patienceMs = 600_000;

/** How often to look: rare enough to cost nothing beside what is measured, which is read from the audit log. Milliseconds. */
const lookMs = 100;

/** @throws Error naming what did not come */
export async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`waited ten minutes for ${what}`);
    await pause(lookMs);
  }
}

export async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** Does the work for each item, so many at a time, in their order. */
export async function forEach<T>(
  items: readonly T[],
  atOnce: number,
  work: (item: T, index: number) => Promise<unknown>,
): Promise<void> {
  const rest = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of rest) await work(item, index);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
