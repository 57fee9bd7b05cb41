// What a person sees while something long goes on: which step of how many, and for how long.

const ticks = process.stderr.isTTY;

/** Numbers the steps of one command. Progress goes to stderr: stdout belongs to results. */
export interface Steps {
  /** Runs `work`, saying before it which step begins and after it how long it took. */
  run<T>(title: string, work: () => Promise<T>): Promise<T>;
  /** A line within a step. */
  note(text: string): void;
}

/**
 * @param total how many steps the command has. Steps within a step are not counted; without a total none are, and each
 *   shows by an indent of its own.
 */
export function steps(total?: number): Steps {
  let begunSteps = 0;
  /** The steps under way, outermost first. Only the innermost shows its seconds. */
  const underWay: symbol[] = [];
  const write = (text: string): void => {
    process.stderr.write(`${'  '.repeat(Math.max(0, underWay.length - 1))}${text}`);
  };
  const headOf = (): string => {
    if (total === undefined || underWay.length > 1) return '·';
    begunSteps += 1;
    return `[${begunSteps}/${total}]`;
  };
  return {
    note: (text) => write(`      ${text}\n`),
    async run(title, work) {
      const self = Symbol(title);
      underWay.push(self);
      const begun = performance.now();
      const seconds = (): string => `${((performance.now() - begun) / 1000).toFixed(1)} s`;
      write(`${headOf()} ${title} …\n`);
      const tell = (): void => {
        if (underWay.at(-1) === self)
          write(ticks ? `      ${seconds()} \r` : `      still at it, ${seconds()}\n`);
      };
      // A terminal sees the seconds run on one line; a log file a line a minute, so that silence never looks like a hang.
      const timer = setInterval(tell, ticks ? 1_000 : 60_000);
      try {
        const result = await work();
        write(`      done in ${seconds()}\n`);
        return result;
      } catch (error) {
        write(`      failed after ${seconds()}\n`);
        throw error;
      } finally {
        clearInterval(timer);
        underWay.splice(underWay.indexOf(self), 1);
      }
    },
  };
}
