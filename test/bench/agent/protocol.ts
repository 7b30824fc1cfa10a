// SPDX-License-Identifier: Apache-2.0
// What the measuring program in the node network and its client say to each other.

/** A cluster to judge, whoever made it. */
export interface JudgeSpec {
  namespace: string;
  /** Member pods are `<name>-0` … and carry the label `etcd.quorate.dev/cluster: <name>`. */
  name: string;
  members: number;
  /** Secret with ca.crt, tls.crt and tls.key of a client; waited for if it is not there yet. */
  secret: string;
  /** Milliseconds. */
  timeoutMs: number;
}

export interface Judgement {
  /** Milliseconds since the epoch at which every member had answered Status with the same leader. */
  at: number;
}

/** Writes values until the database has this size. */
export interface FillSpec {
  namespace: string;
  name: string;
  members: number;
  secret: string;
  bytes: number;
  timeoutMs: number;
}

export interface Filled {
  dbSize: number;
}
