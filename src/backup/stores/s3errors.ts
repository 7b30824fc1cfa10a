// SPDX-License-Identifier: Apache-2.0
// Turns what an S3 client throws into a named failure, without a byte of what the server or the request carried.
import { BackupError, type FailureReason } from '../failures.ts';

export interface S3Context {
  readonly bucket: string;
  /** Host and port of the endpoint, for people. */
  readonly endpoint: string;
  /** `put`, `read` …: what was being done, in plain words. */
  readonly doing: string;
}

const CODES: Readonly<Record<string, FailureReason>> = {
  NoSuchBucket: 'BucketNotFound',
  AccessDenied: 'AccessDenied',
  AllAccessDisabled: 'AccessDenied',
  AccountProblem: 'AccessDenied',
  Forbidden: 'AccessDenied',
  SignatureDoesNotMatch: 'CredentialsRejected',
  InvalidAccessKeyId: 'CredentialsRejected',
  InvalidToken: 'CredentialsRejected',
  ExpiredToken: 'CredentialsRejected',
  NotSignedUp: 'CredentialsRejected',
  PermanentRedirect: 'WrongRegion',
  TemporaryRedirect: 'WrongRegion',
  AuthorizationHeaderMalformed: 'WrongRegion',
  IllegalLocationConstraintException: 'WrongRegion',
  RequestTimeTooSkewed: 'ClockSkew',
  PreconditionFailed: 'KeyTaken',
  NotImplemented: 'StoreUnsupported',
  QuotaExceeded: 'StoreFull',
  XMinioStorageFull: 'StoreFull',
  InsufficientStorage: 'StoreFull',
  ConditionalRequestConflict: 'StoreUnavailable',
  OperationAborted: 'StoreUnavailable',
  NoSuchUpload: 'StoreUnavailable',
  SlowDown: 'StoreUnavailable',
  ServiceUnavailable: 'StoreUnavailable',
  InternalError: 'StoreUnavailable',
  RequestTimeout: 'StoreUnavailable',
  TimeoutError: 'StoreUnreachable',
  ENOTFOUND: 'StoreUnreachable',
  EAI_AGAIN: 'StoreUnreachable',
  ECONNREFUSED: 'StoreUnreachable',
  ECONNRESET: 'StoreUnreachable',
  EPIPE: 'StoreUnreachable',
  ETIMEDOUT: 'StoreUnreachable',
  EHOSTUNREACH: 'StoreUnreachable',
  ENETUNREACH: 'StoreUnreachable',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'StoreCertificateInvalid',
  SELF_SIGNED_CERT_IN_CHAIN: 'StoreCertificateInvalid',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'StoreCertificateInvalid',
  UNABLE_TO_GET_ISSUER_CERT: 'StoreCertificateInvalid',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'StoreCertificateInvalid',
  CERT_HAS_EXPIRED: 'StoreCertificateInvalid',
  CERT_NOT_YET_VALID: 'StoreCertificateInvalid',
  ERR_TLS_CERT_ALTNAME_INVALID: 'StoreCertificateInvalid',
  EPROTO: 'StoreCertificateInvalid',
};

const STATUSES: Readonly<Record<number, FailureReason>> = {
  301: 'WrongRegion',
  307: 'WrongRegion',
  308: 'WrongRegion',
  302: 'StoreRejected',
  401: 'CredentialsRejected',
  403: 'AccessDenied',
  409: 'StoreUnavailable',
  412: 'KeyTaken',
  501: 'StoreUnsupported',
  507: 'StoreFull',
};

const SAYS: Partial<Record<FailureReason, (c: S3Context) => string>> = {
  BucketNotFound: (c) => `the bucket ${c.bucket} does not exist at ${c.endpoint}`,
  AccessDenied: (c) => `${c.endpoint} does not allow this key to ${c.doing} in the bucket ${c.bucket}`,
  CredentialsRejected: (c) => `${c.endpoint} does not accept the credentials`,
  WrongRegion: (c) => `the bucket ${c.bucket} is not served by ${c.endpoint}: it lies in another region`,
  ClockSkew: (c) => `the clocks of this node and of ${c.endpoint} differ too much`,
  KeyTaken: (c) => `cannot ${c.doing}: the name is taken in the bucket ${c.bucket}`,
  StoreUnsupported: (c) => `${c.endpoint} does not implement what is needed to ${c.doing}`,
  StoreFull: (c) => `${c.endpoint} has no room left in the bucket ${c.bucket}`,
};

interface Clues {
  readonly codes: readonly string[];
  readonly status: number | undefined;
  /** Requests that the client made of it. */
  readonly attempts: number;
}

function cluesOf(error: unknown, depth = 0): Clues {
  if (!(error instanceof Error) || depth > 5) return { codes: [], status: undefined, attempts: 1 };
  const e = error as Error & {
    code?: unknown;
    Code?: unknown;
    $metadata?: { httpStatusCode?: number; attempts?: number };
    errors?: unknown[];
  };
  const own = [e.name, e.code, e.Code].filter((c): c is string => typeof c === 'string');
  const inner = [e.cause, ...(e.errors ?? [])].map((c) => cluesOf(c, depth + 1));
  return {
    codes: [...own, ...inner.flatMap((c) => c.codes)],
    status: e.$metadata?.httpStatusCode ?? inner.find((c) => c.status !== undefined)?.status,
    attempts: e.$metadata?.attempts ?? 1,
  };
}

/** The reason alone; exported for callers that go on after some of them. */
export function s3Reason(error: unknown): FailureReason {
  if (error instanceof BackupError) return error.reason;
  const { codes, status } = cluesOf(error);
  const known = codes.find((c) => Object.hasOwn(CODES, c));
  if (known !== undefined) return CODES[known] as FailureReason;
  if (codes.some((c) => c.startsWith('ERR_SSL_') || c.startsWith('CERT_') || c.startsWith('ERR_TLS_')))
    return 'StoreCertificateInvalid';
  if (status !== undefined && Object.hasOwn(STATUSES, status)) return STATUSES[status] as FailureReason;
  if (status !== undefined && status >= 500) return 'StoreUnavailable';
  return status === undefined ? 'Unexpected' : 'StoreRejected';
}

/** Another write of the same name is under way, maybe an earlier try of our own: to be made again a moment later. */
export const isConflict = (error: unknown): boolean => cluesOf(error).status === 409;

/** Whether a write that failed so may be carried out all the same: nobody told, or only of a later try. */
export function outcomeUnknown(error: unknown): boolean {
  if (carriedFailure(error) !== undefined) return false;
  return (
    ['StoreUnreachable', 'StoreUnavailable', 'Unexpected'].includes(s3Reason(error)) || cluesOf(error).attempts > 1
  );
}

/** Network error codes are ours to show; S3 codes only if we know them, because anybody can answer anything. */
function detail(error: unknown): string {
  const { codes, status } = cluesOf(error);
  const code = codes.find((c) => Object.hasOwn(CODES, c)) ?? codes.find((c) => /^(ERR|CERT)_[A-Z_]{1,40}$/.test(c));
  return [status === undefined || status < 100 ? undefined : `HTTP ${status}`, code]
    .filter((x) => x !== undefined)
    .join(' ');
}

export function s3Failure(error: unknown, context: S3Context): BackupError {
  const carried = carriedFailure(error);
  if (carried !== undefined) return carried;
  const reason = s3Reason(error);
  const what =
    SAYS[reason]?.(context) ?? `cannot ${context.doing} in the bucket ${context.bucket} at ${context.endpoint}`;
  const more = detail(error);
  return new BackupError(reason, more === '' ? what : `${what} (${more})`, { cause: error });
}

/** A failure of ours that came out through the client, such as a refused address. */
function carriedFailure(error: unknown): BackupError | undefined {
  for (let e = error, depth = 0; e instanceof Error && depth < 6; e = e.cause, depth += 1) {
    if (e instanceof BackupError) return e;
  }
  return undefined;
}
