// SPDX-License-Identifier: Apache-2.0
// The calls that etcd3 does not have: their paths, codecs and the shapes of their messages as proto-loader decodes them.
import type { ServiceDefinition } from '@grpc/proto-loader';
import { definition } from './proto.ts';

/** A method with the type of its response. */
export interface Rpc<R extends object> {
  readonly path: string;
  readonly encode: (request: object) => Buffer;
  readonly decode: (bytes: Buffer) => R;
}

/** A 64-bit number as protobufjs decodes it: two halves of 32 bits. Its own way to decimal text is slow. */
export interface Long {
  readonly low: number;
  readonly high: number;
}

export const bigintOf = ({ low, high }: Long): bigint => (BigInt(high) << 32n) | BigInt(low >>> 0);

/** An id, a term or an index: without a sign. */
export const unsignedOf = (long: Long): bigint => BigInt.asUintN(64, bigintOf(long));

export interface ResponseHeader {
  cluster_id: Long;
  member_id: Long;
  revision: Long;
  raft_term: Long;
}

export interface StatusResponse {
  header: ResponseHeader;
  version: string;
  dbSize: Long;
  leader: Long;
  raftIndex: Long;
  raftTerm: Long;
  raftAppliedIndex: Long;
  errors: string[];
  dbSizeInUse: Long;
  isLearner: boolean;
  dbSizeQuota: Long;
}

export interface HashKVResponse {
  header: ResponseHeader;
  hash: number;
  compact_revision: Long;
  hash_revision: Long;
}

export interface SnapshotResponse {
  remaining_bytes: Long;
  blob: Buffer;
  version: string;
}

const isService = (value: object): value is ServiceDefinition => !('format' in value);

/** `fields` are those that callers rely on: a definition that lost one is found at the first answer. */
function rpc<R extends object>(method: string, fields: readonly (keyof R)[]): Rpc<R> {
  const service: ServiceDefinition | object = definition['etcdserverpb.Maintenance'] ?? {};
  const found = isService(service) ? service[method] : undefined;
  if (found === undefined) throw new Error(`the protocol definition has no method ${method}`);
  const isMessage = (decoded: object): decoded is R => fields.every((field) => field in decoded);
  const decode = (bytes: Buffer): R => {
    const message = found.responseDeserialize(bytes);
    if (!isMessage(message)) throw new Error(`the answer to ${method} lacks one of ${fields.join(', ')}`);
    return message;
  };
  return { path: found.path, encode: found.requestSerialize, decode };
}

export const statusRpc = rpc<StatusResponse>('Status', [
  'header',
  'leader',
  'raftAppliedIndex',
  'dbSizeQuota',
  'isLearner',
]);
export const hashKvRpc = rpc<HashKVResponse>('HashKV', ['header', 'hash', 'compact_revision', 'hash_revision']);
export const snapshotRpc = rpc<SnapshotResponse>('Snapshot', ['remaining_bytes', 'blob', 'version']);
