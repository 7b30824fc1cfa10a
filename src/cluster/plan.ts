// SPDX-License-Identifier: Apache-2.0
// The planner: an ordered list of small pure rules that says what to do next for one cluster, and why.
import type { Observed } from './observed.ts';
import { authorityRule, certificateRule } from './rules/certificates.ts';
import { childrenRule, missingPodRule, obsoleteRule, replaceSetRule, statefulSetRule } from './rules/children.ts';
import { healthRule } from './rules/health.ts';
import { identityRule, reformRule } from './rules/identity.ts';
import { prepareRule } from './rules/prepare.ts';
import { recordRule } from './rules/record.ts';
import type { Finding, Rule, Step } from './rules/rule.ts';
import { nudgeRule, sealRule, stalePodRule } from './rules/seal.ts';
import { specRule } from './rules/spec.ts';
import { unsupportedRule } from './rules/unsupported.ts';
import { formingVersionRule, versionRule } from './rules/version.ts';

/**
 * In order of precedence: a rule may rely on everything that the rules before it have established. The first ones look
 * at objects only, so that what is owned is made and mended also while no member answers.
 */
const OBJECT_RULES: readonly Rule[] = [
  identityRule,
  reformRule,
  recordRule,
  authorityRule,
  prepareRule,
  certificateRule,
  replaceSetRule,
  childrenRule,
  statefulSetRule,
  obsoleteRule,
  stalePodRule,
  nudgeRule,
];
const MEMBER_RULES: readonly Rule[] = [missingPodRule, formingVersionRule, sealRule];

/** These only tell, and are asked whatever the rules before them do or wait for. */
const LOOKS: readonly Rule[] = [healthRule, specRule, versionRule, unsupportedRule];

/** What cannot wait for anything else that somebody has to see to, the gravest first. */
const GRAVEST = ['QuorumLost', 'AlarmRaised', 'ClaimLost', 'MemberDataLost'];

export interface Plan {
  readonly step: Step | undefined;
  /** Worst first. */
  readonly findings: readonly Finding[];
}

/** Whether a step was tried in this pass and has to wait for somebody: the rules after it have their turn. */
export type IsHeld = (step: Step) => boolean;

const NOTHING_HELD: IsHeld = () => false;

/** Pure. The first rule with a step wins; what the rules before it found is kept, so that nothing is hidden. */
export function plan(o: Observed, isHeld = NOTHING_HELD): Plan {
  const { step, findings } = apply([...OBJECT_RULES, ...MEMBER_RULES], o, isHeld);
  const told = [...findings, ...LOOKS.flatMap((rule) => rule(o)?.finding ?? [])];
  if (step === undefined || !o.spec.paused) return { step, findings: worstFirst(told) };
  return { step: undefined, findings: worstFirst([pausedFinding(step), ...told]) };
}

/** What is to be done with objects alone. */
export const objectStep = (o: Observed, isHeld = NOTHING_HELD): Step | undefined =>
  o.spec.paused ? undefined : apply(OBJECT_RULES, o, isHeld).step;

function apply(rules: readonly Rule[], o: Observed, isHeld: IsHeld): Plan {
  const findings: Finding[] = [];
  for (const rule of rules) {
    const { step, finding, stop } = rule(o) ?? {};
    if (finding !== undefined) findings.push(finding);
    if (step !== undefined && !isHeld(step)) return { step, findings };
    if (stop === true) break;
  }
  return { step: undefined, findings };
}

const pausedFinding = (pending: Step): Finding => ({
  kind: 'paused',
  reason: 'Paused',
  message: `spec.paused is true; waiting to do: ${pending.message}`,
});

/** Blocked before paused before progress. */
function rank({ kind, reason }: Finding): number {
  const place = GRAVEST.indexOf(reason);
  if (kind === 'blocked') return place === -1 ? GRAVEST.length : place;
  return GRAVEST.length + (kind === 'paused' ? 1 : 2);
}

export const worstFirst = (findings: readonly Finding[]): Finding[] => findings.toSorted((a, b) => rank(a) - rank(b));
