// SPDX-License-Identifier: Apache-2.0
// Reads the state of one Job from its status and its pod. Pure.
import type { Job, Pod } from '../runtime/resources.ts';
import type { FailureReason } from './failures.ts';
import { decodeResult, type JobResult, printable } from './result.ts';

export type JobState =
  | { readonly kind: 'running'; readonly message: string }
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
  for (const pod of mine) {
    const terminated = containerOf(pod)?.state?.terminated;
    const result = decodeResult(terminated?.message);
    // Success is believed only from a process that also ended so.
    if (result !== undefined && (!result.ok || terminated?.exitCode === 0)) return { kind: 'result', result, endedAt };
  }
  if (end === undefined) return { kind: 'running', message: waitingFor(mine) };
  if (end.reason === 'DeadlineExceeded') {
    return ended('DeadlineExceeded', 'the Job ran into its deadline', { repeatable: false, endedAt });
  }
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

const containerOf = (pod: Pod) => pod.status?.containerStatuses?.find((c) => c.name === 'backup');

/** What keeps a Job from being done, in words. */
function waitingFor(pods: readonly Pod[]): string {
  const pod = pods.at(-1);
  if (pod === undefined) return 'the Job waits for its pod; if this lasts, look at the events of the Job';
  if (pod.status?.phase === 'Running') return 'the snapshot is being taken and stored';
  const scheduled = pod.status?.conditions?.find((c) => c.type === 'PodScheduled');
  if (scheduled?.status === 'False')
    return `the pod finds no node: ${printable(scheduled.message ?? scheduled.reason ?? '')}`;
  const waiting = containerOf(pod)?.state?.waiting;
  const reason = waiting?.reason === undefined || waiting.reason === 'ContainerCreating' ? undefined : waiting.reason;
  if (reason !== undefined) return `the pod does not start: ${printable(`${reason} ${waiting?.message ?? ''}`).trim()}`;
  return 'the pod starts';
}
