// SPDX-License-Identifier: Apache-2.0
// Rules from the first start of the members to the proof that none of them can ever start empty again.
import { ANNOTATIONS } from '../../api/names.ts';
import type { Pod } from '../../runtime/resources.ts';
import { isLeftOver } from '../foreign.ts';
import { claimIdentity, type Identity, isMarkedFormed, isSealed, sealMembers } from '../identity.ts';
import type { MemberView, Observed } from '../observed.ts';
import { certificateNeeds } from '../render/certificates.ts';
import { type MemberFiles, renderMemberFiles } from '../render/memberfile.ts';
import { canSign } from './certificates.ts';
import { diagnose } from './diagnose.ts';
import { allWhys } from './health.ts';
import { lasting, type Nudge, type Ruling, type Seal, type Step } from './rule.ts';

/** A kubelet that missed the first nudge is nudged again after this many milliseconds, then after twice as long each time. */
const NUDGE_AGAIN_MS = 1500;
const NUDGE_SELDOM_MS = 60_000;

const LOOK = 'look at the pod, its node, and the network between the members and to the operator';

/**
 * A kubelet begins with a pod within moments, and has its volumes and its address soon after. One that asks for the claim
 * or another object before the API server has seen the binding is refused, and asks again only after several seconds
 * unless the pod changes. The time of a binding has whole seconds.
 */
const BEGIN_MS = 2_000;
const ADDRESS_MS = 4_000;

/** While nothing is formed, pods of an earlier attempt go: their files name another genesis. */
export function stalePodRule(o: Observed): Ruling | undefined {
  if (o.identity === undefined || o.identity.phase === 'Formed') return undefined;
  const genesis = o.identity.genesis;
  const stale = o.pods.filter((p) => p.metadata.deletionTimestamp === undefined && isLeftOver(o.cluster, p, genesis));
  if (stale.length === 0) return undefined;
  const message = `deleting pods of the earlier attempt: ${stale.map((p) => p.metadata.name).join(', ')}`;
  return { step: { action: 'DeletePods', pods: stale, reason: 'PodsReplaced', message } };
}

export function sealRule(o: Observed): Ruling | undefined {
  if (o.identity === undefined || o.identity.phase === 'Formed') return undefined;
  return isSealed(o.identity) ? sealed(o) : open(o, o.identity);
}

/**
 * In two goes: those that have started when they are a majority, and the others when all have. The kubelets of the first
 * find the seal while the last are on their way; more goes would take from the processors that these need.
 */
function open(o: Observed, record: Identity): Ruling {
  const left = record.members.filter((m) => !m.sealed).map((m) => m.name);
  const started = o.members
    .filter(
      (m) =>
        left.includes(m.name) && m.started && m.pod?.metadata.annotations?.[ANNOTATIONS.genesis] === record.genesis,
    )
    .map((m) => m.name);
  const first = left.length === record.members.length && started.length > left.length / 2;
  const seal = first || started.length === left.length ? sealOf(o, record, started) : undefined;
  if (seal !== undefined) {
    const message = `sealing the files of ${started.join(', ')}, and telling their kubelets`;
    return { step: { action: 'SealMembers', seal, reason: 'Sealing', message } };
  }
  const message = `${record.members.length - left.length + started.length} of ${record.members.length} members have started`;
  const late = left.filter((name) => !started.includes(name));
  const remedy = `${allWhys(o.members.filter((m) => late.includes(m.name)))}; ${LOOK}`;
  return { finding: diagnose(o) ?? lasting({ ms: quietMs(o, left), reason: 'Bootstrapping', message, remedy }) };
}

/** How long nothing has come of the pods of these members, nor of the StatefulSet that is to make them. */
function quietMs({ children, pods, now }: Observed, names: readonly string[]): number {
  const set = children.find((c) => c.child.resource.kind === 'StatefulSet')?.live;
  const theirs = pods.filter((p) => names.includes(p.metadata.name));
  const turns = theirs.flatMap((p) => p.status?.conditions?.map((c) => c.lastTransitionTime) ?? []);
  const made = [set, ...theirs].map((x) => x?.metadata.creationTimestamp);
  return leastMs(
    now,
    [...made, ...turns].map((time) => Date.parse(time ?? '')),
  );
}

/** Since the newest of these times; 0 without any. */
function leastMs(now: Date, times: readonly number[]): number {
  const known = times.filter((time) => Number.isFinite(time));
  return known.length === 0 ? 0 : now.getTime() - Math.max(...known);
}

/** Undefined while no certificate can be issued: then the files cannot be vouched for either. */
function sealOf(o: Observed, record: Identity, names: readonly string[]): Seal | undefined {
  const identity = sealMembers(record, names);
  const files = renderMemberFiles(identity, o.cluster.metadata.namespace as string);
  const need = certificateNeeds(o.cluster, o.spec, identity, files).find((n) => n.extra === files.files);
  const secret = o.secrets.find((s) => s.need.name === need?.name && s.problem === undefined);
  const signed = o.authorities.some((a) => a.side === need?.side && canSign(o, a));
  if (need === undefined || secret === undefined || !signed) return undefined;
  const nudges = o.pods
    .filter((p) => names.includes(p.metadata.name) && p.metadata.deletionTimestamp === undefined)
    .map((pod) => nudgeOf(files, pod, o.now));
  return { identity, replaces: o.config?.metadata.resourceVersion, secret: { ...secret, need }, nudges };
}

function sealed(o: Observed): Ruling {
  if (o.identity === undefined || o.files === undefined) return {};
  // Whoever marked it had seen all of this; since then a member may have been lost for good.
  if (isMarkedFormed(o.claims, o.identity.genesis)) return { step: formStep(o, o.identity) };
  const unproven = o.members.filter((m) => m.provenFile !== o.files?.proofs[m.name]);
  if (unproven.length > 0) return nudgeAgain(o, unproven);
  const problem = membershipProblem(o);
  if (problem !== undefined) {
    const ms = sinceToldMs(o, o.pods);
    return { finding: diagnose(o) ?? lasting({ ms, reason: 'Bootstrapping', message: problem, remedy: LOOK }) };
  }
  return { step: formStep(o, o.identity) };
}

function formStep(o: Observed, record: Identity): Step {
  const unmarked = o.children.filter(
    (c) =>
      c.child.resource.kind === 'PersistentVolumeClaim' &&
      c.live !== undefined &&
      claimIdentity(c.live)?.formed !== true,
  );
  const claims = unmarked.map((c) => ({ ...c, child: { ...c.child, desired: formedClaim(c.child.desired) } }));
  const identity = { ...record, phase: 'Formed' as const };
  const cluster = `cluster ${o.quorum.clusterId ?? o.cluster.metadata.name}`;
  const message = `recording ${cluster} as formed: ${record.members.length} members, all sealed`;
  const replaces = o.config?.metadata.resourceVersion;
  return { action: 'Form', claims, identity, replaces, reason: 'Formed', message, event: true };
}

const formedClaim = <T extends { metadata: { annotations?: Record<string, string> } }>(claim: T): T => ({
  ...claim,
  metadata: { ...claim.metadata, annotations: { ...claim.metadata.annotations, [ANNOTATIONS.formed]: 'true' } },
});

/**
 * A kubelet otherwise looks at a pod again only within a minute, or begins with it when its back-off is over. Those that
 * could not be told with the first go of the seal do not hold up the second.
 */
export function nudgeRule(o: Observed): Ruling | undefined {
  if (o.identity === undefined || o.identity.phase === 'Formed') return undefined;
  const allSealed = isSealed(o.identity);
  const untold = o.pods.filter(
    (p) =>
      p.metadata.deletionTimestamp === undefined &&
      toldOf(o.files, p) === undefined &&
      (allSealed || isOverlooked(p, o.now)),
  );
  return untold.length === 0 ? undefined : { step: nudge(o, untold) };
}

function isOverlooked({ status }: Pod, now: Date): boolean {
  const bound = status?.conditions?.find((c) => c.type === 'PodScheduled' && c.status === 'True');
  if (bound === undefined || status?.podIP !== undefined) return false;
  const patienceMs = status?.startTime === undefined ? BEGIN_MS : ADDRESS_MS;
  return now.getTime() - Date.parse(bound.lastTransitionTime ?? '') > patienceMs;
}

function nudgeAgain(o: Observed, unproven: readonly MemberView[]): Ruling {
  const names = unproven.map((m) => m.name);
  const pods = o.pods.filter((p) => names.includes(p.metadata.name) && p.metadata.deletionTimestamp === undefined);
  const due = pods.filter((p) => {
    const { first, last } = toldOf(o.files, p) ?? { first: 0, last: 0 };
    // As long again as it was told in vain.
    const pauseMs = Math.min(NUDGE_SELDOM_MS, Math.max(NUDGE_AGAIN_MS, last - first));
    return o.now.getTime() - last > pauseMs;
  });
  if (due.length > 0) return { step: nudge(o, due) };
  const silent = unproven.filter((m) => m.status === undefined);
  const why = silent.length === 0 ? '' : ` (${allWhys(silent)})`;
  const message = `waiting for ${names.join(', ')} to serve with the sealed files${why}`;
  const ms = sinceToldMs(o, pods);
  return { finding: diagnose(o) ?? lasting({ ms, reason: 'Sealing', message, remedy: LOOK }) };
}

const fileHash = (files: MemberFiles | undefined, { metadata }: Pod): string =>
  (files?.proofs[metadata.name] ?? '').slice(-16);

function nudgeOf(files: MemberFiles | undefined, pod: Pod, at: Date): Nudge {
  const now = at.getTime();
  return { pod, value: `${fileHash(files, pod)}@${toldOf(files, pod)?.first ?? now}@${now}` };
}

/** When the pod's kubelet was told of the member's file, first and last, in milliseconds since the epoch. */
function toldOf(
  files: MemberFiles | undefined,
  pod: Pod,
): { readonly first: number; readonly last: number } | undefined {
  const [told, first, last = first] = (pod.metadata.annotations?.[ANNOTATIONS.file] ?? '').split('@');
  return told === fileHash(files, pod) ? { first: Number(first), last: Number(last) } : undefined;
}

/** How long the kubelets of these pods have been told of the present files. */
const sinceToldMs = (o: Observed, pods: readonly Pod[]): number =>
  leastMs(
    o.now,
    pods.map((p) => toldOf(o.files, p)?.first ?? Number.NaN),
  );

/** A change of the pod makes the kubelet look at it and its volumes at once instead of within a minute. */
function nudge(o: Observed, due: readonly Pod[]): Step {
  const nudges = due.map((pod) => nudgeOf(o.files, pod, o.now));
  const message = `telling the kubelets of ${due.map((p) => p.metadata.name).join(', ')} to look at their pods`;
  return { action: 'NudgeKubelets', nudges, reason: 'KubeletsNudged', message };
}

/** Why the live membership is not yet exactly ours: read through a quorum, all started, all voters, one cluster ID. */
function membershipProblem(o: Observed): string | undefined {
  if (!o.quorum.read || o.quorum.members === undefined) {
    const silent = o.members.filter((m) => m.status === undefined);
    return `waiting for the members to elect a leader${silent.length === 0 ? '' : ` (${allWhys(silent)})`}`;
  }
  const wanted = o.members.map((m) => m.name).toSorted();
  const live = o.quorum.members.map((m) => (m.isLearner ? `${m.name} (learner)` : m.name)).toSorted();
  if (wanted.join() !== live.join()) return `the member list is ${live.join(', ')}; expected ${wanted.join(', ')}`;
  const silent = o.members.filter((m) => m.status === undefined);
  if (silent.length > 0) return `waiting for ${allWhys(silent)}`;
  // All members serve the same certificate: only its id says that a member is the one that was asked for.
  const other = o.members.find((m) => o.quorum.members?.find((x) => x.name === m.name)?.id !== m.status?.memberId);
  if (other !== undefined) return `another member answers at the address of ${other.name}`;
  const ids = new Set(o.members.map((m) => m.status?.clusterId));
  return ids.size === 1 ? undefined : `members report different cluster IDs: ${[...ids].join(', ')}`;
}
