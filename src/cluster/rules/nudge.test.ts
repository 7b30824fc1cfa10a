// SPDX-License-Identifier: Apache-2.0
// Which kubelets are told to look at their pods, and how often.
import { describe, expect, it } from 'vitest';
import { ANNOTATIONS } from '../../api/names.ts';
import type { Pod } from '../../runtime/resources.ts';
import {
  allSealed,
  awaiting,
  boundPod,
  expected,
  now,
  observed,
  outcome,
  pod,
  type Row,
  unsealed,
} from '../fixtures.ts';
import type { Observed } from '../observed.ts';
import { plan } from '../plan.ts';

/** All sealed and none proven; their kubelets were told first and last that many seconds ago. */
function toldFor(first: number, last: number, error?: string) {
  const ago = (seconds: number) => now.getTime() - seconds * 1000;
  const seen = observed({ identity: allSealed });
  const views = seen.members.map((m) => ({ ...m, provenFile: undefined, status: undefined, error }));
  const pods = seen.pods.map((p) => {
    const [hash] = p.metadata.annotations?.[ANNOTATIONS.file]?.split('@') ?? [];
    const annotations = { ...p.metadata.annotations, [ANNOTATIONS.file]: `${hash}@${ago(first)}@${ago(last)}` };
    return { ...p, metadata: { ...p.metadata, annotations } };
  });
  return { ...seen, members: error === undefined ? seen.members.map((m) => ({ ...m, provenFile: 'x' })) : views, pods };
}

const going = (p: Pod): Pod => ({ ...p, metadata: { ...p.metadata, deletionTimestamp: '2026-11-23T09:59:00Z' } });

const BEGUN = '2026-11-23T09:59:58Z';

const ago = (ms: number) => new Date(now.getTime() - ms).toISOString();

/** Pod 2 in this state of its binding to a node. */
const binding = (type: string, status: string): Pod => ({
  ...pod(2),
  status: { conditions: [{ type, status, lastTransitionTime: ago(60_000) }] },
});

/** Whose kubelets are told. */
function toldBy(seen: Observed): string[] {
  const { step } = plan(seen);
  return step?.action === 'NudgeKubelets' ? step.nudges.map((n) => n.pod.metadata.name) : [];
}

const oldFiles = observed({ identity: allSealed }).members.map((m) => ({
  ...m,
  provenFile: observed({ identity: unsealed }).files?.proofs[m.name],
}));

/** This member serves with an old file; its kubelet was told two seconds ago. */
const unproven = (i: number): Observed => {
  const seen = observed({ identity: allSealed });
  const provenFile = observed({ identity: unsealed }).files?.proofs[`orders-${i}`];
  return {
    ...seen,
    now: new Date(now.getTime() + 2_000),
    members: seen.members.map((m) => (m.name === `orders-${i}` ? { ...m, provenFile } : m)),
  };
};

const rows: Row[] = [
  {
    sentence: 'a kubelet that has not begun with a pod long after its binding is told of it',
    seen: awaiting(boundPod({ secondsAgo: 3 })),
    action: 'NudgeKubelets',
  },
  {
    sentence: 'a kubelet that was told of its pod is not told again',
    seen: awaiting(boundPod({ secondsAgo: 3, told: true })),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'a kubelet is given time to begin',
    seen: awaiting(boundPod({ secondsAgo: 1 })),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'a kubelet that has begun is given time for volumes and an address',
    seen: awaiting(boundPod({ secondsAgo: 4, startTime: BEGUN })),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'a kubelet that has begun and got no further is told',
    seen: awaiting(boundPod({ secondsAgo: 5, startTime: BEGUN })),
    action: 'NudgeKubelets',
  },
  {
    sentence: 'a kubelet that was told so is not told again',
    seen: awaiting(boundPod({ secondsAgo: 5, startTime: BEGUN, told: true })),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'a kubelet whose pod has an address is left alone, however long it takes',
    seen: awaiting(boundPod({ secondsAgo: 30, startTime: BEGUN, podIP: '198.18.0.9' })),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'pods that may not have the sealed files are made to look again',
    seen: observed({ identity: allSealed, members: oldFiles, now: new Date(now.getTime() + 2_000) }),
    action: 'NudgeKubelets',
  },
  {
    sentence: 'nobody is bothered again so soon',
    seen: observed({ identity: allSealed, members: oldFiles }),
    finding: 'Sealing',
    kind: 'progress',
  },
  {
    sentence: 'a kubelet that was told in vain is left alone for as long again',
    seen: toldFor(24, 11),
    finding: 'Sealing',
    kind: 'progress',
  },
  { sentence: 'then it is told again', seen: toldFor(23, 12), action: 'NudgeKubelets' },
  { sentence: 'once a minute at the least', seen: toldFor(600, 61), action: 'NudgeKubelets' },
  {
    sentence: 'sealed members that nobody can reach are a matter for somebody after two minutes',
    seen: toldFor(121, 1, 'it refuses the connection'),
    finding: 'Sealing',
    kind: 'blocked',
  },
  {
    sentence: 'as soon as all are sealed every kubelet is told, before anybody is asked',
    seen: observed({ identity: allSealed, pods: [0, 1, 2].map((i) => pod(i)), members: [] }),
    action: 'NudgeKubelets',
  },
];

describe('a kubelet', () => {
  it.each(rows)('$sentence', (row) => {
    expect(outcome(row)).toMatchObject(expected(row));
  });

  it.each<[string, Observed]>([
    ['of a pod that is bound to no node', awaiting(binding('PodScheduled', 'False'))],
    ['of a pod of which only something else is said', awaiting(binding('Ready', 'True'))],
    ['of a pod on its way out', awaiting(going(boundPod({ secondsAgo: 3 })))],
    ['of a pod that was bound two seconds ago', awaiting(boundPod({ secondsAgo: 2 }))],
    ['whose pod with an old file is on its way out', { ...unproven(1), pods: unproven(1).pods.map(going) }],
    ['that was told for the first time a second and a half ago', { ...unproven(1), now: new Date(ago(-1500)) }],
    ['that was told often, the last time a minute ago', toldFor(600, 60)],
    ['of a formed cluster', observed({ pods: [0, 1, 2].map((i) => pod(i)) })],
  ])('%s is not told', (_sentence, seen) => {
    expect(plan(seen).step).toBeUndefined();
  });

  it('of the one member that may have an old file is told alone', () => {
    expect(toldBy(unproven(1))).toEqual(['orders-1']);
  });

  it('keeps the time of the first telling', () => {
    const { step } = plan(toldFor(23, 12));
    const values = step?.action === 'NudgeKubelets' ? step.nudges.map((n) => n.value.split('@').slice(1)) : [];
    expect(values[0]).toEqual([String(now.getTime() - 23_000), String(now.getTime())]);
  });

  it('that was told in vain is named with its member, and why', () => {
    const [finding] = plan(toldFor(121, 1, 'it refuses the connection')).findings;
    expect(finding?.message).toMatch(/orders-0: it refuses the connection.*this lasts: look at/);
  });
});
