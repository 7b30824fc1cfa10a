// SPDX-License-Identifier: Apache-2.0
// The planner: an ordered list of small pure rules that says what to do next for one cluster, and why.
import type { KubeObject } from '../runtime/json.ts';
import type { Pod } from '../runtime/resources.ts';
import type { Identity } from './identity.ts';
import type { ChildState, Observed, Obsolete, SecretState } from './observed.ts';
import type { Side } from './render/certificates.ts';
import { authorityRule, certificateRule } from './rules/certificates.ts';
import { childrenRule, obsoleteRule, statefulSetRule } from './rules/children.ts';
import { healthRule } from './rules/health.ts';
import { identityRule, reformRule } from './rules/identity.ts';
import { nudgeRule, sealRule, stalePodRule } from './rules/seal.ts';
import { unsupportedRule } from './rules/unsupported.ts';

/** One thing to do. `reason` and `message` reach the log and, where `event` is set, an Event of the cluster. */
export type Step = {
  readonly reason: string;
  readonly message: string;
  readonly event?: boolean;
} & (
  | { readonly action: 'RecordIdentity'; readonly identity: Identity; readonly replaces: string | undefined }
  | { readonly action: 'IssueAuthorities'; readonly sides: readonly Side[] }
  | {
      readonly action: 'WriteSecrets';
      readonly secrets: readonly SecretState[];
      readonly children: readonly ChildState[];
    }
  | { readonly action: 'PutChildren'; readonly children: readonly ChildState[] }
  | { readonly action: 'RefreshMounts'; readonly pods: readonly Pod[]; readonly value: string }
  | { readonly action: 'DeletePods'; readonly pods: readonly Pod[] }
  | { readonly action: 'ReplaceClaims'; readonly claims: readonly KubeObject[] }
  | { readonly action: 'ReplaceStatefulSet'; readonly set: KubeObject }
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

export interface Ruling {
  readonly step?: Step;
  readonly finding?: Finding;
  /** No later rule may act before this is out of the way. */
  readonly stop?: boolean;
}

export type Rule = (o: Observed) => Ruling | undefined;

/**
 * In order of precedence: a rule may rely on everything that the rules before it have established. The first ones look
 * at objects only, so that what is owned is made and mended also while no member answers.
 */
const OBJECT_RULES: readonly Rule[] = [
  identityRule,
  reformRule,
  authorityRule,
  certificateRule,
  childrenRule,
  statefulSetRule,
  obsoleteRule,
  stalePodRule,
  nudgeRule,
];
const MEMBER_RULES: readonly Rule[] = [sealRule, unsupportedRule, healthRule];

export interface Plan {
  readonly step: Step | undefined;
  /** Worst first. */
  readonly findings: readonly Finding[];
}

/** Pure. The first rule with a step wins; what the rules before it found is kept, so that nothing is hidden. */
export const plan = (o: Observed): Plan => apply([...OBJECT_RULES, ...MEMBER_RULES], o);

/** What is to be done with objects alone; its findings are not the whole truth. */
export const planObjects = (o: Observed): Plan => apply(OBJECT_RULES, o);

function apply(rules: readonly Rule[], o: Observed): Plan {
  const findings: Finding[] = [];
  for (const rule of rules) {
    const ruling = rule(o);
    if (ruling === undefined) continue;
    if (ruling.finding !== undefined) findings.push(ruling.finding);
    if (ruling.step !== undefined && o.spec.paused) {
      return { step: undefined, findings: order([pausedFinding(ruling.step), ...findings]) };
    }
    if (ruling.step !== undefined) return { step: ruling.step, findings: order(findings) };
    if (ruling.stop === true) break;
  }
  return { step: undefined, findings: order(findings) };
}

const pausedFinding = (pending: Step): Finding => ({
  kind: 'paused',
  reason: 'Paused',
  message: `spec.paused is true; waiting to do: ${pending.message}`,
});

const order = (findings: readonly Finding[]): Finding[] =>
  [...findings].toSorted((a, b) => Number(b.kind === 'blocked') - Number(a.kind === 'blocked'));
