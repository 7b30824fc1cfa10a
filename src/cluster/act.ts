// SPDX-License-Identifier: Apache-2.0
// Carries out one planned step. It decides nothing: an outcome that it cannot know is looked at again by the next pass.
import type { EtcdCluster } from '../api/cluster.ts';
import { ANNOTATIONS, childNames, LABELS } from '../api/names.ts';
import { KubeError } from '../runtime/errors.ts';
import type { KubeObject } from '../runtime/json.ts';
import {
  type ConfigMap,
  configMaps,
  type Pod,
  persistentVolumeClaims,
  pods,
  secrets as secretResource,
  statefulSets,
} from '../runtime/resources.ts';
import { all, create } from '../runtime/writes.ts';
import type { KeyCertificate } from '../tls/authority.ts';
import type { KeyPool } from '../tls/keys.ts';
import { absence, repair } from './drift.ts';
import { foreignness, isLeftOver, isMember } from './foreign.ts';
import { claimIdentity, decodeIdentity, encodeIdentity, type Identity, isMarkedFormed } from './identity.ts';
import type { ChildState, Observed, Obsolete, SecretState } from './observed.ts';
import {
  authoritySecretName,
  renderAuthoritySecret,
  renderSecret,
  type Side,
  secretText,
} from './render/certificates.ts';
import { ownedMetadata } from './render/children.ts';
import { isReplaceable } from './replaceable.ts';
import type { Nudge, Seal, Step } from './rules/rule.ts';
import type { SecretReader } from './secrets.ts';
import { remove, type WriterDeps } from './writes.ts';

export interface ActorDeps extends WriterDeps {
  readonly secrets: SecretReader;
  readonly keys: KeyPool;
}

type Of<A extends Step['action']> = Extract<Step, { action: A }>;

/** Performs the step; throws KubeError. Each write is one request, so the process may die between any two of them. */
export async function act(deps: ActorDeps, o: Observed, step: Step, signal: AbortSignal): Promise<void> {
  switch (step.action) {
    case 'RecordIdentity':
      return recordIdentity(deps, o, step, signal);
    case 'IssueAuthorities':
      await all<unknown>([
        ...step.sides.map((side) => () => issueAuthority(deps, o.cluster, side, signal)),
        ...step.children.map((c) => () => putChild(deps, c, signal)),
      ]);
      return;
    case 'Prepare':
      await all<unknown>([
        () => recordIdentity(deps, o, step, signal),
        ...step.children.map((c) => () => putChild(deps, c, signal)),
        ...step.secrets.map((s) => () => writeSecret(deps, o, s, signal)),
      ]);
      return;
    case 'WriteSecrets':
      await all(step.secrets.map((s) => () => writeSecret(deps, o, s, signal)));
      return;
    case 'PutChildren':
      await all(step.children.map((c) => () => putChild(deps, c, signal)));
      return;
    case 'SealMembers':
      return sealMembers(deps, o, step.seal, signal);
    case 'Form':
      return form(deps, o, step, signal);
    case 'NudgeKubelets':
      return nudgeKubelets(deps, step.nudges, signal);
    case 'DeletePods':
      await all(step.pods.map((p) => () => deleteStalePod(deps, o.cluster, p, signal)));
      return;
    case 'ReplaceClaims':
      await all(step.claims.map((c) => () => deleteReplaceableClaim(deps, o.cluster, c, signal)));
      return;
    case 'ReplaceStatefulSet':
      return deleteStatefulSet(deps, o.cluster, step.set, signal);
    case 'NudgeStatefulSet':
      return nudgeStatefulSet(deps, step.set, step.value, signal);
    case 'DeleteObsolete':
      await all(step.obsolete.map((x) => () => deleteObsolete(deps, o.cluster, x, signal)));
      return;
  }
}

/**
 * Record and files are written at once: until the cluster counts as formed nothing was acknowledged, and whichever of the
 * two is there without the other, the next pass makes them agree. A kubelet is told when there is something to be seen.
 */
async function sealMembers(deps: ActorDeps, o: Observed, seal: Seal, signal: AbortSignal): Promise<void> {
  await all([() => recordIdentity(deps, o, seal, signal), () => writeSecret(deps, o, seal.secret, signal)]);
  await nudgeKubelets(deps, seal.nudges, signal);
}

/** The claims first: they outlive the record, and from the first mark on their genesis is never given up. */
async function form(deps: ActorDeps, o: Observed, step: Of<'Form'>, signal: AbortSignal): Promise<void> {
  const marked = await all(step.claims.map((c) => () => putChild(deps, c, signal)));
  if (marked.includes(false)) throw new KubeError('Conflict', 'a claim went while it was being marked');
  await recordIdentity(deps, o, step, signal);
}

async function recordIdentity(
  deps: ActorDeps,
  o: Observed,
  step: Pick<Of<'RecordIdentity'>, 'identity' | 'replaces'>,
  signal: AbortSignal,
): Promise<void> {
  const { cluster, identity: before } = o;
  // The cache may not show yet that a claim is marked: from then on its genesis is never given up.
  const renewed = before !== undefined && before.genesis !== step.identity.genesis;
  if (renewed && (await isLiveMarked(deps, cluster, before.genesis, signal))) return;
  const config: ConfigMap = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: ownedMetadata(cluster, childNames(cluster.metadata.name).config),
    data: encodeIdentity(step.identity),
  };
  if (step.replaces === undefined) {
    deps.own.note(configMaps, await create(deps, configMaps, config, signal));
    return;
  }
  const metadata = { ...config.metadata, resourceVersion: step.replaces, uid: undefined };
  deps.own.note(configMaps, await deps.client.update(configMaps, { ...config, metadata }, { signal }));
}

/** Loaded when something is issued, which most starts of the operator do not do. */
const loadIssuer = () => import('../tls/authority.ts');

async function issueAuthority(deps: ActorDeps, cluster: EtcdCluster, side: Side, signal: AbortSignal): Promise<void> {
  const { createAuthority } = await loadIssuer();
  const commonName = `${cluster.metadata.namespace}/${cluster.metadata.name} ${side} CA`;
  const authority = await createAuthority({ commonName: commonName.slice(0, 64), key: await deps.keys.take(3072) });
  deps.secrets.note(await create(deps, secretResource, renderAuthoritySecret(cluster, side, authority), signal));
}

async function writeSecret(deps: ActorDeps, o: Observed, s: SecretState, signal: AbortSignal): Promise<void> {
  const authority = authorityOf(o, s.need.side);
  const { issueLeaf } = await loadIssuer();
  const leaves = await Promise.all(
    s.need.leaves.map(async (leaf) => {
      // The key stays: only what the certificate says changes. A lost or unreadable key is drawn anew.
      const old = s.secret === undefined ? undefined : secretText(s.secret, leaf.keys[1]);
      const usable = old?.startsWith('-----BEGIN PRIVATE KEY-----') === true;
      const { keys: _, ...request } = leaf;
      const issue = async (key: string) =>
        issueLeaf(authority, {
          ...request,
          usages: [...leaf.usages],
          dnsNames: [...leaf.dnsNames],
          ipAddresses: [...(leaf.ipAddresses ?? [])],
          uris: [...(leaf.uris ?? [])],
          key,
        });
      if (!usable) return issue(await deps.keys.take(2048));
      return issue(old).catch(async () => issue(await deps.keys.take(2048)));
    }),
  );
  const desired = renderSecret(o.cluster, s.need, authority.cert, leaves);
  // After a conflict or a lost answer the next pass reads what is really there: what is remembered may be minutes old.
  deps.secrets.forget(o.cluster.metadata.namespace as string, s.need.name);
  if (s.secret === undefined) {
    deps.secrets.note(await create(deps, secretResource, desired, signal));
    return;
  }
  const { resourceVersion, uid } = s.secret.metadata;
  const type = s.secret.type ?? desired.type;
  const metadata = { ...desired.metadata, resourceVersion, uid };
  deps.secrets.note(await deps.client.update(secretResource, { ...desired, type, metadata }, { signal }));
}

function authorityOf(o: Observed, side: Side): KeyCertificate {
  const secret = o.authorities.find((a) => a.side === side)?.secret;
  const [cert, key] = ['tls.crt', 'tls.key'].map((k) => (secret === undefined ? undefined : secretText(secret, k)));
  if (cert === undefined || key === undefined)
    throw new Error(`the Secret ${authoritySecretName(o.cluster, side)} is not readable`);
  return { cert, key };
}

/** False when it was gone before it could be mended: the next pass makes it anew. */
async function putChild(deps: ActorDeps, c: ChildState, signal: AbortSignal): Promise<boolean> {
  const { resource, desired, closed } = c.child;
  if (c.live === undefined) {
    deps.own.note(resource, await create(deps, resource, desired, signal));
    return true;
  }
  const { kind: _kind, apiVersion: _version, ...wanted } = desired;
  const claim = resource.kind === 'PersistentVolumeClaim';
  const aim = claim ? { metadata: desired.metadata } : wanted;
  const patch = repair(aim, c.live, closed) as Partial<KubeObject>;
  // The UID makes the server refuse the patch if the object was replaced since it was judged to be ours.
  const { uid, resourceVersion } = c.live.metadata;
  // The marks of a claim say whose data it holds: never replaced by what an older look suggested.
  const guard = claim ? { uid, resourceVersion } : { uid };
  const guarded = { ...patch, metadata: { ...patch.metadata, ...guard } };
  const ref = { namespace: desired.metadata.namespace as string, name: desired.metadata.name };
  try {
    checkKept(c, aim, deps.own.note(resource, await deps.client.patch(resource, ref, guarded, { signal })));
    return true;
  } catch (e) {
    if (!(e instanceof KubeError && e.code === 'NotFound')) throw e;
    deps.own.forget(resource, ref);
    return false;
  }
}

/** The API server drops a field that it does not know without a word, however often it is written. */
function checkKept({ child }: ChildState, aim: object, mended: KubeObject): void {
  const path = absence(aim, mended);
  if (path === undefined) return;
  const { kind, metadata } = child.desired;
  // The one part of the spec that is taken unseen.
  const asked = path.replace(/^spec\.template\.spec\.affinity/, 'spec.pods.affinity');
  throw new KubeError('Invalid', `the API server keeps nothing of ${asked} in the ${kind} ${metadata.name}`);
}

async function nudgeKubelets(deps: ActorDeps, nudges: readonly Nudge[], signal: AbortSignal): Promise<void> {
  await all(nudges.map((n) => () => nudgeKubelet(deps, n, signal)));
}

async function nudgeKubelet(deps: ActorDeps, { pod, value }: Nudge, signal: AbortSignal): Promise<void> {
  const { name, uid } = pod.metadata;
  const namespace = pod.metadata.namespace as string;
  const patch = { metadata: { uid, annotations: { [ANNOTATIONS.file]: value } } };
  try {
    deps.own.note(pods, await deps.client.patch(pods, { namespace, name }, patch, { signal }));
  } catch (e) {
    if (!(e instanceof KubeError && (e.code === 'NotFound' || e.code === 'Conflict'))) throw e;
    const live = await deps.client.find(pods, { namespace, name }, { signal });
    if (live?.metadata.uid === uid) throw e;
    // Gone, or another has its name; the cache has yet to show it.
    deps.own.noteGone(pods, pod);
  }
}

async function nudgeStatefulSet(deps: ActorDeps, set: KubeObject, value: string, signal: AbortSignal): Promise<void> {
  const { uid, name } = set.metadata;
  const ref = { namespace: set.metadata.namespace as string, name };
  const patch = { metadata: { uid, annotations: { [ANNOTATIONS.lookedFor]: value } } };
  deps.own.note(statefulSets, await deps.client.patch(statefulSets, ref, patch, { signal }));
}

async function isLiveMarked(deps: ActorDeps, cluster: EtcdCluster, genesis: string, signal: AbortSignal) {
  const { namespace, name } = cluster.metadata;
  const selected = { namespace, labelSelector: `${LABELS.cluster}=${name}` };
  const claims = await deps.client.list(persistentVolumeClaims, selected, { signal });
  for (const claim of claims) deps.own.note(persistentVolumeClaims, claim);
  return isMarkedFormed(claims, genesis);
}

/** As it is now; undefined when there is none of this EtcdCluster. */
async function liveRecord(deps: ActorDeps, cluster: EtcdCluster, signal: AbortSignal): Promise<Identity | undefined> {
  const ref = { namespace: cluster.metadata.namespace as string, name: childNames(cluster.metadata.name).config };
  const config = await deps.client.find(configMaps, ref, { signal });
  return config === undefined || foreignness(config, cluster) !== undefined ? undefined : decodeIdentity(config);
}

/** Only for pods of a formation that never finished; pod and record are read live, so that a member is never hit. */
async function deleteStalePod(deps: ActorDeps, cluster: EtcdCluster, pod: Pod, signal: AbortSignal): Promise<void> {
  const namespace = pod.metadata.namespace as string;
  const [live, record] = await Promise.all([
    deps.client.find(pods, { namespace, name: pod.metadata.name }, { signal }),
    liveRecord(deps, cluster, signal),
  ]);
  if (record?.phase !== 'Forming' || live === undefined || live.metadata.uid !== pod.metadata.uid) return;
  if (isMember(cluster, live) && isLeftOver(cluster, live, record.genesis)) await remove(deps, pods, live, signal);
}

/** Claim and record are read live: what is marked or formed meanwhile stays. */
async function deleteReplaceableClaim(deps: ActorDeps, cluster: EtcdCluster, claim: KubeObject, signal: AbortSignal) {
  const ref = { namespace: claim.metadata.namespace as string, name: claim.metadata.name };
  const [live, record] = await Promise.all([
    deps.client.find(persistentVolumeClaims, ref, { signal }),
    liveRecord(deps, cluster, signal),
  ]);
  if (live === undefined || record === undefined || live.metadata.uid !== claim.metadata.uid) return;
  deps.own.note(persistentVolumeClaims, live);
  const genesis = claimIdentity(live)?.genesis;
  // Unmarked, it is data all the same if another claim of its genesis is marked: a late mark may have come meanwhile.
  if (genesis !== undefined && (await isLiveMarked(deps, cluster, genesis, signal))) return;
  if (isReplaceable(live, cluster, record)) await remove(deps, persistentVolumeClaims, live, signal);
}

/** Its pods stay and are taken over by the next one. */
async function deleteStatefulSet(deps: ActorDeps, cluster: EtcdCluster, set: KubeObject, signal: AbortSignal) {
  const ref = { namespace: set.metadata.namespace as string, name: set.metadata.name };
  const live = await deps.client.find(statefulSets, ref, { signal });
  if (live === undefined || live.metadata.uid !== set.metadata.uid || foreignness(live, cluster) !== undefined) return;
  await remove(deps, statefulSets, live, signal, 'Orphan');
}

async function deleteObsolete(deps: ActorDeps, cluster: EtcdCluster, x: Obsolete, signal: AbortSignal): Promise<void> {
  const ref = { namespace: cluster.metadata.namespace as string, name: x.name };
  const live = await deps.client.find(x.resource, ref, { signal });
  if (live !== undefined && foreignness(live, cluster) === undefined) {
    await remove(deps, x.resource, live, signal);
  }
  deps.secrets.forget(ref.namespace, ref.name);
}
