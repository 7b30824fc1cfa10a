// SPDX-License-Identifier: Apache-2.0
// Reads the state of one Job from its status and its pod. Pure.
import type { Job, Pod } from '../runtime/resources.ts';
import type { FailureReason } from './failures.ts';
import { DEADLINE_SECONDS } from './render/job.ts';
import { decodeResult, type JobResult, printable } from './result.ts';

/** How much later than its grace period allows a pod may be told to be gone; longer, and its node is not there to tell it. */
const LATE_MS = 60_000;
/** How much later than its deadline a Job may be told to have failed. */
const OVERTIME_MS = 600_000;

export type JobState =
  /** `leftMs`: it is over then, though nobody may say so. */
  | { readonly kind: 'running'; readonly leftMs: number }
  | { readonly kind: 'result'; readonly result: JobResult; readonly endedAt: Date | undefined }
  | {
      /** Over, without a word. */
      readonly kind: 'ended';
      readonly reason: FailureReason;
      readonly message: string;
      /** A pod that is not shown yet could still say more. */
      readonly podsMatter: boolean;
      readonly endedAt: Date | undefined;
    };

export function jobState(job: Job, pods: readonly Pod[], now: Date): JobState {
  const mine = pods.filter((p) => isOfJob(p, job));
  const { leftMs, outOfTime, at: endedAt } = endOf(job, mine, now);
  for (const pod of mine) {
    const terminated = containerOf(pod)?.state?.terminated;
    const result = decodeResult(terminated?.message);
    // Success is believed only from a process that also ended so.
    if (result?.ok === false && outOfTime && result.reason !== 'OutcomeUnknown') return deadline(endedAt);
    if (result !== undefined && (!result.ok || terminated?.exitCode === 0)) return { kind: 'result', result, endedAt };
  }
  if (leftMs > 0) return { kind: 'running', leftMs };
  if (outOfTime) return deadline(endedAt);
  const killed = mine.map((p) => containerOf(p)?.state?.terminated).find((t) => t !== undefined);
  if (killed?.reason === 'OOMKilled') return ended('OutOfMemory', 'the pod went over its memory limit', endedAt);
  const evicted = mine.find((p) => p.status?.reason !== undefined)?.status?.reason;
  const silent = mine.every(isTerminal) ? 'its pod is gone' : 'the node of its pod does not answer';
  const why = evicted ?? (killed === undefined ? silent : `exit code ${killed.exitCode}`);
  return ended('JobLost', `the Job ended without a result: ${printable(why)}`, endedAt);
}

/** Whether a Job is over, whatever came of it. */
export const isOver = (job: Job, pods: readonly Pod[], now: Date): boolean =>
  endOf(
    job,
    pods.filter((p) => isOfJob(p, job)),
    now,
  ).leftMs <= 0;

const isOfJob = (pod: Pod, job: Job): boolean =>
  pod.metadata.ownerReferences?.some((r) => r.uid === job.metadata.uid) === true;

const isTerminal = (pod: Pod): boolean => pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed';

interface End {
  /** Milliseconds until it is over at the latest; not positive if it is. */
  readonly leftMs: number;
  readonly outOfTime: boolean;
  readonly at: Date | undefined;
}

/**
 * Kubernetes says that a Job has failed only when the last of its pods is gone (1.31 and newer), and a pod on a node
 * that does not answer never goes. So once a Job is to fail, its pods get the time that stopping may take, and no more.
 * One that is still alive on such a node does no harm: attempts share no name in the store but that of the manifest,
 * which only one of them can create.
 */
function endOf(job: Job, pods: readonly Pod[], now: Date): End {
  const holds = (job.status?.conditions ?? []).filter((c) => c.status === 'True');
  const over = holds.find((c) => c.type === 'Complete' || c.type === 'Failed');
  const failing = over ?? holds.find((c) => c.type === 'FailureTarget');
  const at = failing?.lastTransitionTime === undefined ? undefined : new Date(failing.lastTransitionTime);
  const outOfTime = failing?.reason === 'DeadlineExceeded';
  if (over !== undefined) return { leftMs: 0, outOfTime, at };
  const overtime = overtimeMs(job, now);
  if (overtime <= 0) return { leftMs: 0, outOfTime: true, at };
  return { leftMs: failing === undefined ? overtime : Math.min(overtime, stoppingMs(pods, now)), outOfTime, at };
}

/** Until the last pod should have stopped: the time of its deletion includes its grace period. */
const stoppingMs = (pods: readonly Pod[], now: Date): number =>
  Math.max(
    0,
    ...pods
      .filter((p) => !isTerminal(p))
      .map(({ metadata: { deletionTimestamp: at } }) =>
        at === undefined ? Number.POSITIVE_INFINITY : Date.parse(at) + LATE_MS - now.getTime(),
      ),
  );

function overtimeMs({ metadata, spec, status }: Job, now: Date): number {
  const began = status?.startTime ?? metadata.creationTimestamp;
  if (began === undefined) return Number.POSITIVE_INFINITY;
  return Date.parse(began) + (spec?.activeDeadlineSeconds ?? DEADLINE_SECONDS) * 1000 + OVERTIME_MS - now.getTime();
}

const ended = (reason: FailureReason, message: string, endedAt: Date | undefined): JobState => ({
  kind: 'ended',
  reason,
  message,
  podsMatter: true,
  endedAt,
});

/** Its pod was told to stop because of it: what it said then is the echo. Another try would take as long. */
const deadline = (endedAt: Date | undefined): JobState =>
  ended('DeadlineExceeded', 'the Job ran into its deadline', endedAt);

const containerOf = (pod: Pod) => pod.status?.containerStatuses?.find((c) => c.name === 'backup');
