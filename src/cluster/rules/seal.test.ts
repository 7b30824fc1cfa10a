// SPDX-License-Identifier: Apache-2.0
// From the first start of the members to the proof that none can start empty again.
import { describe, expect, it } from 'vitest';
import { ANNOTATIONS } from '../../api/names.ts';
import type { KubeObject } from '../../runtime/json.ts';
import type { Pod } from '../../runtime/resources.ts';
import {
  allSealed,
  broken,
  claimOf,
  down,
  expected,
  forming,
  identity,
  members,
  now,
  observed,
  outcome,
  pod,
  type Row,
  spec,
  unmarked,
  unsealed,
} from '../fixtures.ts';
import type { SecretState } from '../observed.ts';
import { plan } from '../plan.ts';
import { renderMemberFiles } from '../render/memberfile.ts';

/** Pod 2, bound to its node that long ago. */
function bound(o: { secondsAgo: number; told?: boolean; startTime?: string }): Pod {
  const { files } = observed({ identity: unsealed });
  const { metadata } = pod(2, identity.genesis, o.told === true ? files?.proofs['orders-2'] : undefined);
  const lastTransitionTime = new Date(now.getTime() - o.secondsAgo * 1000).toISOString();
  const conditions = [{ type: 'PodScheduled', status: 'True', lastTransitionTime }];
  return { metadata, status: { conditions, ...(o.startTime === undefined ? {} : { startTime: o.startTime }) } };
}

/** Two members run and are sealed, the third is about to. */
const awaiting = (last: Pod) =>
  observed({
    identity: forming(0, 1),
    members: members(down(2)),
    pods: [...observed({ identity: forming(0, 1) }).pods.slice(0, 2), last],
  });

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

/** One member answers at the address of another, with the certificate that all share. */
const impostor = () => {
  const seen = observed({ identity: allSealed });
  const [first, second] = seen.members;
  return { ...seen, members: seen.members.map((m) => (m === second ? { ...m, status: first?.status } : m)) };
};

/** Made that many seconds ago. */
const aged = <T extends KubeObject>(o: T, seconds: number): T => {
  const creationTimestamp = new Date(now.getTime() - seconds * 1000).toISOString();
  return { ...o, metadata: { ...o.metadata, creationTimestamp } };
};

/** The pods are so old, and none of their members has started. */
function starting(seconds: number) {
  const { children } = observed({ identity: unsealed });
  return observed({
    identity: unsealed,
    members: members(down(0), down(1), down(2)),
    pods: [0, 1, 2].map((i) => aged(pod(i), seconds)),
    children: children.map((c) => ({ ...c, live: c.live && aged(c.live, 3600) })),
  });
}

const noQuorum = { read: false, clusterId: undefined, members: undefined, error: 'x' };

/** The Secret of the members' files, as it should be. */
const serverSecret: SecretState = {
  ...broken,
  secret: { metadata: { name: 'orders-tls-server' } },
  problem: undefined,
};

const oldFiles = observed({ identity: allSealed }).members.map((m) => ({
  ...m,
  provenFile: observed({ identity: unsealed }).files?.proofs[m.name],
}));

const rows: Row[] = [
  {
    sentence: 'pods of an earlier attempt go before the new one starts',
    seen: observed({ identity: unsealed, pods: [pod(0, 'ffff')] }),
    action: 'DeletePods',
  },
  {
    sentence: 'a kubelet that has not begun with a pod long after its binding is told of it',
    seen: awaiting(bound({ secondsAgo: 3 })),
    action: 'NudgeKubelets',
  },
  {
    sentence: 'a kubelet that was told of its pod is not told again',
    seen: awaiting(bound({ secondsAgo: 3, told: true })),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'a kubelet is given time to begin',
    seen: awaiting(bound({ secondsAgo: 1 })),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'a kubelet that has begun is left alone, however long it takes',
    seen: awaiting(bound({ secondsAgo: 3, startTime: '2026-11-23T09:59:58Z' })),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'members that have not all started are waited for',
    seen: awaiting(pod(2)),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'a pod whose container is not created for a minute is named, with where to look',
    seen: awaiting(bound({ secondsAgo: 61, startTime: '2026-11-23T09:59:00Z' })),
    finding: 'PodStuck',
    kind: 'blocked',
  },
  {
    sentence: 'a minority that has started waits for more',
    seen: observed({ identity: unsealed, members: members(down(1), down(2)) }),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'a majority that has started is sealed, whatever the others do',
    seen: observed({ identity: unsealed, secrets: [serverSecret], members: members(down(1)) }),
    action: 'SealMembers',
    reason: 'Sealing',
  },
  {
    sentence: 'the last to start are sealed together',
    seen: observed({ identity: forming(0), members: members(down(1)) }),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'members that started with the files of another attempt are not sealed',
    seen: observed({
      identity: unsealed,
      members: members().map((m, i) => ({ ...m, pod: pod(i, 'ffff') })),
    }),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'without an authority to sign with nothing is sealed',
    seen: observed({
      identity: unsealed,
      secrets: [serverSecret],
      authorities: observed().authorities.map((a) => ({ ...a, fingerprint: undefined })),
    }),
    finding: 'AuthorityReplaced',
    kind: 'blocked',
  },
  {
    sentence: 'nor with one whose key is not its own',
    seen: observed({
      identity: unsealed,
      secrets: [serverSecret],
      authorities: observed().authorities.map((x) => ({ ...x, problem: 'the key does not belong to the certificate' })),
    }),
    finding: 'AuthorityUnreadable',
    kind: 'blocked',
  },
  {
    sentence: 'a kubelet that could not be told with the first go does not hold up the second',
    seen: observed({ identity: forming(0, 1), secrets: [serverSecret], pods: [0, 1, 2].map((i) => pod(i)) }),
    action: 'SealMembers',
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
    sentence: 'members that do not start are waited for',
    seen: starting(119),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'members that have not started after two minutes are a matter for somebody',
    seen: starting(121),
    finding: 'Bootstrapping',
    kind: 'blocked',
  },
  {
    sentence: 'so is a leader that nobody has become two minutes after the seal',
    seen: { ...toldFor(121, 121), members: observed({ identity: allSealed }).members, quorum: noQuorum },
    finding: 'Bootstrapping',
    kind: 'blocked',
  },
  {
    sentence: 'a member that answers for another one proves nothing',
    seen: impostor(),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'a pod that is no pod of the StatefulSet does not count',
    seen: observed({
      identity: unsealed,
      secrets: [serverSecret],
      pods: [{ metadata: { ...pod(0).metadata, annotations: {}, ownerReferences: [] } }],
    }),
    action: 'SealMembers',
  },
  {
    sentence: 'as soon as all are sealed every kubelet is told, before anybody is asked',
    seen: observed({ identity: allSealed, pods: [0, 1, 2].map((i) => pod(i)), members: [] }),
    action: 'NudgeKubelets',
  },
  {
    sentence: 'without a quorum nothing counts as formed',
    seen: observed({
      identity: allSealed,
      quorum: { read: false, clusterId: undefined, members: undefined, error: 'x' },
      children: unmarked(allSealed),
    }),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'the claims are marked before the cluster counts as formed',
    seen: observed({ identity: allSealed, children: unmarked(allSealed) }),
    action: 'PutChildren',
    reason: 'ClaimsMarked',
  },
  {
    sentence: 'an edit in the last step before it counts as formed waits until it does',
    seen: observed({
      identity: allSealed,
      spec: { ...spec, replicas: 1 },
      claims: [claimOf(identity.genesis, true)],
      children: unmarked(allSealed),
    }),
    action: 'PutChildren',
    reason: 'ClaimsMarked',
  },
  {
    sentence: 'sealed, proven and marked is formed',
    seen: observed({ identity: allSealed }),
    action: 'RecordIdentity',
    reason: 'Formed',
  },
];

describe('forming', () => {
  it.each(rows)('$sentence', (row) => {
    expect(outcome(row)).toMatchObject(expected(row));
  });

  it('names the members that cannot be reached, and why', () => {
    const [finding] = plan(toldFor(121, 1, 'it refuses the connection')).findings;
    expect(finding?.message).toMatch(/orders-0: it refuses the connection.*this lasts: look at/);
    expect(plan(starting(121)).findings[0]?.message).toMatch(/^0 of 3 members have started; .*orders-2: refused/);
  });

  it('keeps the time of the first telling', () => {
    const { step } = plan(toldFor(23, 12));
    const values = step?.action === 'NudgeKubelets' ? step.nudges.map((n) => n.value.split('@').slice(1)) : [];
    expect(values[0]).toEqual([String(now.getTime() - 23_000), String(now.getTime())]);
  });

  it('seals exactly those that have started, with their files, and tells exactly their kubelets', () => {
    const seen = observed({ identity: unsealed, secrets: [serverSecret], members: members(down(1)) });
    const { step } = plan(seen);
    const seal = step?.action === 'SealMembers' ? step.seal : undefined;
    expect(seal?.identity).toEqual(forming(0, 2));
    expect(seal?.secret.need.extra).toEqual(renderMemberFiles(forming(0, 2), 'shop').files);
    expect(seal?.nudges.map(({ pod: p }) => p.metadata.name)).toEqual(['orders-0', 'orders-2']);
  });
});
