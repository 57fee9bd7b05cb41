// Serves what the kubelet asks: /healthz, whether to start us anew, and /readyz, whether we can do our work.
import { serveText, type Page, type TextServer } from './serve.ts';

/** One line of the answer. */
export interface Check {
  readonly name: string;
  readonly isGood: boolean;
  /** How it stands, in a few words for people. */
  readonly says: string;
}

/** Asked anew for each request. Must answer at once, and not throw. */
export interface Health {
  live(): readonly Check[];
  ready(): readonly Check[];
}

/**
 * A failed check makes /healthz 500 and /readyz 503.
 *
 * @param port 0: any free one.
 * @throws {Error} when the port is taken.
 */
export function serveHealth(port: number, health: Health): Promise<TextServer> {
  return serveText(port, {
    '/healthz': () => judged(health.live(), 500),
    '/readyz': () => judged(health.ready(), 503),
  });
}

function judged(checks: readonly Check[], bad: number): Page {
  const lines = checks.map(({ name, isGood, says }) => `${isGood ? 'good' : 'BAD '} ${name}: ${says}\n`);
  return { status: checks.every(({ isGood }) => isGood) ? 200 : bad, body: lines.join('') };
}
