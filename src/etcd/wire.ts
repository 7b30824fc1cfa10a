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

/** The decoder fills every field that the definition names, so the shape is the definition's. */
function isMessage<R extends object>(decoded: object): decoded is R {
  return decoded !== null;
}

function rpc<R extends object>(method: string): Rpc<R> {
  const service: ServiceDefinition | object | undefined = definition['etcdserverpb.Maintenance'];
  if (service === undefined || !isService(service))
    throw new Error('the protocol definition has no Maintenance service');
  const found = service[method];
  if (found === undefined) throw new Error(`the protocol definition has no method ${method}`);
  return {
    path: found.path,
    encode: found.requestSerialize,
    decode: (bytes) => {
      const message = found.responseDeserialize(bytes);
      if (!isMessage<R>(message)) throw new Error(`${method} answered nothing`);
      return message;
    },
  };
}

const isService = (value: object): value is ServiceDefinition => !('format' in value);

export const statusRpc = rpc<StatusResponse>('Status');
export const hashKvRpc = rpc<HashKVResponse>('HashKV');
export const snapshotRpc = rpc<SnapshotResponse>('Snapshot');
