// Log lines as JSON on standard output; no transports, which would need worker threads and more than one file.
import { pino } from 'pino';
import type { Log } from '../runtime/log.ts';

/** `program` stands in every line. Errors go under `err`: their stack is kept, never request headers. */
export function makeLog(program: string, level: 'debug' | 'info' | 'warn' | 'error'): Log {
  const logger = pino({ base: { program }, level, timestamp: pino.stdTimeFunctions.isoTime });
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
  };
}
