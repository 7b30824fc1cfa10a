// SPDX-License-Identifier: Apache-2.0
// What is said of a formed cluster: only what was seen, and not that it is well when its members complain.
import { describe, expect, it } from 'vitest';
import type { EtcdCluster } from '../../api/cluster.ts';
import type { MemberStatus } from '../../etcd/types.ts';
import type { Pod, Secret } from '../../runtime/resources.ts';
import type { MemberView, Observed, SecretState } from '../observed.ts';
import { healthRule, isWell, whyDown } from './health.ts';

const now = new Date('2026-11-23T10:00:00Z');
const EMPTY = 'cannot fetch cluster info from peer urls';

/** Member 0 has the decimal id 100. */
const serving = (i: number, errors: string[] = []): MemberView => ({
  name: `orders-${i}`,
  pod: { metadata: { name: `orders-${i}` } },
  started: true,
  provenFile: undefined,
  status: { memberId: (100 + i).toString(16), leaderId: '64', errors } as unknown as MemberStatus,
  error: undefined,
});

const silent = (i: number, container: object = {}): MemberView => ({
  ...serving(i),
  pod: { metadata: { name: `orders-${i}` }, status: { containerStatuses: [container] } } as unknown as Pod,
  status: undefined,
  error: 'no answer',
});

const operatorTls = (over: Partial<SecretState>): SecretState => ({
  need: { name: 'orders-tls-operator', side: 'client', leaves: [], extra: {} },
  secret: { metadata: { name: 'orders-tls-operator' } } satisfies Secret,
  foreign: undefined,
  problem: undefined,
  notAfter: new Date('2026-12-24T10:00:00Z'),
  ...over,
});

function told(
  members: MemberView[],
  read: boolean,
  own: Partial<SecretState> = {},
  lastTransitionTime = '2026-11-23T09:00:00Z',
) {
  const cluster = {
    metadata: { name: 'orders', namespace: 'shop' },
    status: {
      conditions: ['Available', 'MembersHealthy'].map((type) => ({ type, status: 'False', lastTransitionTime })),
    },
  } as unknown as EtcdCluster;
  const quorum = { read, clusterId: undefined, members: undefined, error: 'timeout' };
  const seen = { now, cluster, members, pods: [], claims: [], quorum, secrets: [operatorTls(own)] };
  return healthRule({ ...seen, known: { phase: 'Formed' } } as unknown as Observed)?.finding;
}

const trio = (first: MemberView) => [first, serving(1), serving(2)];
const all = (errors: string[]) => [0, 1, 2].map((i) => serving(i, errors));
const nobody = [0, 1, 2].map((i) => silent(i));

describe('a cluster that does not answer', () => {
  it('has lost its quorum when the operator could have asked', () => {
    expect(told(nobody, false)).toMatchObject({ kind: 'blocked', reason: 'QuorumLost' });
  });

  it.each<[string, Partial<SecretState>, RegExp]>([
    ['lost', { secret: undefined }, /orders-tls-operator is missing/],
    ['expired', { notAfter: new Date('2026-11-22T10:00:00Z') }, /orders-tls-operator expired 2026-11-22/],
    ['unreadable', { notAfter: undefined }, /orders-tls-operator holds no certificate/],
  ])('is not called down when the certificate of the operator is %s', (_state, own, says) => {
    const finding = told(nobody, false, own);
    expect(finding).toMatchObject({ kind: 'blocked', reason: 'CannotVerify' });
    expect(finding?.message).toMatch(says);
    expect(finding?.message).toContain('orders-ca-client');
  });

  it.each([
    [
      'for half a minute is taken for a restart',
      '2026-11-23T09:59:30Z',
      'progress',
      /^no linearizable read succeeds; /,
    ],
    ['for longer is a matter for somebody', '2026-11-23T09:59:29Z', 'blocked', /nothing is changed by itself/],
  ])('%s', (_sentence, since, kind, says) => {
    expect(told(nobody, false, {}, since)).toMatchObject({
      kind,
      reason: 'QuorumLost',
      message: expect.stringMatching(says) as string,
    });
  });

  it('because a member has lost its data is a matter for somebody at once', () => {
    const emptied = silent(0, { lastState: { terminated: { message: EMPTY } } });
    expect(told([emptied, silent(1), serving(2)], false, {}, '2026-11-23T09:59:59Z')).toMatchObject({
      kind: 'blocked',
      reason: 'QuorumLost',
    });
  });

  it('though each of its members does is told with what the one that was asked said', () => {
    expect(told(all([]), false)?.message).toMatch(/^no linearizable read succeeds \(asked of one member: timeout\)/);
  });

  it('what was answered counts more than what the certificate looks like', () => {
    expect(told(all([]), true, { notAfter: undefined })).toBeUndefined();
  });
});

describe('a member that answers', () => {
  it.each<[string, MemberView[], boolean, string | undefined]>([
    ['without complaint is well', all([]), true, undefined],
    ['that is full is told', all(['memberID:100 alarm:NOSPACE ']), true, 'AlarmRaised'],
    ['that is corrupt is told, though no read succeeds', all(['memberID:100  alarm:CORRUPT']), false, 'AlarmRaised'],
    ['without a leader is not well', trio(serving(0, ['etcdserver: no leader'])), true, 'MemberUnhealthy'],
  ])('%s', (_sentence, members, read, reason) => {
    const finding = told(members, read);
    expect(finding?.reason).toBe(reason);
    if (reason !== undefined) expect(finding?.message).toContain('orders-0');
    expect(finding?.message ?? '', 'the alarm of another one').not.toContain('orders-1');
    expect(members.map(isWell)).toEqual([reason === undefined, true, true]);
  });

  it('hides no lost data behind an alarm', () => {
    const emptied = silent(0, { lastState: { terminated: { message: EMPTY } } });
    const others = [1, 2].map((i) => serving(i, ['memberID:101 alarm:NOSPACE ']));
    expect(told([emptied, ...others], true)?.reason).toBe('MemberDataLost');
  });
});

describe('a member that does not answer', () => {
  it.each([
    ['for two minutes is waited for', '2026-11-23T09:58:00Z', 'progress', /^orders-0: no answer$/],
    [
      'for longer is a matter for somebody',
      '2026-11-23T09:57:59Z',
      'blocked',
      /^orders-0: no answer; .*look at the pods/,
    ],
  ])('%s', (_sentence, since, kind, says) => {
    const finding = told(trio(silent(0, { started: true, state: { running: {} } })), true, {}, since);
    expect(finding).toMatchObject({ kind, reason: 'MemberUnhealthy', message: expect.stringMatching(says) });
  });
});

describe('why a member is down', () => {
  const leaving: Pod = { metadata: { name: 'orders-0', deletionTimestamp: '2026-11-23T09:59:00Z' } };
  const lost = { terminated: { message: EMPTY } };
  it.each<[string, object, RegExp]>([
    ['it says itself that its data is gone', { lastState: lost, state: { waiting: {} } }, /data directory is empty/],
    ['it is between two such ends', { lastState: lost, state: { running: {} } }, /data directory is empty/],
    ['it has started since, so it has data', { lastState: lost, state: { running: {} }, started: true }, /no answer/],
    [
      'its newest end counts',
      { lastState: lost, state: { terminated: { message: 'no space left on device' } } },
      /it exits: no space/,
    ],
  ])('%s', (_sentence, container, says) => {
    expect(whyDown(silent(0, container))).toMatch(says);
  });

  it.each<[string, MemberView, RegExp]>([
    ['it has no pod', { ...silent(0), pod: undefined }, /^its pod is missing$/],
    ['its pod is on its way out', { ...silent(0), pod: leaving }, /^its pod is being replaced$/],
    ['it answers, and complains', serving(0, ['etcdserver: no leader']), /^it reports etcdserver: no leader$/],
    ['nobody knows', { ...silent(0), error: undefined }, /^it does not answer$/],
  ])('%s', (_sentence, member, says) => {
    expect(whyDown(member)).toMatch(says);
  });
});
