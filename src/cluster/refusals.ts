// SPDX-License-Identifier: Apache-2.0
// What a refusal of the API server means, by its words: one code stands for quotas, policies and missing rights alike.
import type { KubeError } from '../runtime/errors.ts';

export interface Refusal {
  readonly reason: string;
  /** What a person does about it. */
  readonly remedy: string;
}

const QUOTA = {
  reason: 'QuotaExceeded',
  remedy: 'raise the quota or the limit range of the namespace, or ask for less',
};
const DENIED = { reason: 'AdmissionDenied', remedy: 'change the policy, or exempt the objects of the cluster from it' };
const RIGHTS = { reason: 'Refused', remedy: "apply the chart's roles again: the operator lacks this permission" };
const PRIORITY = { reason: 'Invalid', remedy: 'create the PriorityClass, or correct spec.pods.priorityClassName' };
const DROPPED = { reason: 'Invalid', remedy: 'correct its spelling, or find the admission policy that removes it' };
const INVALID = { reason: 'Invalid', remedy: 'correct it, most often under spec.pods or spec.service' };

/** The first match wins; what a policy says may hold anything, so policies come first. */
const WORDS: readonly (readonly [RegExp, Refusal])[] = [
  [/admission webhook|ValidatingAdmissionPolicy|violates PodSecurity/, DENIED],
  [/ cannot \w+ resource |cannot set blockOwnerDeletion/, RIGHTS],
  [/exceeded quota|failed quota|(maximum|minimum) .+ usage per |limit to request ratio/, QUOTA],
  [/no PriorityClass/, PRIORITY],
  [/keeps nothing of /, DROPPED],
  [/ is invalid: /, INVALID],
];

/** Of a request that was answered with one of these codes, or of a text that quotes such an answer. */
export function refusalOf({ code, message }: Pick<KubeError, 'code' | 'message'>): Refusal {
  const known = WORDS.find(([words]) => words.test(message))?.[1];
  return known ?? (code === 'Invalid' ? INVALID : DENIED);
}
