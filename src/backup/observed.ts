// SPDX-License-Identifier: Apache-2.0
// What is known about one EtcdBackup when a decision is made.
import type { EtcdBackup } from '../api/backup.ts';
import type { EffectiveCluster, EtcdCluster } from '../api/cluster.ts';
import type { Job, Pod } from '../runtime/resources.ts';
import type { JobSettings } from './render/job.ts';

/** What was found of the Secrets that a Job mounts; only looked for when a Job is about to be made. */
export interface SecretFindings {
  /** What is wrong with the Secrets that the user provides. */
  readonly credentials:
    | { readonly reason: 'CredentialsMissing' | 'CredentialsInvalid'; readonly message: string }
    | undefined;
  /** The Secret that the operator provides is there. */
  readonly tls: boolean;
}

/** Another EtcdBackup of the same cluster that is not finished. */
export interface Sibling {
  readonly name: string;
  readonly created: string;
  readonly running: boolean;
}

export interface ObservedBackup {
  readonly now: Date;
  readonly backup: EtcdBackup;
  readonly cluster: EtcdCluster | undefined;
  /** `cluster` was read live: if it is not there, it is gone. */
  readonly clusterIsLive: boolean;
  /** Absent if there is no cluster or its spec cannot be meant. */
  readonly spec: EffectiveCluster | undefined;
  /** Owned by this backup, by attempt. */
  readonly jobs: readonly Job[];
  /** Of the last of these Jobs. */
  readonly pods: readonly Pod[];
  /** `pods` was read live: what is missing in it is gone. */
  readonly podsAreLive: boolean;
  /** What the API server said when it last refused a pod of the Job; only read when there is none. */
  readonly refused: string | undefined;
  readonly siblings: readonly Sibling[];
  /** What Jobs run and where; absent if the operator does not know its own image. */
  readonly settings: JobSettings | undefined;
  readonly secrets: SecretFindings | undefined;
}
