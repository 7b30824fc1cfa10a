// SPDX-License-Identifier: Apache-2.0
// Rules from the first start of the members to the proof that none of them can ever start empty again.
import { ANNOTATIONS } from '../../api/names.ts';
import type { Pod } from '../../runtime/resources.ts';
import { claimIdentity, type Identity, isSealed, sealMembers } from '../identity.ts';
import type { Observed } from '../observed.ts';
import { certificateNeeds } from '../render/certificates.ts';
import { type MemberFiles, renderMemberFiles } from '../render/memberfile.ts';
import { diagnose } from './diagnose.ts';
import type { Nudge, Ruling, Seal, Step } from './rule.ts';

/** A kubelet that missed the first nudge is nudged again after this many milliseconds. */
const NUDGE_AGAIN_MS = 1500;

/**
 * A kubelet begins with a pod within moments. One that asks for its objects before the API server has seen the binding is
 * refused, and asks again only after several seconds unless the pod changes. The time of a binding has whole seconds.
 */
const BEGIN_MS = 2_000;

/** While nothing is formed, pods of an earlier attempt go: their files name another genesis. */
export function stalePodRule(o: Observed): Ruling | undefined {
  if (o.identity === undefined || o.identity.phase === 'Formed') return undefined;
  const genesis = o.identity.genesis;
  const stale = o.pods.filter(
    (p) => p.metadata.annotations?.[ANNOTATIONS.genesis] !== genesis && p.metadata.deletionTimestamp === undefined,
  );
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
  const trouble = diagnose(o);
  if (trouble !== undefined) return { finding: trouble };
  const message = `${record.members.length - left.length + started.length} of ${record.members.length} members have started`;
  return { finding: { kind: 'progress', reason: 'Bootstrapping', message } };
}

/** Undefined while no certificate can be issued: then the files cannot be vouched for either. */
function sealOf(o: Observed, record: Identity, names: readonly string[]): Seal | undefined {
  const identity = sealMembers(record, names);
  const files = renderMemberFiles(identity, o.cluster.metadata.namespace as string);
  const need = certificateNeeds(o.cluster, o.spec, identity, files).find((n) => n.extra === files.files);
  const secret = o.secrets.find((s) => s.need.name === need?.name && s.problem === undefined);
  const authority = o.authorities.find((a) => a.side === need?.side);
  if (need === undefined || secret === undefined || authority?.fingerprint !== record.authorities?.[need.side])
    return undefined;
  const nudges = o.pods
    .filter((p) => names.includes(p.metadata.name) && p.metadata.deletionTimestamp === undefined)
    .map((pod) => nudgeOf(files, pod, o.now));
  return { identity, replaces: o.config?.metadata.resourceVersion, secret: { ...secret, need }, nudges };
}

function sealed(o: Observed): Ruling {
  if (o.identity === undefined || o.files === undefined) return {};
  const unproven = o.members.filter((m) => m.provenFile !== o.files?.proofs[m.name]);
  if (unproven.length > 0)
    return nudgeAgain(
      o,
      unproven.map((m) => m.name),
    );
  const problem = membershipProblem(o);
  if (problem !== undefined) {
    return { finding: diagnose(o) ?? { kind: 'progress', reason: 'Bootstrapping', message: problem } };
  }
  const unmarked = o.children.filter(
    (c) =>
      c.child.resource.kind === 'PersistentVolumeClaim' &&
      c.live !== undefined &&
      claimIdentity(c.live)?.formed !== true,
  );
  if (unmarked.length > 0) {
    const children = unmarked.map((c) => ({ ...c, child: { ...c.child, desired: formedClaim(c.child.desired) } }));
    const message = 'marking the claims as holding a formed cluster';
    return { step: { action: 'PutChildren', children, reason: 'ClaimsMarked', message } };
  }
  const identity = { ...o.identity, phase: 'Formed' as const };
  const message = `cluster ${o.quorum.clusterId} formed with ${o.members.length} members, all sealed`;
  const replaces = o.config?.metadata.resourceVersion;
  return { step: { action: 'RecordIdentity', identity, replaces, reason: 'Formed', message, event: true } };
}

const formedClaim = <T extends { metadata: { annotations?: Record<string, string> } }>(claim: T): T => ({
  ...claim,
  metadata: { ...claim.metadata, annotations: { ...claim.metadata.annotations, [ANNOTATIONS.formed]: 'true' } },
});

/** A kubelet otherwise looks at a pod again only within a minute, or begins with it when its back-off is over. */
export function nudgeRule(o: Observed): Ruling | undefined {
  if (o.identity === undefined || o.identity.phase === 'Formed') return undefined;
  const isMemberSealed = (p: Pod) => o.identity?.members.some((m) => m.name === p.metadata.name && m.sealed) === true;
  const untold = o.pods.filter(
    (p) =>
      p.metadata.deletionTimestamp === undefined &&
      toldOf(o, p) === undefined &&
      (isMemberSealed(p) || isOverlooked(p, o.now)),
  );
  return untold.length === 0 ? undefined : { step: nudge(o, untold) };
}

function isOverlooked({ status }: Pod, now: Date): boolean {
  const bound = status?.conditions?.find((c) => c.type === 'PodScheduled' && c.status === 'True');
  if (bound === undefined || status?.startTime !== undefined) return false;
  return now.getTime() - Date.parse(bound.lastTransitionTime ?? '') > BEGIN_MS;
}

function nudgeAgain(o: Observed, unproven: readonly string[]): Ruling {
  const due = o.pods.filter((p) => {
    if (!unproven.includes(p.metadata.name) || p.metadata.deletionTimestamp !== undefined) return false;
    return o.now.getTime() - (toldOf(o, p) ?? 0) > NUDGE_AGAIN_MS;
  });
  if (due.length > 0) return { step: nudge(o, due) };
  const message = `waiting for ${unproven.join(', ')} to serve with the sealed files`;
  return { finding: diagnose(o) ?? { kind: 'progress', reason: 'Sealing', message } };
}

const fileHash = (files: MemberFiles | undefined, { metadata }: Pod): string =>
  (files?.proofs[metadata.name] ?? '').slice(-16);

const nudgeOf = (files: MemberFiles | undefined, pod: Pod, now: Date): Nudge => ({
  pod,
  value: `${fileHash(files, pod)}@${now.getTime()}`,
});

/** When the pod's kubelet was told of the member's present file, in milliseconds since the epoch. */
function toldOf(o: Observed, pod: Pod): number | undefined {
  const [told, at] = (pod.metadata.annotations?.[ANNOTATIONS.file] ?? '').split('@');
  return told === fileHash(o.files, pod) ? Number(at) : undefined;
}

/** A change of the pod makes the kubelet look at it and its volumes at once instead of within a minute. */
function nudge(o: Observed, due: readonly Pod[]): Step {
  const nudges = due.map((pod) => nudgeOf(o.files, pod, o.now));
  const message = `telling the kubelets of ${due.map((p) => p.metadata.name).join(', ')} to look at their pods`;
  return { action: 'NudgeKubelets', nudges, reason: 'KubeletsNudged', message };
}

/** Why the live membership is not yet exactly ours: read through a quorum, all started, all voters, one cluster ID. */
function membershipProblem(o: Observed): string | undefined {
  if (!o.quorum.read || o.quorum.members === undefined) return 'waiting for the members to elect a leader';
  const wanted = o.members.map((m) => m.name).toSorted();
  const live = o.quorum.members.map((m) => (m.isLearner ? `${m.name} (learner)` : m.name)).toSorted();
  if (wanted.join() !== live.join()) return `the member list is ${live.join(', ')}; expected ${wanted.join(', ')}`;
  const silent = o.members.filter((m) => m.status === undefined).map((m) => m.name);
  if (silent.length > 0) return `waiting for ${silent.join(', ')}`;
  const ids = new Set(o.members.map((m) => m.status?.clusterId));
  return ids.size === 1 ? undefined : `members report different cluster IDs: ${[...ids].join(', ')}`;
}
