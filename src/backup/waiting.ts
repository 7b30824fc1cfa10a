// SPDX-License-Identifier: Apache-2.0
// Finds out what keeps a Job from starting its work, from what Kubernetes says of its pod. Pure.
import type { Job, Pod } from '../runtime/resources.ts';
import { printable } from './result.ts';

/** What comes by itself within this many milliseconds is not worth an alarm. */
const GRACE_MS = 15_000;
/** A large image over a slow line, or a Secret that is gone again: the pod does not tell which. */
const STARTING_GRACE_MS = 300_000;

const REASONS = ['PodsRefused', 'Unschedulable', 'ImageUnavailable', 'PodNotStarting'] as const;

export const isObstacle = (reason: string): boolean => REASONS.some((r) => r === reason);

export interface Obstacle {
  readonly reason: (typeof REASONS)[number];
  /** What and what to do about it. */
  readonly message: string;
  /** Until then it may pass by itself. Not positive: somebody has to act. */
  readonly patienceMs: number;
}

const IMAGE_TROUBLE = new Set(['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull']);
const CONTAINER_TROUBLE = new Set([
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
  'PreCreateHookError',
]);

/** `refused`: what the API server said when it refused the pod of the Job. `undefined` once the container has started. */
export function obstacle(job: Job, pods: readonly Pod[], refused: string | undefined, now: Date): Obstacle | undefined {
  const pod = pods.at(-1);
  const left = (since: string | undefined, grace = GRACE_MS): number =>
    since === undefined ? grace : grace - (now.getTime() - Date.parse(since));
  if (pod === undefined) {
    const why = refused === undefined ? 'look at the events of the Job' : brief(refused);
    const message = `the Job ${job.metadata.name} gets no pod: ${why}; change the policy or the quota of the namespace`;
    return { reason: 'PodsRefused', message, patienceMs: left(job.metadata.creationTimestamp) };
  }
  if (pod.status?.phase !== 'Pending') return undefined;
  const { name, creationTimestamp } = pod.metadata;
  const scheduled = pod.status.conditions?.find((c) => c.type === 'PodScheduled' && c.status === 'False');
  if (scheduled !== undefined) {
    const message = `the pod ${name} finds no node: ${brief(scheduled.message ?? scheduled.reason)}; free or add capacity (100m CPU, 128Mi), or correct spec.pods of the cluster`;
    return { reason: 'Unschedulable', message, patienceMs: left(scheduled.lastTransitionTime ?? creationTimestamp) };
  }
  const status = pod.status.containerStatuses?.find((c) => c.name === 'backup');
  const { reason = '', message: text } = status?.state?.waiting ?? {};
  if (IMAGE_TROUBLE.has(reason)) {
    const image = status?.image ?? '';
    const message = `the pod ${name} cannot get its image ${image}: ${brief(text ?? reason)}; backup Jobs run the operator's image in the cluster's namespace: put a Secret that may pull it into spec.image.pullSecrets of the cluster, or load the image`;
    return { reason: 'ImageUnavailable', message, patienceMs: left(creationTimestamp) };
  }
  if (CONTAINER_TROUBLE.has(reason)) {
    const message = `the pod ${name} does not start: ${brief(`${reason} ${text ?? ''}`)}; put right what it names`;
    return { reason: 'PodNotStarting', message, patienceMs: left(creationTimestamp) };
  }
  const message = `the pod ${name} does not start: look at its events, most often a Secret that it mounts is missing`;
  return { reason: 'PodNotStarting', message, patienceMs: left(creationTimestamp, STARTING_GRACE_MS) };
}

const brief = (text = ''): string => printable(text).trim().slice(0, 400);
