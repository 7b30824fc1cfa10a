// SPDX-License-Identifier: Apache-2.0
// What a rule may answer: a step to take, a finding to tell, or that later rules have to wait.
import type { KubeObject } from '../../runtime/json.ts';
import type { Pod } from '../../runtime/resources.ts';
import type { Identity } from '../identity.ts';
import type { ChildState, Observed, Obsolete, SecretState } from '../observed.ts';
import type { Side } from '../render/certificates.ts';

export interface Nudge {
  readonly pod: Pod;
  /** Of its annotation: the file that it is to look for, and when it was told. */
  readonly value: string;
}

export interface Seal {
  /** The record with these members sealed; replaces the one of this version. */
  readonly identity: Identity;
  readonly replaces: string | undefined;
  /** With the files of that record. */
  readonly secret: SecretState;
  readonly nudges: readonly Nudge[];
}

/** One thing to do. `reason` and `message` reach the log and, where `event` is set, an Event of the cluster. */
export type Step = {
  readonly reason: string;
  readonly message: string;
  readonly event?: boolean;
} & (
  | { readonly action: 'RecordIdentity'; readonly identity: Identity; readonly replaces: string | undefined }
  | { readonly action: 'IssueAuthorities'; readonly sides: readonly Side[]; readonly children: readonly ChildState[] }
  | {
      readonly action: 'Prepare';
      readonly identity: Identity;
      readonly replaces: string | undefined;
      readonly secrets: readonly SecretState[];
      readonly children: readonly ChildState[];
    }
  | { readonly action: 'WriteSecrets'; readonly secrets: readonly SecretState[] }
  | { readonly action: 'PutChildren'; readonly children: readonly ChildState[] }
  | { readonly action: 'SealMembers'; readonly seal: Seal }
  | {
      readonly action: 'Form';
      /** Claims to be marked before the record says that the cluster is formed. */
      readonly claims: readonly ChildState[];
      readonly identity: Identity;
      readonly replaces: string | undefined;
    }
  | { readonly action: 'NudgeKubelets'; readonly nudges: readonly Nudge[] }
  | { readonly action: 'DeletePods'; readonly pods: readonly Pod[] }
  | { readonly action: 'ReplaceClaims'; readonly claims: readonly KubeObject[] }
  | { readonly action: 'ReplaceStatefulSet'; readonly set: KubeObject }
  | { readonly action: 'NudgeStatefulSet'; readonly set: KubeObject; readonly value: string }
  | { readonly action: 'DeleteObsolete'; readonly obsolete: readonly Obsolete[] }
);

/**
 * Progress: the operator is at work, or waits for something that comes by itself. Blocked: somebody has to act.
 * Paused: there is something to do that the user told us not to do now.
 */
export interface Finding {
  readonly kind: 'progress' | 'blocked' | 'paused';
  readonly reason: string;
  readonly message: string;
}

/** What comes by itself has come after this many milliseconds. */
const LASTING_MS = 120_000;

/** Progress, until it has lasted: then somebody has to look, and is told where. */
export function lasting(o: { ms: number; reason: string; message: string; remedy: string }): Finding {
  const { ms, reason, message, remedy } = o;
  if (!(ms > LASTING_MS)) return { kind: 'progress', reason, message };
  return { kind: 'blocked', reason, message: `${message}; this lasts: ${remedy}` };
}

export interface Ruling {
  readonly step?: Step;
  readonly finding?: Finding;
  /** No later rule may act before this is out of the way. */
  readonly stop?: boolean;
}

export type Rule = (o: Observed) => Ruling | undefined;
