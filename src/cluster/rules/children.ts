// SPDX-License-Identifier: Apache-2.0
// Rules on the objects of a cluster: make what is missing, put back what was edited, never touch what is not ours.
import { ANNOTATIONS, childNames, LABELS } from '../../api/names.ts';
import { memoized } from '../../runtime/memo.ts';
import type { PersistentVolumeClaim, StatefulSet } from '../../runtime/resources.ts';
import { drift } from '../drift.ts';
import { claimIdentity, isSealed } from '../identity.ts';
import type { ChildState, Observed } from '../observed.ts';
import { isReplaceable, misfit } from '../replaceable.ts';
import { foreignRuling } from './foreign.ts';
import type { Finding, Ruling } from './rule.ts';

/** Between two requests to look for missing pods, in milliseconds; and while the API server refuses them. */
const LOOK_AGAIN_MS = 5_000;
const SELDOM_MS = 30_000;

const isClaim = (c: ChildState): boolean => c.child.resource.kind === 'PersistentVolumeClaim';
export const isSet = (c: ChildState): boolean => c.child.resource.kind === 'StatefulSet';
export const isService = (c: ChildState): boolean => c.child.resource.kind === 'Service';
const nameOf = ({ child }: ChildState) => [child.resource.kind, child.desired.metadata.name] as const;
const label = (c: ChildState): string => nameOf(c).join(' ');

/** False for a claim that is not there, for the empty one that the StatefulSet controller makes in its place, and for another cluster's. */
const isMarked = (o: Observed, { live }: ChildState): boolean =>
  live !== undefined && claimIdentity(live)?.genesis === o.identity?.genesis;

/** The claim as it must not be taken over: it goes first, by us or by a person. */
const isLeft = ({ cluster, identity }: Observed, { live }: ChildState): boolean =>
  live !== undefined &&
  identity !== undefined &&
  (isReplaceable(live, cluster, identity) || misfit(live, cluster, identity) !== undefined);

/** Path of the first difference; for claims only what identifies them, since their spec is the provisioner's and ours to grow. */
const childDrift = memoized((c: ChildState): string | undefined => {
  if (c.live === undefined) return 'missing';
  const { kind: _kind, apiVersion: _version, ...desired } = c.child.desired;
  if (!isClaim(c)) return drift(desired, c.live, c.child.closed);
  return drift({ metadata: desired.metadata }, c.live);
});

/** True when the child may and must be written now. */
export function wantsWrite(o: Observed, c: ChildState): boolean {
  if (c.foreign !== undefined || c.live?.metadata.deletionTimestamp !== undefined) return false;
  // A claim of a formed cluster is data: a new one in its place would only hide that the data is gone.
  if (isClaim(c) && o.identity?.phase === 'Formed' && !isMarked(o, c)) return false;
  if (isClaim(c) && isLeft(o, c)) return false;
  // Nothing can be disrupted yet, and Kubernetes complains in an Event of a budget without pods.
  const early = o.identity !== undefined && !isSealed(o.identity) && c.live === undefined;
  if (early && c.child.resource.kind === 'PodDisruptionBudget') return false;
  return childDrift(c) !== undefined;
}

export function replaceSetRule(o: Observed): Ruling | undefined {
  const set = o.children.find(isSet);
  const fixed = set === undefined ? undefined : fixedDrift(set);
  if (set?.live === undefined || fixed === undefined || mountsForeign(o)) return undefined;
  const message = `replacing ${label(set)} (${fixed}), which cannot be changed; its pods stay`;
  return { step: { action: 'ReplaceStatefulSet', set: set.live, reason: 'StatefulSetReplaced', message, event: true } };
}

export function childrenRule(o: Observed): Ruling | undefined {
  const replaced = replaceableClaims(o);
  if (replaced.length > 0) {
    const names = replaced.map((c) => c.metadata.name).join(', ');
    const message = `deleting the claims ${names}, which are of an earlier attempt or not as the spec asks, and hold nothing acknowledged`;
    return { step: { action: 'ReplaceClaims', claims: replaced, reason: 'ClaimsReplaced', message, event: true } };
  }
  const unfit = unfitClaim(o);
  if (unfit !== undefined) return { finding: unfit, stop: true };
  const children = o.children.filter((c) => !isSet(c));
  // In place of a formed cluster's claim it is told with how the data comes back.
  const strange = children.find((c) => c.foreign !== undefined && !(isClaim(c) && o.identity?.phase === 'Formed'));
  const told = strange?.foreign && foreignRuling(o, ...nameOf(strange), strange.foreign, foreignDataRemedy(o, strange));
  const found = told?.stop === true ? told : (lostClaim(o, children) ?? told);
  const due = children.filter((c) => wantsWrite(o, c));
  return due.length > 0 ? { ...found, step: putStep(o, due) } : found;
}

/** Of a claim of a formed cluster that was not found when this one was formed: it must not be deleted for its name. */
function foreignDataRemedy({ cluster }: Observed, { live }: ChildState): string | undefined {
  const marks = live === undefined ? undefined : claimIdentity(live);
  if (marks?.formed !== true) return undefined;
  return `it holds the data of a formed cluster (genesis ${marks.genesis}): keep it and give this cluster another name; or, to have that data back, delete this EtcdCluster, label the claim ${LABELS.cluster}=${cluster.metadata.name}, and create the EtcdCluster again`;
}

/** No pod is made that would mount what is somebody else's. */
function mountsForeign(o: Observed): boolean {
  const { peerTls, serverTls } = childNames(o.cluster.metadata.name);
  const mounted = o.secrets.filter((s) => [peerTls, serverTls].includes(s.need.name));
  return [...mounted, ...o.children.filter(isClaim)].some((x) => x.foreign !== undefined);
}

export function statefulSetRule(o: Observed): Ruling | undefined {
  const set = o.children.find(isSet);
  if (set === undefined) return undefined;
  if (set.foreign !== undefined) return foreignRuling(o, 'StatefulSet', set.child.desired.metadata.name, set.foreign);
  const due = wantsWrite(o, set) && fixedDrift(set) === undefined && !mountsForeign(o);
  return due ? { step: putStep(o, [set]) } : undefined;
}

/**
 * The StatefulSet controller is not told when a pod of an earlier StatefulSet is gone at last, or when what stood against
 * a pod is lifted, and tries again only after a time that doubles up to a quarter of an hour. A change of its object makes
 * it look at once.
 */
export function missingPodRule(o: Observed): Ruling | undefined {
  const set = o.children.find(isSet);
  if (set?.live === undefined || set.foreign !== undefined) return undefined;
  const missing = (o.identity?.members ?? []).filter((m) => !o.pods.some((p) => p.metadata.name === m.name));
  const { creationTimestamp, annotations } = set.live.metadata;
  const last = Math.max(
    Date.parse(creationTimestamp ?? ''),
    Date.parse(annotations?.[ANNOTATIONS.lookedFor] ?? '') || 0,
  );
  // A pod that it counts and we do not see, such as one that has lost our label, is not made sooner by asking often.
  const counted = ((set.live as StatefulSet).status?.replicas ?? 0) >= (o.identity?.members.length ?? 0);
  const pauseMs = o.podsRefused === undefined && !counted ? LOOK_AGAIN_MS : SELDOM_MS;
  if (missing.length === 0 || !(o.now.getTime() - last > pauseMs)) return undefined;
  const message = `asking the StatefulSet controller for ${missing.map((m) => m.name).join(', ')}`;
  const value = o.now.toISOString();
  return { step: { action: 'NudgeStatefulSet', set: set.live, value, reason: 'PodsMissing', message } };
}

/** First difference in what the API server never lets anybody change of a StatefulSet. */
function fixedDrift({ child, live, foreign }: ChildState): string | undefined {
  if (live === undefined || foreign !== undefined || live.metadata.deletionTimestamp !== undefined) return undefined;
  const { serviceName, podManagementPolicy, selector, volumeClaimTemplates } =
    (child.desired as StatefulSet).spec ?? {};
  return drift({ spec: { serviceName, podManagementPolicy, selector, volumeClaimTemplates } }, live);
}

export function obsoleteRule(o: Observed): Ruling | undefined {
  if (o.obsolete.length === 0) return undefined;
  const message = `removing ${o.obsolete.map((x) => `${x.resource.kind} ${x.name}`).join(', ')}: the spec asks for it no longer`;
  return { step: { action: 'DeleteObsolete', obsolete: o.obsolete, reason: 'ChildrenRemoved', message, event: true } };
}

function putStep(o: Observed, due: readonly ChildState[]) {
  const restored = due.filter((c) => c.live !== undefined || o.identity?.phase === 'Formed');
  const what = due.map((c) => (c.live === undefined ? label(c) : `${label(c)} (${childDrift(c)})`)).join(', ');
  return restored.length === 0
    ? ({ action: 'PutChildren', children: due, reason: 'ChildrenCreated', message: `creating ${what}` } as const)
    : ({
        action: 'PutChildren',
        children: due,
        reason: 'ChildrenRestored',
        message: `putting back ${what}`,
        event: true,
      } as const);
}

function replaceableClaims({ claims, cluster, identity }: Observed): PersistentVolumeClaim[] {
  if (identity === undefined) return [];
  const staying = claims.filter((c) => c.metadata.deletionTimestamp === undefined);
  return staying.filter((c) => isReplaceable(c, cluster, identity));
}

function unfitClaim({ children, cluster, identity }: Observed): Finding | undefined {
  if (identity === undefined) return undefined;
  for (const { live } of children.filter((c) => isClaim(c) && c.foreign === undefined)) {
    const field = live === undefined ? undefined : misfit(live, cluster, identity);
    if (live === undefined || field === undefined) continue;
    const message =
      `the claim ${live.metadata.name} has a volume that this EtcdCluster did not ask for, and its ${field} is not that of ` +
      'spec.storage; ask for the storage that it has, or delete the claim if nothing on its volume is needed';
    return { kind: 'blocked', reason: 'ClaimUnfit', message };
  }
  return undefined;
}

function lostClaim(o: Observed, children: readonly ChildState[]): Ruling | undefined {
  if (o.identity?.phase !== 'Formed') return undefined;
  const leaving = children.find((c) => isClaim(c) && c.live?.metadata.deletionTimestamp !== undefined);
  const lost = children.find((c) => isClaim(c) && !isMarked(o, c)) ?? leaving;
  if (lost === undefined) return undefined;
  const { name, namespace, annotations } = lost.child.desired.metadata;
  const replaced = lost.live === undefined ? 'is gone' : 'is not the one that the cluster was formed with';
  const going = 'is being deleted and goes with its pod (set its volume to reclaimPolicy Retain before)';
  const state = lost === leaving ? going : replaced;
  const marks = [ANNOTATIONS.genesis, ANNOTATIONS.incarnation].map((key) => `${key}=${annotations?.[key]}`).join(' ');
  const message =
    `the claim ${name} ${state}, and with it the data of its member, which will not start empty; if its volume is still there, ` +
    `bind it to a claim of this name as docs/operations.md says, and mark the claim with ` +
    `\`kubectl annotate pvc -n ${namespace} ${name} --overwrite ${marks}\`; ` +
    'if not, restore the cluster from a backup: this version cannot replace a member yet';
  // No pod of ours mounts the volume of somebody else.
  return { finding: { kind: 'blocked', reason: 'ClaimLost', message }, stop: lost.foreign !== undefined };
}
