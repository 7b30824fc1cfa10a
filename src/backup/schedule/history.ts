// SPDX-License-Identifier: Apache-2.0
// Which EtcdBackup objects of a schedule are old enough to go. What lies in the store is never touched. Pure.
import type { EtcdBackup } from '../../api/backup.ts';
import { BACKUP_ANNOTATIONS } from '../marks.ts';

/** Per schedule. */
export const KEEP_COMPLETED = 10;
export const KEEP_FAILED = 3;

const isReady = (b: EtcdBackup): boolean =>
  b.status?.conditions?.some((c) => c.type === 'Ready' && c.status === 'True') === true;

const age = (b: EtcdBackup): string => b.metadata.creationTimestamp ?? '';

/** Finished ones that a schedule made, beyond the newest of each kind. Whatever a person made stays. */
export function outdated(backups: readonly EtcdBackup[]): EtcdBackup[] {
  const bySchedule = Map.groupBy(
    backups.filter(
      (b) =>
        b.spec.schedule !== undefined &&
        b.metadata.annotations?.[BACKUP_ANNOTATIONS.scheduledAt] !== undefined &&
        b.metadata.deletionTimestamp === undefined &&
        b.status?.completionTime !== undefined,
    ),
    (b) => b.spec.schedule,
  );
  return [...bySchedule.values()].flatMap((runs) => {
    const newestFirst = runs.toSorted(
      (a, b) => age(b).localeCompare(age(a)) || b.metadata.name.localeCompare(a.metadata.name),
    );
    const completed = newestFirst.filter(isReady);
    const failed = newestFirst.filter((b) => !isReady(b));
    return [...completed.slice(KEEP_COMPLETED), ...failed.slice(KEEP_FAILED)];
  });
}
