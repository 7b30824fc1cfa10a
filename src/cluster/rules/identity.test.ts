// SPDX-License-Identifier: Apache-2.0
// Who a cluster is: drawn once, brought back from its claims, never mixed with another.
import { describe, expect, it } from 'vitest';
import type { EtcdCluster } from '../../api/cluster.ts';
import {
  allSealed,
  claimOf,
  cluster,
  down,
  expected,
  forming,
  identity,
  leaving,
  members,
  observed,
  outcome,
  pod,
  type Row,
  spec,
  unsealed,
} from '../fixtures.ts';
import type { Identity } from '../identity.ts';
import type { MemberView } from '../observed.ts';
import { plan } from '../plan.ts';

const EMPTY = '{"msg":"discovery failed","error":"cannot fetch cluster info from peer urls: x"}';

/** It has exited with these words, and its kubelet waits (or not) before it tries again. */
function exited(message: string, reason = 'CrashLoopBackOff', genesis = identity.genesis): MemberView {
  const containerStatuses = [{ state: { waiting: { reason } }, lastState: { terminated: { message } } }];
  return { ...down(1), pod: { ...pod(1, genesis), status: { podIP: '198.18.64.1', containerStatuses } } as never };
}

/** Its status names the genesis of what was formed. */
const named = (genesis: string) => ({ ...cluster, status: { genesis } }) as EtcdCluster;

const rows: Row[] = [
  {
    sentence: 'a cluster nobody has seen before is given an identity first',
    seen: observed({ identity: undefined, config: undefined, pods: [], recovered: { kind: 'none' } }),
    action: 'RecordIdentity',
    reason: 'Bootstrapping',
  },
  {
    sentence: 'claims of a formed cluster bring its identity back, sealed',
    seen: observed({
      identity: undefined,
      config: undefined,
      recovered: { kind: 'identity', from: 'claims', identity },
    }),
    action: 'RecordIdentity',
    reason: 'DataAdopted',
  },
  {
    sentence: 'claims of an older cluster are not taken for those that status names',
    seen: observed({
      identity: undefined,
      config: undefined,
      cluster: named('ffffffffffffffff'),
      recovered: { kind: 'identity', from: 'claims', identity },
    }),
    finding: 'IdentityLost',
    kind: 'blocked',
  },
  {
    sentence: 'those that status names are',
    seen: observed({
      identity: undefined,
      config: undefined,
      cluster: named(identity.genesis),
      recovered: { kind: 'identity', from: 'claims', identity },
    }),
    action: 'RecordIdentity',
    reason: 'DataAdopted',
  },
  {
    sentence: 'a record that somebody edited or deleted is put back from memory',
    seen: observed({ identity: undefined, recovered: { kind: 'identity', from: 'memory', identity } }),
    action: 'RecordIdentity',
    reason: 'ChildrenRestored',
  },
  {
    sentence: 'nothing is formed while claims of a formed cluster are being deleted',
    seen: observed({ identity: undefined, config: undefined, recovered: { kind: 'waiting', message: 'leaving' } }),
    finding: 'WaitingForDeletion',
    kind: 'progress',
  },
  {
    sentence: 'claims of two clusters are never mixed',
    seen: observed({ identity: undefined, recovered: { kind: 'refused', message: 'two' } }),
    finding: 'MixedData',
    kind: 'blocked',
  },
  {
    sentence: 'a formed cluster without record and claims is never bootstrapped again',
    seen: observed({
      identity: undefined,
      recovered: { kind: 'none' },
      cluster: named('x'),
    }),
    finding: 'IdentityLost',
    kind: 'blocked',
  },
  {
    sentence: 'a ConfigMap of somebody else is never taken over',
    seen: observed({ configForeign: 'stranger', identity: undefined }),
    finding: 'NameConflict',
    kind: 'blocked',
  },
  {
    sentence: 'objects of the deleted cluster of this name are waited for',
    seen: observed({ configForeign: 'predecessor', identity: undefined }),
    finding: 'WaitingForDeletion',
    kind: 'progress',
  },
  {
    sentence: 'a spec corrected before the cluster was formed is taken by forming it anew',
    seen: observed({ identity: unsealed, spec: { ...spec, replicas: 1 } }),
    action: 'RecordIdentity',
    reason: 'Bootstrapping',
  },
  {
    sentence: 'the same spec in other words is no correction',
    seen: observed({ identity: unsealed, spec: { ...spec, storage: { ...spec.storage, size: '1024Mi' } } }),
    finding: 'Bootstrapping',
    kind: 'progress',
  },
  {
    sentence: 'data that a member lost before the cluster was formed is made up for by forming it anew',
    seen: observed({ identity: allSealed, members: members(exited(EMPTY)) }),
    action: 'RecordIdentity',
    reason: 'Bootstrapping',
  },
  {
    sentence: 'also while other members are on their way',
    seen: observed({ identity: forming(0, 1), members: members(down(2), exited(EMPTY)) }),
    action: 'RecordIdentity',
    reason: 'Bootstrapping',
  },
  {
    sentence: 'but not once a claim is marked: whoever marked it had seen all members, and the record follows',
    seen: observed({
      identity: allSealed,
      members: members(exited(EMPTY)),
      claims: [claimOf(identity.genesis, true)],
    }),
    action: 'Form',
    reason: 'Formed',
  },
  {
    sentence: 'a claim that is being deleted goes with its pod: nothing may be acknowledged on it',
    seen: observed({ identity: allSealed, members: members(), claims: [leaving(claimOf(identity.genesis, false))] }),
    action: 'RecordIdentity',
    reason: 'Bootstrapping',
  },
  {
    sentence: 'but one of an earlier attempt that is being deleted does not matter',
    seen: observed({ identity: allSealed, members: members(), claims: [leaving(claimOf('feed', false))] }),
    action: 'Form',
    reason: 'Formed',
  },
  {
    sentence: 'a claim of another formed cluster keeps no attempt from being formed anew',
    seen: observed({ identity: allSealed, members: members(exited(EMPTY)), claims: [claimOf('feed', true)] }),
    action: 'RecordIdentity',
    reason: 'Bootstrapping',
  },
  {
    sentence: 'nor does one of this attempt that is not marked',
    seen: observed({
      identity: allSealed,
      members: members(exited(EMPTY)),
      claims: [claimOf(identity.genesis, false)],
    }),
    action: 'RecordIdentity',
    reason: 'Bootstrapping',
  },
  {
    sentence: 'not for the first exit, after which it is tried again',
    seen: observed({ identity: allSealed, members: members(exited(EMPTY, 'ContainerCreating')) }),
    finding: 'Sealing',
    kind: 'progress',
  },
  {
    sentence: 'nor for the last words of a pod of an earlier attempt',
    seen: observed({ identity: allSealed, members: members(exited(EMPTY, 'CrashLoopBackOff', 'feed')) }),
    finding: 'Sealing',
    kind: 'progress',
  },
  {
    sentence: 'nor for another reason to exit',
    seen: observed({ identity: allSealed, members: members(exited('{"msg":"no space left on device"}')) }),
    finding: 'Sealing',
    kind: 'progress',
  },
  {
    sentence: 'a formed cluster is never formed anew, whatever its members lost',
    seen: observed({ members: members(exited(EMPTY)) }),
    finding: 'MemberDataLost',
    kind: 'blocked',
  },
];

describe('the identity', () => {
  it.each(rows)('$sentence', (row) => {
    expect(outcome(row)).toMatchObject(expected(row));
  });

  it('that is drawn anew is another one, of nobody who is sealed, with the authorities that are there', () => {
    const edited = { ...spec, replicas: 1 };
    const drawn = (record: Identity) => {
      const { step } = plan(observed({ identity: record, spec: edited as typeof spec }));
      return step?.action === 'RecordIdentity' ? step : undefined;
    };
    const step = drawn(allSealed);
    expect(step?.identity).toMatchObject({ phase: 'Forming', authorities: identity.authorities });
    expect(step?.identity.genesis).not.toBe(identity.genesis);
    expect(step?.identity.members.map((m) => [m.name, m.sealed])).toEqual([['orders-0', false]]);
    expect(step?.replaces, 'the record that was read').toBe('7');
    const { authorities: _, ...unissued } = unsealed;
    expect(drawn(unissued)?.identity).not.toHaveProperty('authorities');
  });

  it.each([
    ['says what no claim told', { assumed: 'spec.image' }, /genesis 00112233aabbccdd\); spec\.image are taken as they/],
    ['says no more where the claims told all', {}, /genesis 00112233aabbccdd\)$/],
  ])('that is brought back %s', (_sentence, told, says) => {
    const recovered = { kind: 'identity', from: 'claims', identity, ...told } as const;
    expect(plan(observed({ identity: undefined, config: undefined, recovered })).step?.message).toMatch(says);
  });

  it.each([
    ['why it is not believed', 'it was edited', /^it was edited, and no claim/],
    ['that it is gone', undefined, /^the ConfigMap orders-config is gone, and no claim/],
  ])('that is lost is told with %s', (_sentence, identityProblem, says) => {
    const seen = observed({ identity: undefined, identityProblem, recovered: { kind: 'none' }, cluster: named('x') });
    expect(plan(seen).findings[0]?.message).toMatch(says);
  });
});
