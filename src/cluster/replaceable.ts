// SPDX-License-Identifier: Apache-2.0
// Which claims of a formation that never finished are made again, and which only a person may take away.
import type { EtcdCluster } from '../api/cluster.ts';
import type { PersistentVolumeClaim } from '../runtime/resources.ts';
import { drift } from './drift.ts';
import { claimIdentity, type Identity, ordinalOf } from './identity.ts';

/** Where the claim's storage differs from what is asked for; undefined if it does not. */
function otherStorage({ spec }: PersistentVolumeClaim, { formation }: Identity): string | undefined {
  const { size, storageClassName, accessMode } = formation.storage;
  const named = storageClassName === undefined ? {} : { storageClassName };
  return drift({ accessModes: [accessMode], resources: { requests: { storage: size } }, ...named }, spec);
}

/** Made after the EtcdCluster, and so for nothing that was there before it. */
export const isYounger = (claim: PersistentVolumeClaim, cluster: EtcdCluster): boolean =>
  Date.parse(claim.metadata.creationTimestamp ?? '') >= Date.parse(cluster.metadata.creationTimestamp ?? '');

/**
 * A claim without a volume holds nothing. One with a volume goes if an earlier attempt of this very EtcdCluster made it,
 * so that no cluster is formed on other storage than was asked for, or beside what that attempt left on the disk: marked
 * by us and not as formed, and younger than the EtcdCluster, which was never formed, so nothing on it was acknowledged.
 */
export function isReplaceable(claim: PersistentVolumeClaim, cluster: EtcdCluster, record: Identity): boolean {
  const ordinal = ordinalOf(cluster.metadata.name, claim.metadata.name);
  const marks = claimIdentity(claim);
  if (record.phase === 'Formed' || ordinal === undefined || marks?.formed === true) return false;
  const earlier = ordinal >= record.members.length || (marks !== undefined && marks.genesis !== record.genesis);
  if (claim.spec?.volumeName === undefined) return earlier || otherStorage(claim, record) !== undefined;
  return earlier && marks !== undefined && isYounger(claim, cluster);
}

/** Where the volume of a claim that the cluster would take over, and may not delete, is not as asked; undefined if there is nothing to say. */
export function misfit(claim: PersistentVolumeClaim, cluster: EtcdCluster, record: Identity): string | undefined {
  const ours = claimIdentity(claim)?.genesis === record.genesis;
  if (record.phase === 'Formed' || ours || isReplaceable(claim, cluster, record)) return undefined;
  return otherStorage(claim, record);
}
