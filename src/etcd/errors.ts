// SPDX-License-Identifier: Apache-2.0
// The one table of etcd errors: gRPC status and etcd's own text to a code, and each code to a class and a sentence.

/** `retryable`: the same call may succeed later; `conflict`: read the state again first; `terminal`: it never will. */
export type EtcdErrorClass = 'retryable' | 'terminal' | 'conflict';

/** The sentence is for conditions: the libraries' own words hold times and addresses, and would be news at every look. */
const CODES = {
  // A node that is away is found out by either, now by one and now by the other: it must read the same.
  Unavailable: ['retryable', 'it does not answer'],
  DeadlineExceeded: ['retryable', 'it does not answer'],
  NoLeader: ['retryable', 'it knows no leader'],
  PermissionDenied: ['terminal', 'it denies the permission'],
  Unauthenticated: ['terminal', 'it and the operator do not accept the certificates of each other'],
  NotFound: ['conflict', 'it does not know what it was asked for'],
  FailedPrecondition: ['conflict', 'it cannot do this in its present state'],
  ResourceExhausted: ['retryable', 'it has no room left'],
  DataCorrupt: ['terminal', 'its data differs from that of the others'],
  Cancelled: ['retryable', 'it was not asked to the end'],
  Unknown: ['retryable', 'it fails when it is asked'],
} as const satisfies Record<string, readonly [EtcdErrorClass, string]>;

export type EtcdErrorCode = keyof typeof CODES;

/** etcd's own sentences, because one gRPC status stands for several situations. The first match wins. */
const TEXTS: readonly (readonly [RegExp, EtcdErrorCode])[] = [
  [/etcdserver: no leader/, 'NoLeader'],
  [/etcdserver: request timed out/, 'DeadlineExceeded'],
  [/etcdserver: corrupt cluster/, 'DataCorrupt'],
  [/etcdserver: (not leader|bad leader transferee|rpc not supported for learner)/, 'FailedPrecondition'],
  [/etcdserver: mvcc: (required revision|future)/, 'FailedPrecondition'],
  // grpc-js reports a failed handshake as UNAVAILABLE: only the text tells it from a member that is down.
  [/certificate|SSL alert|ssl\/tls alert|tlsv1 alert|tlsv13 alert|Hostname\/IP does not match/i, 'Unauthenticated'],
];

/** By name, as it stands in the message: the numbers would have to come from grpc-js, which takes long to load. */
const STATUSES: ReadonlyMap<string, EtcdErrorCode> = new Map<string, EtcdErrorCode>([
  ['CANCELLED', 'Cancelled'],
  ['INVALID_ARGUMENT', 'FailedPrecondition'],
  ['DEADLINE_EXCEEDED', 'DeadlineExceeded'],
  ['NOT_FOUND', 'NotFound'],
  ['ALREADY_EXISTS', 'FailedPrecondition'],
  ['PERMISSION_DENIED', 'PermissionDenied'],
  ['RESOURCE_EXHAUSTED', 'ResourceExhausted'],
  ['FAILED_PRECONDITION', 'FailedPrecondition'],
  ['ABORTED', 'FailedPrecondition'],
  ['OUT_OF_RANGE', 'FailedPrecondition'],
  ['UNAVAILABLE', 'Unavailable'],
  ['DATA_LOSS', 'DataCorrupt'],
  ['UNAUTHENTICATED', 'Unauthenticated'],
]);

export class EtcdError extends Error {
  override readonly name = 'EtcdError';
  readonly code: EtcdErrorCode;
  readonly class: EtcdErrorClass;

  constructor(code: EtcdErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.class = CODES[code][0];
  }

  /** What is wrong, without a subject; the same trouble is the same text. */
  get says(): string {
    return this.code === 'Unavailable' && /ECONNREFUSED/.test(this.message)
      ? 'it refuses the connection'
      : CODES[this.code][1];
  }

  /**
   * Any failure of a call as an EtcdError, with the failure as its cause. The status is read from grpc-js's message
   * (`14 UNAVAILABLE: …`), because etcd3 keeps the message of an error and drops its code.
   */
  static from(failure: unknown, subject: string): EtcdError {
    if (failure instanceof EtcdError) return failure;
    const message = failure instanceof Error ? failure.message : String(failure);
    const parts = /^(?:\w+: )?\d{1,2} ([A-Z_]+): ([\s\S]*)$/.exec(message);
    const text = parts?.[2] ?? message;
    const status = STATUSES.get(parts?.[1] ?? '');
    const code = TEXTS.find(([pattern]) => pattern.test(text))?.[1] ?? status ?? 'Unknown';
    return new EtcdError(code, `${subject}: ${text}`, failure);
  }
}

export const cancelled = (subject: string, signal?: AbortSignal): EtcdError =>
  new EtcdError('Cancelled', `${subject}: the call was cancelled`, signal?.reason);
