// SPDX-License-Identifier: Apache-2.0
// The planner: an ordered list of small pure rules that says what to do next for one cluster, and why.
import type { Observed } from './observed.ts';
import { authorityRule, certificateRule } from './rules/certificates.ts';
import { childrenRule, missingPodRule, obsoleteRule, statefulSetRule } from './rules/children.ts';
import { healthRule } from './rules/health.ts';
import { identityRule, reformRule } from './rules/identity.ts';
import type { Finding, Rule, Step } from './rules/rule.ts';
import { nudgeRule, sealRule, stalePodRule } from './rules/seal.ts';
import { unsupportedRule } from './rules/unsupported.ts';
import { formingVersionRule, versionRule } from './rules/version.ts';

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
// An edit that has to wait never hides that members are down.
const MEMBER_RULES: readonly Rule[] = [
  missingPodRule,
  formingVersionRule,
  sealRule,
  healthRule,
  versionRule,
  unsupportedRule,
];

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
