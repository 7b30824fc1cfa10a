// SPDX-License-Identifier: Apache-2.0
// The table of errors: what grpc-js, etcd3 and etcd say, and what we make of it.
import { describe, expect, it } from 'vitest';
import { EtcdError } from './errors.ts';

describe('EtcdError.from', () => {
  it.each([
    [
      '14 UNAVAILABLE: No connection established. Last error: connect ECONNREFUSED 10.0.0.1:2379',
      'Unavailable',
      'retryable',
    ],
    ['14 UNAVAILABLE: etcdserver: no leader', 'NoLeader', 'retryable'],
    ['14 UNAVAILABLE: etcdserver: leader changed', 'Unavailable', 'retryable'],
    ['14 UNAVAILABLE: etcdserver: unhealthy cluster', 'Unavailable', 'retryable'],
    ['14 UNAVAILABLE: etcdserver: request timed out, possibly due to connection lost', 'DeadlineExceeded', 'retryable'],
    ['14 UNAVAILABLE: etcdserver: rpc not supported for learner', 'FailedPrecondition', 'conflict'],
    [
      '14 UNAVAILABLE: No connection established. Last error: self-signed certificate in chain',
      'Unauthenticated',
      'terminal',
    ],
    ["14 UNAVAILABLE: … Error: Hostname/IP does not match certificate's altnames", 'Unauthenticated', 'terminal'],
    ['4 DEADLINE_EXCEEDED: Deadline exceeded after 2.000s', 'DeadlineExceeded', 'retryable'],
    ['1 CANCELLED: Cancelled on client', 'Cancelled', 'retryable'],
    ['9 FAILED_PRECONDITION: etcdserver: not leader', 'FailedPrecondition', 'conflict'],
    ['11 OUT_OF_RANGE: etcdserver: mvcc: required revision has been compacted', 'FailedPrecondition', 'conflict'],
    ['8 RESOURCE_EXHAUSTED: etcdserver: mvcc: database space exceeded', 'ResourceExhausted', 'retryable'],
    ['15 DATA_LOSS: etcdserver: corrupt cluster', 'DataCorrupt', 'terminal'],
    ['7 PERMISSION_DENIED: etcdserver: permission denied', 'PermissionDenied', 'terminal'],
    ['16 UNAUTHENTICATED: etcdserver: invalid auth token', 'Unauthenticated', 'terminal'],
    ['5 NOT_FOUND: etcdserver: member not found', 'NotFound', 'conflict'],
    ['GRPCUnavailableError: 14 UNAVAILABLE: Connection dropped', 'Unavailable', 'retryable'],
    ['something else', 'Unknown', 'retryable'],
  ])('%s is %s, %s', (message, code, errorClass) => {
    const failure = new Error(message);
    const error = EtcdError.from(failure, 'orders-0: status');
    expect(error).toMatchObject({ code, class: errorClass, cause: failure });
    expect(error.message).toMatch(/^orders-0: status: /);
    expect(error.message).not.toMatch(/\d+ [A-Z_]+: /);
  });

  it.each([
    ['4 DEADLINE_EXCEEDED: Deadline exceeded after 2.003s,name resolution: 0.001s', 'it does not answer'],
    ['4 DEADLINE_EXCEEDED: Deadline exceeded after 2.001s,LB pick: 0.000s', 'it does not answer'],
    ['14 UNAVAILABLE: No connection established. Last error: connect EHOSTUNREACH 10.0.0.1:2379', 'it does not answer'],
    [
      '14 UNAVAILABLE: No connection established. Last error: connect ECONNREFUSED 10.0.0.1:2379',
      'it refuses the connection',
    ],
    ['14 UNAVAILABLE: etcdserver: request timed out, possibly due to connection lost', 'it does not answer'],
    ['14 UNAVAILABLE: etcdserver: no leader', 'it knows no leader'],
    [
      '14 UNAVAILABLE: No connection established. Last error: self-signed certificate in chain',
      'it and the operator do not accept the certificates of each other',
    ],
  ])('%s reads in a condition: %s', (message, says) => {
    expect(EtcdError.from(new Error(message), 'orders-0: status').says).toBe(says);
  });

  it('leaves an EtcdError as it is', () => {
    const error = new EtcdError('NoLeader', 'orders-0: read: no leader');
    expect(EtcdError.from(error, 'other')).toBe(error);
  });
});
