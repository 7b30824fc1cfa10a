// SPDX-License-Identifier: Apache-2.0
// Runs one unary call of either client library with a deadline, cancellation and our errors.
import { type CallOptions as GrpcCallOptions, InterceptingCall, type Interceptor, status } from '@grpc/grpc-js';
import { cancelled, EtcdError } from './errors.ts';
import type { CallOptions } from './types.ts';

const DEFAULT_TIMEOUT_MS = 2_000;

/**
 * Calls `start` with gRPC options that carry the deadline, and with an interceptor that cancels the call on the wire when
 * the signal fires: etcd3 hands out no call to cancel. Rejects with EtcdError; `subject` begins its message.
 */
export async function unary<T>(
  subject: string,
  o: CallOptions,
  start: (options: GrpcCallOptions) => Promise<T>,
): Promise<T> {
  const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = o;
  if (isAborted(signal)) throw cancelled(subject, signal);
  const options: GrpcCallOptions = { deadline: Date.now() + timeoutMs };
  let cancel: (() => void) | undefined;
  const onAbort = (): void => cancel?.();
  if (signal !== undefined) {
    const interceptor: Interceptor = (callOptions, next) => {
      const call = new InterceptingCall(next(callOptions));
      cancel = () => call.cancelWithStatus(status.CANCELLED, 'cancelled by the caller');
      return call;
    };
    options.interceptors = [interceptor];
    signal.addEventListener('abort', onAbort);
  }
  try {
    return await start(options);
  } catch (failure) {
    throw isAborted(signal) ? cancelled(subject, signal) : EtcdError.from(failure, subject);
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}

/** A function, because the compiler would take an earlier answer for a constant. */
const isAborted = (signal: AbortSignal | undefined): boolean => signal?.aborted ?? false;
