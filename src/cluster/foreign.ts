// SPDX-License-Identifier: Apache-2.0
// Tells our objects from others by their owner.
import type { EtcdCluster } from '../api/cluster.ts';
import { LABELS } from '../api/names.ts';
import type { KubeObject } from '../runtime/json.ts';
import type { Foreign } from './observed.ts';

/** Ours are the objects that this very EtcdCluster controls; a name alone proves nothing. */
export function foreignness(o: KubeObject, cluster: EtcdCluster): Foreign {
  const owners = o.metadata.ownerReferences ?? [];
  if (owners.some((r) => r.uid === cluster.metadata.uid)) return undefined;
  const predecessor = owners.some((r) => r.kind === 'EtcdCluster' && r.name === cluster.metadata.name);
  return predecessor ? 'predecessor' : 'stranger';
}

/** Labelled as an object of a cluster of this name. */
export const isOf = (cluster: EtcdCluster, o: KubeObject): boolean =>
  o.metadata.labels?.[LABELS.cluster] === cluster.metadata.name;
