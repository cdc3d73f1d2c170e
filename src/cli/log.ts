import pino, { type Logger } from 'pino';

/** JSON lines on stderr; `silent` for a controller that lives inside another command. */
export function createLog(level: 'debug' | 'info' | 'silent'): Logger {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ fd: 2, sync: true }));
}
