// SPDX-License-Identifier: Apache-2.0
// One wanted object of a cluster: what it is, how it must look, and which of its maps hold nothing but our keys.

import type { EtcdCluster } from '../../api/cluster.ts';
import { API_VERSION, GROUP, LABELS } from '../../api/names.ts';
import type { KubeObject } from '../../runtime/json.ts';
import type { Resource } from '../../runtime/resources.ts';
import type { Closed } from '../drift.ts';

export interface Child<T extends KubeObject = KubeObject> {
  readonly resource: Resource<T>;
  readonly desired: T;
  readonly closed: Closed;
  /** Claims outlive the cluster, so they have no owner; they are ours by their identity annotations. */
  readonly owned: boolean;
}

/** Labels of every child: ours by prefix, so that no GitOps tool takes a child for an object of its own. */
export function childLabels(cluster: EtcdCluster, component: 'member' | 'backup' | undefined): Record<string, string> {
  return {
    [LABELS.cluster]: cluster.metadata.name,
    'app.kubernetes.io/name': 'etcd',
    'app.kubernetes.io/managed-by': 'quorate',
    ...(component === undefined ? {} : { 'app.kubernetes.io/component': component }),
  };
}

export const memberLabels = (cluster: EtcdCluster): Record<string, string> => ({
  [LABELS.cluster]: cluster.metadata.name,
  'app.kubernetes.io/component': 'member',
});

export function ownedMetadata(cluster: EtcdCluster, name: string, annotations: Record<string, string> = {}) {
  return {
    name,
    namespace: cluster.metadata.namespace as string,
    labels: childLabels(cluster, undefined),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    ownerReferences: [
      {
        apiVersion: API_VERSION,
        kind: 'EtcdCluster',
        name: cluster.metadata.name,
        uid: cluster.metadata.uid as string,
        controller: true,
        blockOwnerDeletion: true,
      },
    ],
  };
}

/** Names the annotations that the user asked for, so that one taken out of the spec is taken off the object too. */
const ASKED = `${GROUP}/annotations`;

export const askedAnnotations = (asked: Record<string, string>): Record<string, string> =>
  Object.keys(asked).length === 0 ? {} : { ...asked, [ASKED]: Object.keys(asked).toSorted().join(',') };

/** The child with every annotation emptied that was asked for once and is no more; wanting nothing removes it. */
export function withoutDropped(child: Child, live: KubeObject | undefined): Child {
  const before = live?.metadata.annotations?.[ASKED]?.split(',') ?? [];
  const annotations = child.desired.metadata.annotations ?? {};
  const dropped = [...before, ...(before.length > 0 ? [ASKED] : [])].filter((key) => !(key in annotations));
  if (dropped.length === 0) return child;
  const all = { ...Object.fromEntries(dropped.map((key) => [key, ''])), ...annotations };
  return { ...child, desired: { ...child.desired, metadata: { ...child.desired.metadata, annotations: all } } };
}
