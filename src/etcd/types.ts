// SPDX-License-Identifier: Apache-2.0
// What the clients of this folder take and give. Ids are lower-case hexadecimal strings without padding, as etcdctl prints them.

/** Where one member listens. */
export interface Endpoint {
  name: string;
  /** An IP address: nothing here looks names up. */
  host: string;
  /** The DNS name that the member's certificate must carry. */
  serverName: string;
  /** Default 2379. */
  clientPort?: number;
  /** Default 2381. */
  metricsPort?: number;
}

/** PEM texts. */
export interface ClientTls {
  ca: string;
  cert: string;
  key: string;
}

export interface CallOptions {
  signal?: AbortSignal;
  /** Milliseconds; default 2000. */
  timeoutMs?: number;
}

export interface MemberStatus {
  clusterId: string;
  memberId: string;
  /** Undefined while the member knows no leader. */
  leaderId: string | undefined;
  raftTerm: bigint;
  raftIndex: bigint;
  raftAppliedIndex: bigint;
  revision: bigint;
  version: string;
  /** Bytes of the database file. */
  dbSize: number;
  /** Bytes of the database file that hold data. */
  dbSizeInUse: number;
  /** Bytes; etcd 3.5 does not tell. */
  dbSizeQuota?: number;
  isLearner: boolean;
  /** What the member says is wrong with it, such as `NOSPACE` or `etcdserver: no leader`. */
  errors: string[];
}

export interface Member {
  id: string;
  /** Empty until the member has started once. */
  name: string;
  peerUrls: string[];
  clientUrls: string[];
  isLearner: boolean;
}

export interface Alarm {
  memberId: string;
  type: 'NOSPACE' | 'CORRUPT';
}

export interface KeyspaceHash {
  hash: number;
  compactRevision: bigint;
  /** The revision up to which the hash was taken; 0 from etcd 3.5, which does not tell. */
  hashRevision: bigint;
  /** The store's revision when it was asked. */
  revision: bigint;
}

/** A 64-bit id from its decimal form, or its value, to lower-case hexadecimal. */
export const hexId = (id: string | bigint): string => BigInt(id).toString(16);

/** A 64-bit id from hexadecimal to the decimal form that the wire types take. */
export const decimalId = (hex: string): string => BigInt(`0x${hex}`).toString();
