// SPDX-License-Identifier: Apache-2.0
// From the first start of the members to the proof that none can start empty again.
import { describe, expect, it } from 'vitest';
import type { Pod } from '../../runtime/resources.ts';
import {
  claimOf,
  down,
  expected,
  identity,
  members,
  now,
  observed,
  outcome,
  pod,
  type Row,
  spec,
  unmarked,
} from '../fixtures.ts';

/** Pod 2, bound to its node that long ago. */
function bound(o: { secondsAgo: number; told?: boolean; startTime?: string }): Pod {
  const { files } = observed({ phase: 'Open' });
  const { metadata } = pod(2, identity.genesis, o.told === true ? files?.uri : undefined);
  const lastTransitionTime = new Date(now.getTime() - o.secondsAgo * 1000).toISOString();
  const conditions = [{ type: 'PodScheduled', status: 'True', lastTransitionTime }];
  return { metadata, status: { conditions, ...(o.startTime === undefined ? {} : { startTime: o.startTime }) } };
}

/** Two members run, the third is about to. */
const forming = (last: Pod) =>
  observed({ phase: 'Open', members: members(down(2)), pods: [...observed({ phase: 'Open' }).pods.slice(0, 2), last] });

const wrongFiles = observed({ phase: 'Sealing' }).members.map((m) => ({
  ...m,
  servedFiles: 'urn:quorate:files:old',
}));

const rows: Row[] = [
  {
    sentence: 'pods of an earlier attempt go before the new one starts',
    seen: observed({ phase: 'Open', pods: [pod(0, 'ffff')] }),
    action: 'DeletePods',
  },
  {
    sentence: 'a kubelet that has not begun with a pod long after its binding is told of it',
    seen: forming(bound({ secondsAgo: 3 })),
    action: 'NudgeKubelets',
  },
  {
    sentence: 'a kubelet that was told of its pod is not told again',
    seen: forming(bound({ secondsAgo: 3, told: true })),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'a kubelet is given time to begin',
    seen: forming(bound({ secondsAgo: 1 })),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'a kubelet that has begun is left alone, however long it takes',
    seen: forming(bound({ secondsAgo: 3, startTime: '2026-11-23T09:59:58Z' })),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'members that have not all started are waited for',
    seen: observed({ phase: 'Open', members: members(down(2)) }),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'a pod whose container is not created for a minute is named, with where to look',
    seen: forming(bound({ secondsAgo: 61, startTime: '2026-11-23T09:59:00Z' })),
    finding: 'PodStuck',
    kind: 'blocked',
  },
  {
    sentence: 'when all have started, the seal is decided',
    seen: observed({ phase: 'Open' }),
    action: 'RecordIdentity',
    reason: 'Sealing',
  },
  {
    sentence: 'pods that may not have the sealed files are made to look again',
    seen: observed({ phase: 'Sealing', members: wrongFiles, now: new Date(now.getTime() + 2_000) }),
    action: 'NudgeKubelets',
  },
  {
    sentence: 'nobody is bothered again so soon',
    seen: observed({ phase: 'Sealing', members: wrongFiles }),
    finding: 'Sealing',
    kind: 'progress',
  },
  {
    sentence: 'as soon as the files are sealed every kubelet is told, before anybody is asked',
    seen: observed({ phase: 'Sealing', pods: [0, 1, 2].map((i) => pod(i)), members: [] }),
    action: 'NudgeKubelets',
  },
  {
    sentence: 'without a quorum nothing counts as formed',
    seen: observed({
      phase: 'Sealing',
      quorum: { read: false, clusterId: undefined, members: undefined, error: 'x' },
      children: unmarked('Sealing'),
    }),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'the claims are marked before the cluster counts as formed',
    seen: observed({ phase: 'Sealing', children: unmarked('Sealing') }),
    action: 'PutChildren',
    reason: 'ClaimsMarked',
  },
  {
    sentence: 'an edit in the last step before it counts as formed waits until it does',
    seen: observed({
      phase: 'Sealing',
      spec: { ...spec, replicas: 1 },
      claims: [claimOf(identity.genesis, true)],
      children: unmarked('Sealing'),
    }),
    action: 'PutChildren',
    reason: 'ClaimsMarked',
  },
  {
    sentence: 'sealed, proven and marked is formed',
    seen: observed({ phase: 'Sealing' }),
    action: 'RecordIdentity',
    reason: 'Formed',
  },
];

describe('forming', () => {
  it.each(rows)('$sentence', (row) => {
    expect(outcome(row)).toMatchObject(expected(row));
  });
});
