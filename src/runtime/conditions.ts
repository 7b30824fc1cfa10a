// SPDX-License-Identifier: Apache-2.0
// Conditions: merging them so that transition times mean something, and checking that they keep the kstatus contract.
import type { KubeObject } from './json.ts';
import { oneLine } from './text.ts';
import { seconds } from './time.ts';

export interface Condition {
  type: string;
  status: 'True' | 'False' | 'Unknown';
  reason: string;
  message: string;
  observedGeneration: number;
  /** RFC 3339, seconds. */
  lastTransitionTime: string;
}

/** The server refuses longer messages. */
const MAX_MESSAGE = 32_768;

/** Keeps a transition time while the status stays the same, drops types that are absent from `next`, keeps its order. Messages are one line. */
export function mergeConditions(
  previous: readonly Condition[],
  next: readonly Omit<Condition, 'lastTransitionTime'>[],
  now: Date,
): Condition[] {
  return next.map((c) => {
    const before = previous.find((p) => p.type === c.type);
    const lastTransitionTime = before?.status === c.status ? before.lastTransitionTime : seconds(now);
    return { ...c, message: oneLine(c.message).slice(0, MAX_MESSAGE), lastTransitionTime };
  });
}

interface WithConditions extends KubeObject {
  status?: { observedGeneration?: number; conditions?: Condition[] };
}

/** What breaks the contract that kstatus, Flux and Argo CD read; undefined when it is kept. */
export function conditionsProblem(o: WithConditions): string | undefined {
  const status = o.status;
  if (status === undefined || status.observedGeneration === undefined || status.observedGeneration === -1)
    return undefined;
  const by = new Map((status.conditions ?? []).map((c) => [c.type, c]));
  const [ready, reconciling, stalled] = ['Ready', 'Reconciling', 'Stalled'].map((t) => by.get(t));
  if (ready === undefined) return 'Ready is missing';
  if (status.observedGeneration > (o.metadata.generation ?? 0)) return 'observedGeneration is ahead of generation';
  for (const c of by.values()) {
    if (c.observedGeneration > status.observedGeneration) return `${c.type} is ahead of observedGeneration`;
    if (ready.status === 'True' && c.observedGeneration !== status.observedGeneration)
      return `Ready is True while ${c.type} is of generation ${c.observedGeneration}`;
  }
  for (const c of [reconciling, stalled]) {
    if (c !== undefined && c.status !== 'True') return `${c.type} is present but ${c.status}`;
    if (c !== undefined && ready.status === 'True') return `${c.type} is True while Ready is True`;
    if (c !== undefined && c.reason !== ready.reason) return `${c.type} has reason ${c.reason}, Ready ${ready.reason}`;
    if (c !== undefined && c.message !== ready.message) return `${c.type} and Ready have different messages`;
  }
  if (reconciling !== undefined && stalled !== undefined) return 'Reconciling and Stalled at once';
  if (ready.status === 'Unknown' && reconciling === undefined) return 'Ready is Unknown without Reconciling';
  return undefined;
}
