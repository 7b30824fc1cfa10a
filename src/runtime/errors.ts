// SPDX-License-Identifier: Apache-2.0
// The one error of the Kubernetes client, with a stable code and what to do about it.

export type KubeErrorCode =
  | 'NotFound'
  | 'AlreadyExists'
  | 'Conflict'
  | 'Invalid'
  | 'Forbidden'
  | 'Unauthorized'
  | 'TooManyRequests'
  | 'Gone'
  | 'Timeout'
  | 'Unavailable'
  | 'Fenced'
  | 'Unknown';

export type KubeErrorClass = 'retryable' | 'terminal' | 'conflict';

/** Timeout and Unavailable leave open whether a write was carried out: look again before acting on it. */
const CLASSES: Record<KubeErrorCode, KubeErrorClass> = {
  NotFound: 'terminal',
  AlreadyExists: 'conflict',
  Conflict: 'conflict',
  Invalid: 'terminal',
  Forbidden: 'terminal',
  Unauthorized: 'retryable',
  TooManyRequests: 'retryable',
  Gone: 'retryable',
  Timeout: 'retryable',
  Unavailable: 'retryable',
  Fenced: 'terminal',
  Unknown: 'retryable',
};

interface KubeErrorOptions {
  readonly status?: number;
  readonly reason?: string;
  readonly retryAfterMs?: number;
  readonly details?: unknown;
  readonly cause?: unknown;
}

export class KubeError extends Error {
  override readonly name = 'KubeError';
  readonly code: KubeErrorCode;
  readonly class: KubeErrorClass;
  readonly status: number | undefined;
  readonly reason: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly details: unknown;

  constructor(code: KubeErrorCode, message: string, o: KubeErrorOptions = {}) {
    super(message, o.cause === undefined ? undefined : { cause: o.cause });
    this.code = code;
    this.class = CLASSES[code];
    this.status = o.status;
    this.reason = o.reason;
    this.retryAfterMs = o.retryAfterMs;
    this.details = o.details;
  }
}

/** The metav1.Status body of a refused request; any other body is tolerated. */
interface StatusBody {
  readonly reason?: string;
  readonly message?: string;
  readonly details?: {
    readonly retryAfterSeconds?: number;
    readonly causes?: readonly { readonly field?: string; readonly reason?: string }[];
  };
}

/** Nothing can be made in the namespace any more, because it is being deleted. */
export function isNamespaceGoing(e: unknown): boolean {
  if (!(e instanceof KubeError && e.code === 'Forbidden')) return false;
  const details = e.details as StatusBody['details'];
  return details?.causes?.some((c) => c.reason === 'NamespaceTerminating') === true;
}

/** Server-side apply reports a `metadata.uid` that does not match as an invalid change of a fixed field. */
const isUidMismatch = (status: number, body: StatusBody): boolean =>
  status === 422 && body.details?.causes?.some((c) => c.field === 'metadata.uid') === true;

function codeOfStatus(status: number, reason: string | undefined): KubeErrorCode {
  switch (status) {
    case 400:
    case 413:
    case 415:
    case 422:
      return 'Invalid';
    case 401:
      return 'Unauthorized';
    case 403:
      return 'Forbidden';
    case 404:
      return 'NotFound';
    case 409:
      return reason === 'AlreadyExists' ? 'AlreadyExists' : 'Conflict';
    case 410:
      return 'Gone';
    case 429:
      return 'TooManyRequests';
    case 408:
    case 504:
      return 'Timeout';
    default:
      return status >= 500 ? 'Unavailable' : 'Unknown';
  }
}

/** No server means longer than this, in milliseconds; a wrong figure must not silence us for good. */
const MAX_PATIENCE_MS = 3_600_000;

/** Milliseconds to stay away, from a Retry-After header (seconds or a date) or else from the body; undefined: not asked. */
export function patience(header: string | undefined, bodySeconds: number | undefined, now: number): number | undefined {
  let ms = (bodySeconds ?? Number.NaN) * 1000;
  if (header !== undefined) ms = /^\s*\d+\s*$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now;
  return Number.isFinite(ms) && ms > 0 ? Math.min(ms, MAX_PATIENCE_MS) : undefined;
}

export function errorOfResponse(status: number, body: string, retryAfter: string | undefined): KubeError {
  let parsed: StatusBody = {};
  try {
    parsed = (JSON.parse(body) as StatusBody | null) ?? {};
  } catch {
    // A proxy or a load balancer answered, not the API server.
  }
  const retryAfterMs = patience(retryAfter, parsed.details?.retryAfterSeconds, Date.now());
  const message = parsed.message ?? `HTTP status ${status}`;
  const code = isUidMismatch(status, parsed) ? 'Conflict' : codeOfStatus(status, parsed.reason);
  return new KubeError(code, message, {
    status,
    ...(parsed.reason === undefined ? {} : { reason: parsed.reason }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    ...(parsed.details === undefined ? {} : { details: parsed.details }),
  });
}

/** What undici and Node throw when there is no answer; the outcome of a write is unknown then. */
export function errorOfTransport(cause: unknown): KubeError {
  if (cause instanceof KubeError) return cause;
  const name = cause instanceof Error ? cause.name : '';
  const message = cause instanceof Error && cause.message !== '' ? cause.message : String(cause);
  return new KubeError(name === 'TimeoutError' ? 'Timeout' : 'Unavailable', message, { cause });
}
