// SPDX-License-Identifier: Apache-2.0
// Deletion of a cluster: by default the claims stay; if the spec says so they go, after everything that could use them.
import type { EtcdCluster } from '../api/cluster.ts';
import { childNames, FINALIZERS, LABELS } from '../api/names.ts';
import { etcdClusters } from '../api/resources.ts';
import type { KubeClient } from '../runtime/client.ts';
import type { KubeObject } from '../runtime/json.ts';
import {
  configMaps,
  type PersistentVolumeClaim,
  persistentVolumeClaims,
  pods,
  statefulSets,
} from '../runtime/resources.ts';
import { foreignness, isOrphan } from './foreign.ts';
import { claimIdentity, decodeIdentity, IdentityError, ordinalOf } from './identity.ts';
import { isYounger } from './replaceable.ts';

/** Milliseconds until the next look while pods or claims are still leaving; their events come sooner. */
const LOOK_AGAIN_MS = 2_000;

/** The same while the cluster is paused: that it is not any more comes as an event. */
const PAUSED_MS = 300_000;
const PAUSED = 'spec.paused to be false: until then the operator deletes neither the StatefulSet nor the claims';

const wants = (cluster: EtcdCluster): boolean => cluster.spec?.storage?.retentionPolicy?.whenDeleted === 'Delete';
const has = (cluster: EtcdCluster): boolean => cluster.metadata.finalizers?.includes(FINALIZERS.claims) === true;

/** The finalizer must be on before there is anything to delete, and goes when the policy says Retain again. */
export const finalizerDue = (cluster: EtcdCluster): boolean =>
  cluster.metadata.deletionTimestamp === undefined && wants(cluster) !== has(cluster);

async function setFinalizer(client: KubeClient, cluster: EtcdCluster, present: boolean, signal: AbortSignal) {
  const others = (cluster.metadata.finalizers ?? []).filter((f) => f !== FINALIZERS.claims);
  const finalizers = present ? [...others, FINALIZERS.claims] : others;
  const { uid, resourceVersion, namespace, name } = cluster.metadata;
  const ref = { namespace: namespace as string, name };
  // The list is replaced whole, so the version must be the one that it was read at.
  return client.patch(etcdClusters, ref, { metadata: { uid, resourceVersion, finalizers } }, { signal });
}

/** The EtcdCluster as it is then: an admission policy may have undone it. */
export const updateFinalizer = (client: KubeClient, cluster: EtcdCluster, signal: AbortSignal) =>
  setFinalizer(client, cluster, wants(cluster), signal);

/**
 * The claims that go with the cluster: those of its own data, and those that never held any. A copy under another name,
 * the data of another formed cluster, or a volume that is older than the EtcdCluster and not known to be its own, is not
 * ours to delete.
 */
export function doomed(
  claims: readonly PersistentVolumeClaim[],
  cluster: EtcdCluster,
  genesis: string | undefined,
): PersistentVolumeClaim[] {
  const own = [genesis, cluster.status?.genesis];
  const formed = claims.map(claimIdentity).flatMap((marks) => (marks?.formed === true ? [marks.genesis] : []));
  // A claim without the mark may hold as much as one of its genesis that has it.
  const others = formed.filter((g) => !own.includes(g));
  return claims.filter((claim) => {
    const named = ordinalOf(cluster.metadata.name, claim.metadata.name) !== undefined;
    const marks = claimIdentity(claim);
    if (!named || others.includes(marks?.genesis ?? '')) return false;
    const ours = marks !== undefined && own.includes(marks.genesis);
    return ours || claim.spec?.volumeName === undefined || isYounger(claim, cluster);
  });
}

/** The genesis of the record, read live; undefined when there is none to believe. */
async function recordedGenesis(client: KubeClient, cluster: EtcdCluster, signal: AbortSignal) {
  const ref = { namespace: cluster.metadata.namespace as string, name: childNames(cluster.metadata.name).config };
  const config = await client.find(configMaps, ref, { signal });
  if (config === undefined || foreignness(config, cluster) !== undefined) return undefined;
  try {
    return decodeIdentity(config).genesis;
  } catch (e) {
    if (e instanceof IdentityError) return undefined;
    throw e;
  }
}

const list = (what: string, objects: readonly KubeObject[]): string =>
  `${what} ${objects
    .map((o) => o.metadata.name)
    .toSorted()
    .join(', ')} to go`;

/** One pass of the deletion; `undefined` when nothing is left to do. Everything is read live. */
export async function finishDeletion(
  client: KubeClient,
  cached: EtcdCluster,
  signal: AbortSignal,
): Promise<{ requeueAfterMs: number; waitsFor: string } | undefined> {
  // A cache may show the end of an earlier cluster of this name while another lives: the claims are the living one's.
  const ref = { namespace: cached.metadata.namespace as string, name: cached.metadata.name };
  const cluster = await client.find(etcdClusters, ref, { signal });
  if (cluster?.metadata.uid !== cached.metadata.uid || cluster?.metadata.deletionTimestamp === undefined)
    return undefined;
  if (!has(cluster)) return undefined;
  if (!wants(cluster)) {
    await setFinalizer(client, cluster, false, signal);
    return undefined;
  }
  if (cluster.spec?.paused === true) return { requeueAfterMs: PAUSED_MS, waitsFor: PAUSED };
  const namespace = cluster.metadata.namespace as string;
  const name = childNames(cluster.metadata.name).statefulSet;
  const set = await client.find(statefulSets, { namespace, name }, { signal });
  if (set !== undefined && foreignness(set, cluster) === undefined) {
    if (set.metadata.deletionTimestamp === undefined) {
      await client.delete(statefulSets, set, { signal });
    }
    return { requeueAfterMs: LOOK_AGAIN_MS, waitsFor: `the StatefulSet ${name} to go` };
  }
  const labelSelector = `${LABELS.cluster}=${cluster.metadata.name}`;
  const left = await client.list(
    pods,
    { namespace, labelSelector: `${labelSelector},app.kubernetes.io/component=member` },
    { signal },
  );
  // A StatefulSet that went without its pods, as for `--cascade=orphan`, left nobody who would delete them.
  for (const pod of left.filter((p) => isOrphan(cluster, p) && p.metadata.deletionTimestamp === undefined)) {
    await client.delete(pods, pod, { signal });
  }
  if (left.length > 0) return { requeueAfterMs: LOOK_AGAIN_MS, waitsFor: list('the pods', left) };
  const genesis = await recordedGenesis(client, cluster, signal);
  const labelled = await client.list(persistentVolumeClaims, { namespace, labelSelector }, { signal });
  const claims = doomed(labelled, cluster, genesis);
  for (const claim of claims.filter((c) => c.metadata.deletionTimestamp === undefined)) {
    await client.delete(persistentVolumeClaims, claim, { signal });
  }
  // Gone, not only leaving: the next cluster of this name would take them for data to bring back.
  if (claims.length > 0) return { requeueAfterMs: LOOK_AGAIN_MS, waitsFor: list('the claims', claims) };
  await setFinalizer(client, cluster, false, signal);
  return undefined;
}
