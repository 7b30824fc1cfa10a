// SPDX-License-Identifier: Apache-2.0
// Tells our objects from others by their owner.
import type { EtcdCluster } from '../api/cluster.ts';
import { ANNOTATIONS, childNames, LABELS } from '../api/names.ts';
import type { KubeObject, OwnerReference } from '../runtime/json.ts';
import type { Foreign } from './observed.ts';

const controllerOf = (o: KubeObject): OwnerReference | undefined =>
  o.metadata.ownerReferences?.find((r) => r.controller === true);

/** Ours are the objects that this very EtcdCluster controls; a name alone proves nothing. */
export function foreignness(o: KubeObject, cluster: EtcdCluster): Foreign {
  const { name, uid } = cluster.metadata;
  if (controllerOf(o)?.uid === uid) return undefined;
  // What only names this very cluster as an owner goes with it, and so never while it is waited for.
  const owners = o.metadata.ownerReferences ?? [];
  const predecessor = owners.some((r) => r.kind === 'EtcdCluster' && r.name === name && r.uid !== uid);
  return predecessor ? 'predecessor' : 'stranger';
}

/** Labelled as an object of a cluster of this name. */
export const isOf = (cluster: EtcdCluster, o: KubeObject): boolean =>
  o.metadata.labels?.[LABELS.cluster] === cluster.metadata.name;

/** Made by the cluster's StatefulSet, of whatever UID: another one of its name has taken it over, or will. */
export function isOfSet(cluster: EtcdCluster, pod: KubeObject): boolean {
  const owner = controllerOf(pod);
  return owner?.kind === 'StatefulSet' && owner.name === childNames(cluster.metadata.name).statefulSet;
}

/** Of another formation. What a StatefulSet that was just replaced has left for the next one tells it by its genesis. */
export function isLeftOver(cluster: EtcdCluster, pod: KubeObject, genesis: string): boolean {
  const other = pod.metadata.annotations?.[ANNOTATIONS.genesis];
  return other !== genesis && (other !== undefined || isOfSet(cluster, pod));
}

/** A member of ours that its StatefulSet left behind: nobody will delete it. */
export const isOrphan = (cluster: EtcdCluster, pod: KubeObject): boolean =>
  isMember(cluster, pod) &&
  controllerOf(pod) === undefined &&
  pod.metadata.annotations?.[ANNOTATIONS.genesis] !== undefined;

/** A pod of the cluster's StatefulSet, or one that it is about to take over. A label alone makes no member. */
export const isMember = (cluster: EtcdCluster, pod: KubeObject): boolean =>
  isOf(cluster, pod) &&
  pod.metadata.labels?.['app.kubernetes.io/component'] === 'member' &&
  pod.metadata.name.startsWith(`${cluster.metadata.name}-`) &&
  /^\d+$/.test(pod.metadata.name.slice(cluster.metadata.name.length + 1)) &&
  (controllerOf(pod) === undefined || isOfSet(cluster, pod));
