// SPDX-License-Identifier: Apache-2.0
// Structured logs: JSON lines on standard output, with whatever could be a secret blanked.
import { type Logger, pino } from 'pino';

export type { Logger };

const SECRET_KEYS = [
  'key',
  'token',
  'password',
  'secretAccessKey',
  'accessKeyId',
  'sessionToken',
  'authorization',
  'data',
];

/** `level`: trace, debug, info, warn, error or silent. */
export function createLogger(level: string): Logger {
  const paths = SECRET_KEYS.flatMap((k) => [k, `*.${k}`, `*.*.${k}`]);
  return pino({
    level,
    base: undefined,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: { paths, censor: '[redacted]' },
  });
}
