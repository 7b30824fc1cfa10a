// SPDX-License-Identifier: Apache-2.0
// What a reconcile knows of one cluster; everything that the planner may look at.
import type { EffectiveCluster, EffectiveSpecFailure, EtcdCluster } from '../api/cluster.ts';
import type { Member, MemberStatus } from '../etcd/types.ts';
import type { KubeObject } from '../runtime/json.ts';
import type { ConfigMap, PersistentVolumeClaim, Pod, Resource, Secret } from '../runtime/resources.ts';
import type { Identity, Recovered } from './identity.ts';
import type { SecretNeed, Side } from './render/certificates.ts';
import type { Child } from './render/children.ts';
import type { MemberFiles } from './render/memberfile.ts';

/** Whose an object of our name is, if not ours: left by an earlier EtcdCluster of this name, or somebody else's. */
export type Foreign = 'predecessor' | 'stranger' | undefined;

/** A wanted child beside what is there. */
export interface ChildState {
  readonly child: Child;
  readonly live: KubeObject | undefined;
  readonly foreign: Foreign;
}

export interface AuthorityState {
  readonly side: Side;
  readonly secret: Secret | undefined;
  readonly foreign: Foreign;
  /** SHA-256 fingerprint of the certificate; undefined when absent or unreadable. */
  readonly fingerprint: string | undefined;
  readonly cert: string | undefined;
  readonly notAfter: Date | undefined;
  /** Why nothing can be signed with it; undefined when it is as it should be. */
  readonly problem: string | undefined;
}

export interface SecretState {
  readonly need: SecretNeed;
  readonly secret: Secret | undefined;
  readonly foreign: Foreign;
  /** Why the Secret must be written again; undefined when it is as it should be. */
  readonly problem: string | undefined;
  /** Earliest expiry of its leaves. */
  readonly notAfter: Date | undefined;
}

export interface MemberView {
  readonly name: string;
  readonly pod: Pod | undefined;
  /** The metrics listener answers: the member has its write-ahead log and serves its own data. */
  readonly started: boolean;
  /** What the certificate that it serves says of its file, which is mounted with it. Asked for only between seal and formation. */
  readonly provenFile: string | undefined;
  readonly status: MemberStatus | undefined;
  /** Why it could not be asked; the same trouble is the same text. */
  readonly error: string | undefined;
}

export interface QuorumView {
  /** A linearizable read succeeded just now. */
  readonly read: boolean;
  readonly clusterId: string | undefined;
  readonly members: readonly Member[] | undefined;
  readonly error: string | undefined;
}

/** An object of ours by kind and name; whether it is there and ours is read live before it is deleted. */
export interface Obsolete {
  readonly resource: Resource<KubeObject>;
  readonly name: string;
}

/** Everything that the planner may look at. Absent parts were not reachable yet, and no rule may guess them. */
export interface Observed {
  readonly now: Date;
  readonly cluster: EtcdCluster;
  readonly spec: EffectiveCluster;
  /** Why the spec cannot be meant; `spec` is then what a formed cluster goes on with. */
  readonly specFailure: EffectiveSpecFailure | undefined;
  readonly config: ConfigMap | undefined;
  readonly configForeign: Foreign;
  /** The record: what is done follows it alone. */
  readonly identity: Identity | undefined;
  /** The record or, while it cannot be read, what else is known of the very data that status names: only to look and to tell. */
  readonly known: Identity | undefined;
  readonly identityProblem: string | undefined;
  /** What the claims ask for; read live, and only while there is no usable record. */
  readonly recovered: Recovered | undefined;
  readonly files: MemberFiles | undefined;
  readonly authorities: readonly AuthorityState[];
  readonly secrets: readonly SecretState[];
  readonly children: readonly ChildState[];
  /** Ours, and no longer asked for: policies that were switched off, Secrets of clients that were removed. */
  readonly obsolete: readonly Obsolete[];
  readonly claims: readonly PersistentVolumeClaim[];
  readonly pods: readonly Pod[];
  /** Why the StatefulSet controller could not create a missing pod, in the API server's words. */
  readonly podsRefused: string | undefined;
  readonly members: readonly MemberView[];
  readonly quorum: QuorumView;
}
