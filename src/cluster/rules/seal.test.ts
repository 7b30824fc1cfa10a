// SPDX-License-Identifier: Apache-2.0
// From the first start of the members to the seal after which none can start empty again.
import { describe, expect, it } from 'vitest';
import type { KubeObject } from '../../runtime/json.ts';
import type { Pod } from '../../runtime/resources.ts';
import {
  awaiting,
  boundPod,
  broken,
  down,
  expected,
  forming,
  members,
  now,
  observed,
  outcome,
  pod,
  type Row,
  unsealed,
} from '../fixtures.ts';
import type { SecretState } from '../observed.ts';
import { plan } from '../plan.ts';
import { renderMemberFiles } from '../render/memberfile.ts';

/** Made that many seconds ago. */
const aged = <T extends KubeObject>(o: T, seconds: number): T => {
  const creationTimestamp = new Date(now.getTime() - seconds * 1000).toISOString();
  return { ...o, metadata: { ...o.metadata, creationTimestamp } };
};

const going = (p: Pod): Pod => ({ ...p, metadata: { ...p.metadata, deletionTimestamp: '2026-11-23T09:59:00Z' } });

/** One of its conditions has changed that many seconds ago. */
const turned = (p: Pod, seconds: number): Pod => {
  const lastTransitionTime = new Date(now.getTime() - seconds * 1000).toISOString();
  return { ...p, status: { ...p.status, conditions: [{ type: 'Initialized', status: 'True', lastTransitionTime }] } };
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

/** The Secret of the members' files, as it should be. */
const serverSecret: SecretState = {
  ...broken,
  secret: { metadata: { name: 'orders-tls-server' } },
  problem: undefined,
};

const rows: Row[] = [
  {
    sentence: 'pods of an earlier attempt go before the new one starts',
    seen: observed({ identity: unsealed, pods: [pod(0, 'ffff')] }),
    action: 'DeletePods',
  },
  {
    sentence: 'but not twice',
    seen: observed({ identity: unsealed, secrets: [serverSecret], pods: [going(pod(0, 'ffff'))] }),
    action: 'SealMembers',
  },
  {
    sentence: 'no pod of a formed cluster is ever deleted, whatever it says',
    seen: observed({ pods: [0, 1, 2].map((i) => pod(i, 'ffff')) }),
  },
  {
    sentence: 'members that have not all started are waited for',
    seen: { ...awaiting(pod(2)), secrets: [serverSecret] },
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'a pod whose container is not created for a minute is named, with where to look',
    seen: awaiting(boundPod({ secondsAgo: 61, startTime: '2026-11-23T09:59:00Z', told: true })),
    finding: 'PodStuck',
    kind: 'blocked',
  },
  {
    sentence: 'a minority that has started waits for more',
    seen: observed({ identity: unsealed, secrets: [serverSecret], members: members(down(1), down(2)) }),
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
    seen: observed({ identity: forming(0), secrets: [serverSecret], members: members(down(1)) }),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'members that started with the files of another attempt are not sealed',
    seen: observed({
      identity: unsealed,
      secrets: [serverSecret],
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
    sentence: 'nor with that of the other side',
    seen: observed({
      identity: unsealed,
      secrets: [serverSecret],
      authorities: observed().authorities.map((a) =>
        a.side === 'client' ? { ...a, secret: undefined, fingerprint: undefined } : a,
      ),
    }),
    finding: 'AuthorityLost',
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
    sentence: 'a lost authority of the other side holds up nothing',
    seen: observed({
      identity: unsealed,
      secrets: [serverSecret],
      authorities: observed().authorities.map((a) =>
        a.side === 'peer' ? { ...a, secret: undefined, fingerprint: undefined } : a,
      ),
    }),
    action: 'SealMembers',
    finding: 'AuthorityLost',
    kind: 'blocked',
  },
  {
    sentence: 'a kubelet that could not be told with the first go does not hold up the second',
    seen: observed({ identity: forming(0, 1), secrets: [serverSecret], pods: [0, 1, 2].map((i) => pod(i)) }),
    action: 'SealMembers',
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
    sentence: 'but not while something still comes of their pods',
    seen: { ...starting(121), pods: [0, 1, 2].map((i) => turned(aged(pod(i), 121), 60)) },
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'whatever comes of the pods of others',
    seen: { ...starting(121), identity: forming(0), pods: [aged(pod(0), 1), aged(pod(1), 121), aged(pod(2), 121)] },
    finding: 'Bootstrapping',
    kind: 'blocked',
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
];

describe('forming', () => {
  it.each(rows)('$sentence', (row) => {
    expect(outcome(row)).toMatchObject(expected(row));
  });

  it('names the members that cannot be reached, and why', () => {
    expect(plan(starting(121)).findings[0]?.message).toMatch(/^0 of 3 members have started; .*orders-2: refused/);
  });

  it('seals exactly those that have started, with their files, and tells exactly their kubelets', () => {
    const other = { ...serverSecret, secret: { metadata: { name: 'orders-tls-peer' } } };
    const others = [{ ...other, need: { ...other.need, name: 'orders-tls-peer' } }, serverSecret];
    const seen = observed({ identity: unsealed, secrets: others, members: members(down(1)) });
    const { step } = plan(seen);
    const seal = step?.action === 'SealMembers' ? step.seal : undefined;
    expect(seal?.identity).toEqual(forming(0, 2));
    expect(seal?.secret.secret?.metadata.name).toBe('orders-tls-server');
    expect(seal?.secret.need.extra).toEqual(renderMemberFiles(forming(0, 2), 'shop').files);
    expect(seal?.nudges.map(({ pod: p }) => p.metadata.name)).toEqual(['orders-0', 'orders-2']);
  });
});
