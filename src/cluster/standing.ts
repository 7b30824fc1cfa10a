// SPDX-License-Identifier: Apache-2.0
// What a formed cluster goes on with while its spec cannot be meant.
import { clusterSpec, type EffectiveCluster, type EtcdCluster } from '../api/cluster.ts';
import type { Formation } from './formation.ts';

/** What does not come from the formation; each is taken as it stands. */
const REST = clusterSpec.pick({ tls: true, service: true, networkPolicy: true, backup: true, paused: true });

/** Its recorded formation, and the rest of the spec; undefined where that cannot be meant either. */
export function standingSpec(cluster: EtcdCluster, formation: Formation): EffectiveCluster | undefined {
  const rest = REST.safeParse(cluster.spec);
  if (!rest.success) return undefined;
  const storage = { ...formation.storage, retentionPolicy: { whenDeleted: 'Retain' as const } };
  return { ...rest.data, ...formation, storage } as EffectiveCluster;
}
