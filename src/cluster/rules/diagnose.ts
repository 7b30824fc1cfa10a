// SPDX-License-Identifier: Apache-2.0
// Finds out why a member does not start, from what Kubernetes says of its pod.
import type { Pod } from '../../runtime/resources.ts';
import { oneLine } from '../../runtime/text.ts';
import type { Observed } from '../observed.ts';
import { refusalOf } from '../refusals.ts';
import type { Finding } from './rule.ts';

/** What comes by itself within this many milliseconds (a volume, an image, a slow API) is not worth an alarm. */
const GRACE_MS = 15_000;

/** A pod that has its node waits for a volume, a mount, a network or the kubelet: a minute is long for any of them. */
const STUCK_MS = 60_000;

const IMAGE_TROUBLE = new Set(['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull']);

/** The first thing that keeps a member from starting; blocked once it has lasted. */
export function diagnose(o: Observed): Finding | undefined {
  if (o.podsRefused !== undefined) {
    // Without the names of pod and StatefulSet: each pod is refused in turn.
    const text = o.podsRefused.replace(
      /^create Pod \S+ in StatefulSet \S+ failed error: (pods "\S+" is forbidden: )?/,
      '',
    );
    const { remedy } = refusalOf({ code: 'Forbidden', message: text });
    return { kind: 'blocked', reason: 'PodsRefused', message: `pods cannot be created: ${brief(text)}; ${remedy}` };
  }
  for (const pod of [...o.pods].toSorted((a, b) => a.metadata.name.localeCompare(b.metadata.name))) {
    const found = unscheduled(pod, o) ?? waiting(pod, o.now) ?? stuck(pod, o.now);
    if (found !== undefined) return found;
  }
  return undefined;
}

const since = (time: unknown, now: Date): number => (typeof time === 'string' ? now.getTime() - Date.parse(time) : 0);
const brief = (text: string): string => oneLine(text).slice(0, 400);
const kindAfter = (ms: number): Finding['kind'] => (ms > GRACE_MS ? 'blocked' : 'progress');

function unscheduled(pod: Pod, { now, claims }: Observed): Finding | undefined {
  const c = pod.status?.conditions?.find((x) => x.type === 'PodScheduled' && x.status === 'False');
  if (c === undefined) return undefined;
  const text = brief(c.message ?? c.reason ?? '');
  const storage = /storageclass|persistentvolumeclaim|volume/i.test(text);
  const remedy = storage
    ? 'create the StorageClass, free storage, or correct spec.storage'
    : 'free or add capacity, or correct spec.pods';
  return {
    kind: kindAfter(since(c.lastTransitionTime ?? pod.metadata.creationTimestamp, now)),
    reason: storage ? 'StorageUnavailable' : 'Unschedulable',
    message: `pod ${pod.metadata.name} cannot be scheduled: ${text}${storage ? unbound(claims) : ''}; ${remedy}`,
  };
}

/** The scheduler does not always name the claim, and hardly ever its class. */
function unbound(claims: Observed['claims']): string {
  const pending = claims
    .filter((c) => c.status?.phase === 'Pending')
    .map((c) => {
      const name = c.spec?.storageClassName;
      return `${c.metadata.name} (${name === undefined ? 'no StorageClass' : `StorageClass ${name}`})`;
    });
  return pending.length === 0 ? '' : `; not bound: ${pending.toSorted().join(', ')}`;
}

function waiting(pod: Pod, now: Date): Finding | undefined {
  const status = pod.status?.containerStatuses?.[0];
  const reason = status?.state?.waiting?.reason;
  const kind = kindAfter(since(pod.metadata.creationTimestamp, now));
  if (reason !== undefined && IMAGE_TROUBLE.has(reason)) {
    const message = `pod ${pod.metadata.name} cannot get its image ${status?.image ?? ''}: ${brief(status?.state?.waiting?.message ?? reason)}; correct spec.image or spec.version`;
    return { kind, reason: 'ImageUnavailable', message };
  }
  if (reason === 'CrashLoopBackOff' || reason === 'RunContainerError' || reason === 'CreateContainerConfigError') {
    const text = status?.lastState?.terminated?.message ?? status?.state?.waiting?.message ?? reason;
    return {
      kind,
      reason: 'MemberCrashing',
      message: `pod ${pod.metadata.name} does not stay up: ${brief(lastLine(text))}`,
    };
  }
  return undefined;
}

/** What the kubelet waits for it says in Events alone. */
function stuck({ metadata, spec, status }: Pod, now: Date): Finding | undefined {
  const bound = status?.conditions?.find((c) => c.type === 'PodScheduled' && c.status === 'True');
  const { state, lastState } = status?.containerStatuses?.[0] ?? {};
  const begun = state?.running ?? state?.terminated ?? lastState?.terminated;
  if (begun !== undefined || since(bound?.lastTransitionTime, now) < STUCK_MS) return undefined;
  const why = `\`kubectl describe pod -n ${metadata.namespace} ${metadata.name}\` tells why`;
  const message = `the container of pod ${metadata.name} has not been created on node ${spec?.nodeName}; ${why}, such as a volume that does not attach`;
  return { kind: 'blocked', reason: 'PodStuck', message };
}

/** etcd's last words are JSON lines; the message of the last one says it best. */
export function lastLine(text: string): string {
  const line = text.trim().split('\n').at(-1) ?? '';
  try {
    const entry = JSON.parse(line) as { msg?: string; error?: string };
    return [entry.msg, entry.error].filter((x) => x !== undefined).join(': ') || line;
  } catch {
    return line;
  }
}
