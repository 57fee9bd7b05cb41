// Log lines as JSON on standard output; no transports, which would need worker threads and more than one file.
import { pino, stdSerializers } from 'pino';
import type { Log } from '../runtime/log.ts';

/**
 * `program` stands in every line. Errors go under `err`: their stack is kept where it tells anything, never request headers.
 *
 * @param onBroken called when nobody reads the lines any more; without it they are lost and all goes on.
 */
export function makeLog(
  program: string,
  level: 'debug' | 'info' | 'warn' | 'error',
  onBroken: () => void = () => undefined,
): Log {
  const lines = pino.destination(1);
  lines.on('error', onBroken);
  const logger = pino(
    {
      base: { program },
      level,
      timestamp: pino.stdTimeFunctions.isoTime,
      serializers: { err: serializeError },
    },
    lines,
  );
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
  };
}

/**
 * A refusal of the API server says all in its message: where in our code it arrived helps nobody. It is told by its name,
 * since the agent, which logs too, holds nothing of the Kubernetes API.
 */
function serializeError(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  if (error.name !== 'KubeError') return stdSerializers.err(error);
  const { name, message } = error;
  return { type: name, message };
}
