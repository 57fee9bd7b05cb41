// What a pass answers: when to look at its key again.
/** When a key has to be looked at again after a pass that went well. */
export type Next =
  /** Nothing to do until the object changes. */
  | { readonly kind: 'settled' }
  /** Something else is under way; a watch event of a child or of a reference will bring us back. */
  | { readonly kind: 'onChange' }
  /** Look again after so many milliseconds, even if nothing changes. */
  | { readonly kind: 'after'; readonly delayMs: number };

/**
 * A pass failed in a way that the same objects will always fail. The key is not retried; a change of the object starts
 * a new pass.
 */
export class TerminalError extends Error {
  override readonly name = 'TerminalError';
  /** Stable, in CamelCase. */
  readonly reason: string;

  constructor(reason: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.reason = reason;
  }
}
