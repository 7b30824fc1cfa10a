// SPDX-License-Identifier: Apache-2.0
// Derives the status of an EtcdBackup from a verdict. Pure; the one place where its conditions are made.
import type { EtcdBackup, EtcdBackupStatus } from '../api/backup.ts';
import { type Condition, mergeConditions } from '../runtime/conditions.ts';
import type { Job } from '../runtime/resources.ts';
import { seconds } from '../runtime/time.ts';
import { attemptOf, BACKUP_ANNOTATIONS } from './marks.ts';
import type { Verdict } from './plan.ts';
import type { JobSuccess } from './result.ts';

export function backupStatus(backup: EtcdBackup, verdict: Verdict, job: Job | undefined, now: Date): EtcdBackupStatus {
  const previous = backup.status;
  const observedGeneration = backup.metadata.generation ?? 0;
  const attempt = job === undefined ? 0 : attemptOf(job.metadata.name);
  const attempts = Math.max(attempt, previous?.attempts ?? 0);
  // Told before the Job is deleted, and so perhaps twice: a number is in it once all the same.
  const replaces = verdict.kind === 'progress' && verdict.replacesJob === true;
  const replaced = [...new Set([...(previous?.replaced ?? []), ...(replaces ? [attempt] : [])])];
  const final = verdict.kind === 'done' || verdict.kind === 'failed';
  const clusterUID = job?.metadata.annotations?.[BACKUP_ANNOTATIONS.clusterUid] ?? previous?.clusterUID;
  const startTime = previous?.startTime ?? job?.metadata.creationTimestamp;
  return {
    observedGeneration,
    conditions: mergeConditions(previous?.conditions ?? [], conditions(verdict, observedGeneration), now),
    ...(job === undefined ? (previous?.job === undefined ? {} : { job: previous.job }) : { job: job.metadata.name }),
    ...(clusterUID === undefined ? {} : { clusterUID }),
    ...(attempts === 0 ? {} : { attempts }),
    ...(replaced.length === 0 ? {} : { replaced }),
    ...(startTime === undefined ? {} : { startTime }),
    ...(verdict.kind === 'done' ? outcome(verdict.result) : {}),
    ...(final
      ? { completionTime: seconds(verdict.kind === 'done' ? ended(verdict.result, startTime, now) : now) }
      : {}),
  };
}

/** As the Job's node tells it, whose clock may be wrong: not before the first Job was made, and not after now. */
function ended({ completionTime }: JobSuccess, startTime: string | undefined, now: Date): Date {
  const earliest = startTime === undefined ? 0 : Date.parse(startTime);
  return new Date(Math.min(now.getTime(), Math.max(earliest, Date.parse(completionTime))));
}

function outcome(r: JobSuccess): Partial<EtcdBackupStatus> {
  return {
    key: r.key,
    manifestKey: r.manifestKey,
    location: `${r.location}/${r.key}`,
    size: quantity(r.size),
    compressedSize: quantity(r.compressedSize),
    sha256: r.sha256,
    snapshotSha256: r.snapshotSha256,
    revision: r.revision,
    member: r.member,
    etcdVersion: r.etcdVersion,
    clusterId: r.clusterId,
  };
}

/** What a backup that is complete has found out about other members; a sentence. */
export const corruption = ({ corrupt = [] }: JobSuccess): string | undefined =>
  corrupt.length === 0
    ? undefined
    : `the snapshot of ${corrupt.join(' and ')} does not match its own checksum: look at its disk and its log`;

type Draft = Omit<Condition, 'lastTransitionTime'>;

function conditions(v: Verdict, observedGeneration: number): Draft[] {
  const make = (type: string, status: Condition['status'], reason: string, message: string): Draft => ({
    type,
    status,
    reason,
    message,
    observedGeneration,
  });
  if (v.kind === 'done') {
    const { size, compressedSize, revision, member } = v.result;
    const message = `revision ${revision} from ${member}: ${mib(size)} as ${mib(compressedSize)}, read back and compared`;
    const also = corruption(v.result);
    return [make('Ready', 'True', 'Completed', also === undefined ? message : `${message}; ${also}`)];
  }
  const type = v.kind === 'progress' ? 'Reconciling' : 'Stalled';
  return [make('Ready', 'False', v.reason, v.message), make(type, 'True', v.reason, v.message)];
}

/** In the unit of the other sizes in status, rounded up; the manifest has the bytes. */
const quantity = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)}Mi`;

const mib = (bytes: number): string =>
  bytes < 2 ** 20 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
