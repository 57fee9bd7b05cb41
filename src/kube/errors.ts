import * as z from 'zod';

/**
 * Why the API server, or the way to it, refused. Nobody outside this folder looks at HTTP numbers.
 *
 * - `notFound`: no such object, namespace or kind.
 * - `conflict`: the resourceVersion or a precondition was stale; read again.
 * - `alreadyExists`: a create met an object of that name.
 * - `forbidden`: credentials refused, no permission, quota or admission policy; `causes` and the message tell which.
 * - `invalid`: the server understood and said no; sending the same again cannot help.
 * - `expired`: a resourceVersion or list position is too old; list anew.
 * - `tooManyRequests`, `unavailable`: may heal by itself. After a write `unavailable` leaves open whether it was done.
 * - `unreadable`: an answer came, but it is not what the schema expects.
 */
export type KubeErrorKind =
  | 'notFound'
  | 'conflict'
  | 'alreadyExists'
  | 'forbidden'
  | 'invalid'
  | 'expired'
  | 'tooManyRequests'
  | 'unavailable'
  | 'unreadable';

export interface KubeErrorDetails {
  /** HTTP status code, absent when no answer came. */
  readonly status?: number | undefined;
  /** The server's machine-readable reason, such as `AlreadyExists`. */
  readonly reason?: string | undefined;
  /** The server's `details.causes` as `field: message`, at most 8 of at most 256 characters. */
  readonly causes?: readonly string[] | undefined;
  /** How long the server asked to wait. Milliseconds. */
  readonly retryAfterMs?: number | undefined;
  readonly cause?: unknown;
}

/** Bound of {@link KubeError.message}, in bytes of UTF-8. */
const maxMessageBytes = 1024;

const maxCauses = 8;
const maxCauseCharacters = 256;

/**
 * Any failure of a call to the Kubernetes API.
 *
 * Guarantees: the message names verb, object and what the server said, in at most {@link maxMessageBytes} bytes; it
 * never holds headers, tokens or a request body.
 */
export class KubeError extends Error {
  override readonly name = 'KubeError';
  readonly kind: KubeErrorKind;
  readonly status: number | undefined;
  readonly reason: string | undefined;
  readonly causes: readonly string[];
  readonly retryAfterMs: number | undefined;

  constructor(kind: KubeErrorKind, message: string, details: KubeErrorDetails = {}) {
    super(
      boundText(message, maxMessageBytes),
      details.cause === undefined ? undefined : { cause: details.cause },
    );
    this.kind = kind;
    this.status = details.status;
    this.reason = details.reason === undefined ? undefined : boundText(details.reason, 128);
    this.causes = (details.causes ?? []).slice(0, maxCauses);
    this.retryAfterMs = details.retryAfterMs;
  }
}

/** True for a {@link KubeError} of one of the kinds. */
export function isKubeError(error: unknown, ...kinds: readonly KubeErrorKind[]): error is KubeError {
  return error instanceof KubeError && (kinds.length === 0 || kinds.includes(error.kind));
}

/** How long the server asked to wait, at most a minute, because it may be wrong; 0 when it did not ask. Milliseconds. */
export function askedWaitMs(error: unknown): number {
  return isKubeError(error) ? Math.min(error.retryAfterMs ?? 0, 60_000) : 0;
}

/** Cuts a text to at most `maxBytes` bytes of UTF-8, never inside a character, and marks the cut with `…`. */
export function boundText(text: string, maxBytes: number): string {
  const bytes = Buffer.from(text, 'utf8');
  if (bytes.length <= maxBytes) return text;
  let end = maxBytes - Buffer.byteLength('…');
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return `${bytes.toString('utf8', 0, end)}…`;
}

const statusSchema = z.object({
  kind: z.literal('Status'),
  code: z.number().optional(),
  reason: z.string().optional(),
  message: z.string().optional(),
  details: z
    .object({
      retryAfterSeconds: z.number().optional(),
      causes: z
        .array(
          z.object({
            field: z.string().optional(),
            message: z.string().optional(),
            reason: z.string().optional(),
          }),
        )
        .optional(),
    })
    .optional(),
});

/** A refusal as it came over the wire. */
export interface Refusal {
  /** What was tried, such as `create jobs shop/orders-4711`. */
  readonly step: string;
  /** HTTP status code. In a watch, where errors come as events, the code inside the event. */
  readonly status: number;
  /** The body, parsed where it was JSON, else its text. */
  readonly body: unknown;
  /** From the Retry-After header; the body's own value is used where there is none. */
  readonly retryAfterMs?: number | undefined;
}

/**
 * Turns a refusal into a {@link KubeError}. A body that is no Status (a proxy's HTML page) is quoted, bounded and on
 * one line.
 */
export function refusalError(refusal: Refusal): KubeError {
  const parsed = statusSchema.safeParse(refusal.body);
  if (!parsed.success) {
    const said = excerpt(refusal.body);
    return new KubeError(
      kindOf(refusal.status, undefined),
      `${refusal.step}: answer ${refusal.status}${said}`,
      {
        status: refusal.status,
        retryAfterMs: refusal.retryAfterMs,
      },
    );
  }
  const { reason, message, details } = parsed.data;
  const seconds = details?.retryAfterSeconds;
  return new KubeError(
    kindOf(refusal.status, reason),
    `${refusal.step}: ${message ?? reason ?? refusal.status}`,
    {
      status: refusal.status,
      reason,
      causes: details?.causes?.map(formatCause),
      retryAfterMs: refusal.retryAfterMs ?? (seconds === undefined ? undefined : seconds * 1000),
    },
  );
}

function formatCause(cause: {
  field?: string | undefined;
  message?: string | undefined;
  reason?: string | undefined;
}): string {
  const parts = [cause.field, cause.message ?? cause.reason].filter(
    (part) => part !== undefined && part !== '',
  );
  return boundText(parts.join(': '), maxCauseCharacters);
}

function excerpt(body: unknown): string {
  const text = typeof body === 'string' ? body : (JSON.stringify(body) ?? '');
  const line = text
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return line === '' ? '' : `: ${boundText(line, 200)}`;
}

/** 409 and 410 mean two things each, so the reason is looked at first. */
function kindOf(status: number, reason: string | undefined): KubeErrorKind {
  if (reason === 'AlreadyExists') return 'alreadyExists';
  if (reason === 'Expired' || reason === 'Gone') return 'expired';
  const known = kindByStatus.get(status);
  if (known !== undefined) return known;
  return status >= 400 && status < 500 ? 'invalid' : 'unavailable';
}

/** 401 counts as `forbidden`: to whoever asks, unknown and unwelcome are the same. 408 is a proxy's time-out. */
const kindByStatus: ReadonlyMap<number, KubeErrorKind> = new Map([
  [401, 'forbidden'],
  [403, 'forbidden'],
  [404, 'notFound'],
  [408, 'unavailable'],
  [409, 'conflict'],
  [410, 'expired'],
  [429, 'tooManyRequests'],
]);
