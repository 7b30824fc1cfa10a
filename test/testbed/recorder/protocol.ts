// SPDX-License-Identifier: Apache-2.0
// What the recorder's control API and its client say to each other.

export interface RecorderSpec {
  namespace: string;
  /** Name of the cluster; its member pods are found by label. */
  cluster: string;
  /** PEM of an issued client Secret. */
  tls: { ca: string; cert: string; key: string };
  /** Writes started per second; default 50. */
  rate?: number;
}

export interface RecorderCounts {
  id: string;
  attempted: number;
  acknowledged: number;
  /** The outcome of these writes is not known: they may or may not be there. */
  unknown: number;
  watched: number;
  /** Latest acknowledged revision, decimal. */
  revision: string;
  /** Milliseconds since the last acknowledged write, by the recorder's monotonic clock; absent before the first. */
  sinceLastAckMs?: number;
  /** The longest time between two acknowledged writes so far, in milliseconds. */
  longestGapMs: number;
  lastError: string;
}

/** One key that somebody read back, for a comparison; revisions are decimal. */
export interface StoredText {
  key: string;
  value: string;
  createRevision: string;
  modRevision: string;
}

export interface Comparison {
  /** Empty if everything acknowledged is there as it was written, and nothing else. */
  problems: string[];
}

export interface MemberHash {
  member: string;
  hash: number;
  compactRevision: string;
}

export interface Verdict extends RecorderCounts {
  /** Empty if everything that must hold does hold. */
  problems: string[];
  /** Revision at which everything was compared. */
  verifiedAt: string;
  hashes: MemberHash[];
}
