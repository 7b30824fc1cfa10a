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

/** 64-bit numbers are decimal strings. */
export interface ResponseHeader {
  cluster_id: string;
  member_id: string;
  revision: string;
  raft_term: string;
}

export interface StatusResponse {
  header: ResponseHeader;
  version: string;
  dbSize: string;
  leader: string;
  raftIndex: string;
  raftTerm: string;
  raftAppliedIndex: string;
  errors: string[];
  dbSizeInUse: string;
  isLearner: boolean;
  dbSizeQuota: string;
}

export interface HashKVResponse {
  header: ResponseHeader;
  hash: number;
  compact_revision: string;
  hash_revision: string;
}

export interface SnapshotResponse {
  remaining_bytes: string;
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
