// SPDX-License-Identifier: Apache-2.0
// Reads the state of one Job from its status and its pod. Pure.
import type { Job, Pod } from '../runtime/resources.ts';
import type { FailureReason } from './failures.ts';
import { decodeResult, type JobResult, printable } from './result.ts';

export type JobState =
  | { readonly kind: 'running' }
  | { readonly kind: 'result'; readonly result: JobResult; readonly endedAt: Date | undefined }
  | {
      /** Over, without a word. */
      readonly kind: 'ended';
      readonly reason: FailureReason;
      readonly message: string;
      readonly repeatable: boolean;
      /** A pod that is not shown yet could still say more. */
      readonly podsMatter: boolean;
      readonly endedAt: Date | undefined;
    };

export function jobState(job: Job, pods: readonly Pod[]): JobState {
  const mine = pods.filter((p) => p.metadata.ownerReferences?.some((r) => r.uid === job.metadata.uid) === true);
  const end = (job.status?.conditions ?? []).find(
    (c) => (c.type === 'Complete' || c.type === 'Failed') && c.status === 'True',
  );
  const endedAt = end?.lastTransitionTime === undefined ? undefined : new Date(end.lastTransitionTime);
  const outOfTime = (job.status?.conditions ?? []).some(
    (c) =>
      (c.type === 'Failed' || c.type === 'FailureTarget') && c.status === 'True' && c.reason === 'DeadlineExceeded',
  );
  for (const pod of mine) {
    const terminated = containerOf(pod)?.state?.terminated;
    const result = decodeResult(terminated?.message);
    // Success is believed only from a process that also ended so.
    if (result?.ok === false && outOfTime) return deadline(endedAt);
    if (result !== undefined && (!result.ok || terminated?.exitCode === 0)) return { kind: 'result', result, endedAt };
  }
  if (end === undefined) return { kind: 'running' };
  if (outOfTime) return deadline(endedAt);
  const killed = mine.map((p) => containerOf(p)?.state?.terminated).find((t) => t !== undefined);
  if (killed?.reason === 'OOMKilled')
    return ended('OutOfMemory', 'the pod went over its memory limit', { repeatable: false, endedAt });
  const evicted = mine.find((p) => p.status?.reason !== undefined)?.status?.reason;
  const why = evicted ?? (killed === undefined ? 'its pod is gone' : `exit code ${killed.exitCode}`);
  return ended('JobLost', `the Job ended without a result: ${printable(why)}`, { repeatable: true, endedAt });
}

const ended = (
  reason: FailureReason,
  message: string,
  o: { repeatable: boolean; endedAt: Date | undefined },
): JobState => ({
  kind: 'ended',
  reason,
  message,
  podsMatter: true,
  ...o,
});

/** Its pod was told to stop because of it: what it said then is the echo. Another try would take as long. */
const deadline = (endedAt: Date | undefined): JobState =>
  ended('DeadlineExceeded', 'the Job ran into its deadline', { repeatable: false, endedAt });

const containerOf = (pod: Pod) => pod.status?.containerStatuses?.find((c) => c.name === 'backup');
