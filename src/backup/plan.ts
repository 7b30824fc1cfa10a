// SPDX-License-Identifier: Apache-2.0
// Decides about one EtcdBackup: what is true of it now, and what to do next. Pure.
import type { BackupPolicy } from '../api/policy.ts';
import type { Job } from '../runtime/resources.ts';
import { type FailureReason, REMEDIES, REPEATED } from './failures.ts';
import { jobState } from './jobstate.ts';
import { attemptOf, BACKUP_ANNOTATIONS, MAX_JOBS } from './marks.ts';
import type { ObservedBackup } from './observed.ts';
import { templateHash } from './render/job.ts';
import type { JobSuccess } from './result.ts';
import { isObstacle, obstacle } from './waiting.ts';

/**
 * `progress`: at work, or waiting for what comes by itself. `blocked`: somebody has to act, and it goes on by itself
 * then. `failed` and `done` are final.
 */
export type Verdict =
  | {
      readonly kind: 'progress' | 'blocked';
      readonly reason: string;
      readonly message: string;
      readonly lookAgainMs?: number;
      /** The Job makes room for another one without having been an attempt. */
      readonly replacesJob?: true;
    }
  | { readonly kind: 'failed'; readonly reason: FailureReason; readonly message: string }
  | { readonly kind: 'done'; readonly result: JobSuccess };

export type Step =
  /** Read what the next decision needs, then decide again. */
  | { readonly action: 'ReadPods' }
  | { readonly action: 'ReadPolicy' }
  | { readonly action: 'ReplaceJob'; readonly job: Job }
  | { readonly action: 'CreateJob'; readonly attempt: number; readonly policy: BackupPolicy };

export interface BackupPlan {
  /** Absent for a backup that is finished and recorded so: nothing is written any more. */
  readonly verdict?: Verdict;
  readonly step?: Step;
}

/** Jobs per backup, without those that were replaced before they began. */
const MAX_ATTEMPTS = 3;
/** Before the second one and before the third. */
const PAUSES_MS = { soon: [10_000, 20_000], later: [60_000, 300_000] } as const;
/** Somebody has to act on a Secret. */
const SECRETS_MS = 15_000;
const CERTIFICATES_MS = 2_000;
/** Reasons for which a cluster is stalled that keep its operator from issuing a Secret. */
const KEEPS_SECRETS = /^(Authority|NameConflict|QuotaExceeded|AdmissionDenied|Refused|Undone)/;
const PODLESS_MS = 60_000;

const progress = (reason: string, message: string, lookAgainMs?: number): BackupPlan => ({
  verdict: { kind: 'progress', reason, message, ...(lookAgainMs === undefined ? {} : { lookAgainMs }) },
});
const blocked = (reason: string, message: string, lookAgainMs?: number): BackupPlan => ({
  verdict: { kind: 'blocked', reason, message, ...(lookAgainMs === undefined ? {} : { lookAgainMs }) },
});
const failed = (reason: FailureReason, message: string): BackupPlan => ({
  verdict: { kind: 'failed', reason, message: `${message}; to do: ${REMEDIES[reason]}` },
});

export const isFinished = (status: ObservedBackup['backup']['status']): boolean => status?.completionTime !== undefined;

export function planBackup(o: ObservedBackup): BackupPlan {
  if (isFinished(o.backup.status)) return {};
  const last = o.jobs.at(-1);
  const attempted = Math.max(last === undefined ? 0 : attemptOf(last.metadata.name), o.backup.status?.attempts ?? 0);
  if (attempted === 0) return start(o, 1);
  const state = last === undefined || attemptOf(last.metadata.name) < attempted ? GONE : jobState(last, o.pods, o.now);
  if (state.kind === 'running') return working(o, last as Job, state.leftMs);
  if (state.kind === 'result') {
    const { result } = state;
    if (result.ok) return { verdict: { kind: 'done', result } };
    // A pod has its last word before its Job is told to have failed.
    return again(o, attempted, { ...result, endedAt: state.endedAt ?? o.now });
  }
  // The cache may show the end of a Job before the last word of its pod.
  if (!o.podsAreLive && state.podsMatter)
    return { ...progress('Running', 'the Job has ended'), step: { action: 'ReadPods' } };
  if (last !== undefined && state.reason === 'DeadlineExceeded' && attempted < MAX_JOBS && neverBegan(o, attempted))
    return replacement(last, 'before its deadline');
  return again(o, attempted, state);
}

function working(o: ObservedBackup, job: Job, leftMs: number): BackupPlan {
  const found = obstacle(job, o.pods, o.refused, o.now);
  if (found === undefined) return progress('Running', 'the snapshot is being taken and stored', leftMs);
  if (found.patienceMs > 0) return progress('Running', 'the pod of the Job starts', found.patienceMs);
  // The cache may be late, and only events tell why there is no pod.
  const outdated = isOutdated(o, job);
  if (!o.podsAreLive && (outdated || o.pods.length === 0))
    return { ...progress('Running', 'the Job waits for its pod'), step: { action: 'ReadPods' } };
  const waiting = blocked(found.reason, found.message, Math.min(leftMs, o.pods.length === 0 ? PODLESS_MS : leftMs));
  if (!outdated || attemptOf(job.metadata.name) >= MAX_JOBS) return waiting;
  if (o.secrets === undefined) return { ...waiting, step: { action: 'ReadPolicy' } };
  return replacement(job, `(${found.reason}), and the spec of the cluster has changed since`);
}

function replacement(job: Job, why: string): BackupPlan {
  const message = `the Job ${job.metadata.name} never began ${why}: another one takes its place`;
  const verdict = { kind: 'progress', reason: 'Retrying', message, replacesJob: true } as const;
  return { verdict, step: { action: 'ReplaceJob', job } };
}

/**
 * Its deadline takes the pod away, and the Job does not say whether that had started: what status said last tells. Once
 * the Job is announced as replaced, that is something else, but `Running` only if it began after all.
 */
function neverBegan({ backup: { status } }: ObservedBackup, attempt: number): boolean {
  const said = status?.conditions?.[0]?.reason ?? '';
  return isObstacle(said) || (said !== 'Running' && status?.replaced?.includes(attempt) === true);
}

/** A Job cannot be edited: what it lacks may be in the spec by now, and only another Job would have it. */
function isOutdated({ backup, cluster, spec, settings }: ObservedBackup, job: Job): boolean {
  if (cluster === undefined || spec?.backup === undefined || settings === undefined) return false;
  const hash = templateHash({ backup, cluster, spec, policy: spec.backup, settings });
  return hash !== job.metadata.annotations?.[BACKUP_ANNOTATIONS.template];
}

const GONE = {
  kind: 'ended' as const,
  reason: 'JobLost' as const,
  message: 'its Job was deleted before it was done',
  podsMatter: false,
  endedAt: undefined,
};

interface Lost {
  readonly reason: FailureReason;
  readonly message: string;
  readonly endedAt: Date | undefined;
}

/** The next attempt first looks in the store whether the lost one had finished after all. */
function again(o: ObservedBackup, attempted: number, lost: Lost): BackupPlan {
  const { reason, message, endedAt } = lost;
  const when = REPEATED[reason];
  if (when === undefined) return failed(reason, message);
  // Told before it is done: a Job that is still there began before it could be deleted.
  const there = o.jobs.map((j) => attemptOf(j.metadata.name));
  const replaced = (o.backup.status?.replaced ?? []).filter((n) => !there.includes(n));
  const count = attempted - replaced.length;
  if (count >= MAX_ATTEMPTS) return failed(reason, `${message}; this was the last of ${MAX_ATTEMPTS} attempts`);
  if (attempted >= MAX_JOBS) return failed(reason, `${message}; this was the last of ${MAX_JOBS} Jobs`);
  const pauseMs = PAUSES_MS[when][count - 1] ?? 0;
  const wait = endedAt === undefined ? 0 : endedAt.getTime() + pauseMs - o.now.getTime();
  // A clock that was set back must not hold up the retry for longer than the pause itself.
  const bounded = Math.min(wait, pauseMs);
  if (bounded > 0) {
    const next = `attempt ${count + 1} of ${MAX_ATTEMPTS} follows`;
    return progress('Retrying', `${reason}: ${message}; ${next}`, bounded);
  }
  return start(o, attempted + 1);
}

function start(o: ObservedBackup, attempt: number): BackupPlan {
  const { clusterName } = o.backup.spec;
  const begunFor = o.backup.status?.clusterUID;
  // A snapshot of another cluster of that name is not what was asked for.
  if (begunFor !== undefined && begunFor !== o.cluster?.metadata.uid) {
    if (!o.clusterIsLive) return { step: { action: 'ReadPolicy' } };
    return failed('ClusterGone', `the EtcdCluster ${clusterName} that this backup was begun for is gone`);
  }
  if (o.settings === undefined) {
    return blocked(
      'OperatorImageUnknown',
      'the operator was started without --image and does not know what to run as a Job',
    );
  }
  if (o.cluster === undefined || o.cluster.metadata.deletionTimestamp !== undefined) {
    return blocked(
      'ClusterNotFound',
      `there is no EtcdCluster ${clusterName} in this namespace; create it, or delete this backup`,
    );
  }
  if (o.spec === undefined)
    return blocked('ClusterInvalid', `the spec of the EtcdCluster ${clusterName} is refused; its status says why`);
  const policy = o.spec.backup;
  if (policy === undefined) {
    return blocked(
      'StoreNotConfigured',
      `the EtcdCluster ${clusterName} has no spec.backup.store; set it, and this backup goes on`,
    );
  }
  const ahead = o.siblings.find((s) => s.running || precedes(s, o));
  if (ahead !== undefined) return progress('Queued', `waits for the backup ${ahead.name}: one at a time per cluster`);
  const available = o.cluster.status?.conditions?.find((c) => c.type === 'Available');
  if (available?.status !== 'True') {
    return progress(
      'ClusterUnavailable',
      `waits until the cluster ${clusterName} is Available: ${available?.message ?? 'no status yet'}`,
    );
  }
  if (o.secrets === undefined) return { step: { action: 'ReadPolicy' } };
  if (o.secrets.credentials !== undefined)
    return blocked(o.secrets.credentials.reason, o.secrets.credentials.message, SECRETS_MS);
  if (!o.secrets.tls) return uncertified(o);
  return { ...progress('Running', `attempt ${attempt} starts`), step: { action: 'CreateJob', attempt, policy } };
}

/** The operator issues it by itself, unless it was told not to, or has nothing to sign it with. */
function uncertified({ cluster, spec }: ObservedBackup): BackupPlan {
  const reason = 'CertificatesPending';
  const message = 'waits for the client certificate of backups';
  if (spec?.paused === true) {
    const why = 'spec.paused of the cluster is true: set it to false, and this backup goes on';
    return blocked(reason, `${message}: ${why}`, SECRETS_MS);
  }
  const standing = (type: string, status: string) =>
    cluster?.status?.conditions?.find((c) => c.type === type && c.status === status);
  // A cluster can be stalled for much that does not keep a certificate from being issued in the next moment.
  const stalled = standing('TLSReady', 'False') && standing('Stalled', 'True');
  if (stalled !== undefined && KEEPS_SECRETS.test(stalled.reason))
    return blocked(reason, `${message}: ${stalled.message}`, SECRETS_MS);
  return progress(reason, message, CERTIFICATES_MS);
}

/** By creation, then by name: all of them agree on who is next without talking to each other. */
function precedes(s: { readonly name: string; readonly created: string }, o: ObservedBackup): boolean {
  const created = o.backup.metadata.creationTimestamp ?? '';
  return s.created < created || (s.created === created && s.name < o.backup.metadata.name);
}
