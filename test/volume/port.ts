// The real port, each operation of which goes through the hands of a test.
import { realFiles, type Files } from '../../src/volume/files.ts';

export type Verb = keyof Files;

/** Does an operation, or not, or later: `work` is the operation. */
export type Step = (verb: Verb, args: readonly unknown[], work: () => Promise<unknown>) => Promise<unknown>;

export function portThrough(step: Step): Files {
  return new Proxy(realFiles, {
    get: (target, verb: Verb) => {
      const operation = target[verb] as (...args: readonly unknown[]) => Promise<unknown>;
      return (...args: readonly unknown[]) => step(verb, args, () => operation.apply(target, [...args]));
    },
  });
}

/** The paths among the arguments of an operation: never what is written, which may look like one. */
export function pathsOf(verb: Verb, args: readonly unknown[]): readonly string[] {
  const isWriting = verb === 'writeNew' || verb === 'rewrite';
  return (isWriting ? args.slice(0, 1) : args).filter((arg) => typeof arg === 'string');
}
