// SPDX-License-Identifier: Apache-2.0
// Status of a cluster that is not looked at: why, and of its members only what was seen before.
import type { EffectiveSpecFailure, EtcdCluster, EtcdClusterStatus } from '../api/cluster.ts';
import { type Condition, mergeConditions } from '../runtime/conditions.ts';
import { KubeError } from '../runtime/errors.ts';
import { isRefused } from '../runtime/failing.ts';
import { refusalOf } from './refusals.ts';

/** Status of a cluster whose spec passed the schema but cannot be meant. Nothing else is touched. */
export function invalidStatus(cluster: EtcdCluster, failure: EffectiveSpecFailure, now: Date): EtcdClusterStatus {
  const message = `${failure.field}: ${failure.message}`;
  return heldStatus(cluster, 'Stalled', { reason: 'InvalidSpec', message }, now);
}

/** Status of a cluster that cannot be looked at, because something in its world is not what we can read. */
export function failedStatus(cluster: EtcdCluster, error: unknown, now: Date): EtcdClusterStatus {
  const why = error instanceof Error ? error.message : String(error);
  const message = `the operator fails on this cluster and tries again: ${why}`;
  const refusal = error instanceof KubeError && isRefused(error) ? refusalOf(error) : undefined;
  if (refusal === undefined) return heldStatus(cluster, 'Stalled', { reason: 'ReconcileFailed', message }, now);
  const { reason, remedy } = refusal;
  return heldStatus(cluster, 'Stalled', { reason, message: `${message}; ${remedy}` }, now);
}

/** Status of a cluster that may not be seen completely: nothing is changed by half a view. */
export function unseenStatus(cluster: EtcdCluster, refused: string, now: Date): EtcdClusterStatus {
  const { reason, remedy } = refusalOf({ code: 'Forbidden', message: refused });
  const message = `nothing is changed until the operator may see it all: ${refused}; ${remedy}`;
  return heldStatus(cluster, 'Stalled', { reason, message }, now);
}

/** Status of a cluster that is being deleted, as long as something keeps it. */
export function deletingStatus(cluster: EtcdCluster, waitsFor: string, now: Date): EtcdClusterStatus {
  const message = `being deleted: waiting for ${waitsFor}`;
  return heldStatus(cluster, 'Reconciling', { reason: 'Deleting', message }, now);
}

function heldStatus(
  cluster: EtcdCluster,
  why: 'Stalled' | 'Reconciling',
  said: Pick<Condition, 'reason' | 'message'>,
  now: Date,
): EtcdClusterStatus {
  const observedGeneration = cluster.metadata.generation ?? 0;
  const draft = (type: string, status: Condition['status']) => ({ type, status, ...said, observedGeneration });
  // Nobody looked at the members: what was said of them may not be true any more.
  const unseen = ['Available', 'MembersHealthy', 'BackupHealthy'];
  const kept = (cluster.status?.conditions ?? [])
    .filter((c) => !['Ready', 'Stalled', 'Reconciling'].includes(c.type))
    .map(({ lastTransitionTime: _, ...c }) => (unseen.includes(c.type) ? { ...c, ...draft(c.type, 'Unknown') } : c));
  const drafts = [draft('Ready', 'False'), draft(why, 'True'), ...kept];
  return {
    ...cluster.status,
    observedGeneration,
    conditions: mergeConditions(cluster.status?.conditions ?? [], drafts, now),
  };
}
