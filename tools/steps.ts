// What a person sees while something long goes on: which step of how many, and for how long.

const ticks = process.stderr.isTTY;

/** Numbers the steps of one command. Progress goes to stderr: stdout belongs to results. */
export interface Steps {
  /** Runs `work`, saying before it which step begins and after it how long it took. */
  run<T>(title: string, work: () => Promise<T>): Promise<T>;
  /** A line within a step. */
  note(text: string): void;
}

/** @param total how many steps the command has; undefined where that depends on what is found */
export function steps(total?: number): Steps {
  let n = 0;
  return {
    note: (text) => {
      process.stderr.write(`      ${text}\n`);
    },
    async run(title, work) {
      n += 1;
      const head = total === undefined ? `[${n}]` : `[${n}/${total}]`;
      const begun = performance.now();
      const seconds = (): string => `${((performance.now() - begun) / 1000).toFixed(1)} s`;
      process.stderr.write(`${head} ${title} …\n`);
      // A terminal sees the seconds run on one line; a log file a line a minute, so that silence never looks like a hang.
      const timer = setInterval(
        () => process.stderr.write(ticks ? `\r      ${seconds()} ` : `      still at it, ${seconds()}\n`),
        ticks ? 1_000 : 60_000,
      );
      try {
        const result = await work();
        process.stderr.write(`${ticks ? '\r' : ''}      done in ${seconds()}\n`);
        return result;
      } catch (error) {
        process.stderr.write(`${ticks ? '\r' : ''}      failed after ${seconds()}\n`);
        throw error;
      } finally {
        clearInterval(timer);
      }
    },
  };
}
