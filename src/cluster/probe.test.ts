// SPDX-License-Identifier: Apache-2.0
// Who is asked for the quorum, and what a bad certificate of ours does to a pass.
import { describe, expect, it, vi } from 'vitest';
import type { EtcdCluster } from '../api/cluster.ts';
import { EtcdError } from '../etcd/errors.ts';
import { ClientPool } from '../etcd/pool.ts';
import type { MemberStatus } from '../etcd/types.ts';
import type { Pod, Secret } from '../runtime/resources.ts';
import type { Identity } from './identity.ts';
import type { SecretState } from './observed.ts';
import { firstAnswer, likeliest, observeEtcd } from './probe.ts';

/** One member at an address, to be asked with this Secret of the operator. */
function subject(data: Record<string, string>) {
  const secret: Secret = { metadata: { name: 'orders-tls-operator' }, data };
  const need = { name: 'orders-tls-operator', side: 'client' as const, leaves: [], extra: {} };
  const notAfter = new Date('2126-11-23T10:00:00Z');
  const state: SecretState = { need, secret, foreign: undefined, problem: undefined, notAfter };
  return {
    cluster: { metadata: { name: 'orders', namespace: 'shop' } } as EtcdCluster,
    identity: {
      phase: 'Formed',
      members: [{ name: 'orders-0', incarnation: '00000000', sealed: true }],
    } as unknown as Identity,
    files: { files: {}, proofs: {} },
    pods: [{ metadata: { name: 'orders-0', namespace: 'shop' }, status: { podIP: '127.0.0.1' } }],
    secrets: [state],
  };
}

const member = (memberId: string, leaderId: string, term: number) =>
  ({ memberId, leaderId, raftTerm: BigInt(term) }) as MemberStatus;

describe('the quorum', () => {
  it('is asked of the leader of the newest term first, then of the others', () => {
    const old = member('a', 'a', 7);
    const leader = member('b', 'b', 9);
    const follower = member('c', 'b', 9);
    for (const given of [
      [old, leader, follower],
      [follower, old, leader],
      [leader, follower, old],
    ])
      expect(given.toSorted(likeliest).map((m) => m.memberId)).toEqual(['b', 'a', 'c']);
  });

  const fails = (text: string) => async (): Promise<string> => {
    throw new Error(text);
  };
  const never = (): Promise<string> => new Promise(() => undefined);
  const answers = async () => 'yes';

  it('is not asked twice when the first one answers', async () => {
    expect(await firstAnswer([answers, () => Promise.reject(new Error('was asked'))], 5)).toBe('yes');
  });
  it('is asked of the next one when one fails', async () => {
    expect(await firstAnswer([fails('a'), fails('b'), answers], 60_000)).toBe('yes');
  });
  it('is asked of the next one when one keeps still', async () => {
    expect(await firstAnswer([never, never, answers], 5)).toBe('yes');
  });
  it('is not given up with a slow one when the others fail', async () => {
    const slow = Promise.withResolvers<string>();
    const last = async (): Promise<string> => {
      // After this failure has been seen.
      setImmediate(() => slow.resolve('yes'));
      throw new Error('c');
    };
    expect(await firstAnswer([() => slow.promise, fails('b'), last], 5)).toBe('yes');
  });
  it('when all fail, says what the first one said', async () => {
    await expect(firstAnswer([fails('a'), fails('b'), fails('c')], 5)).rejects.toThrow('a');
  });
});

/** Fails as soon as anybody is asked. */
const nobody = {
  get: () => {
    throw new Error('was asked');
  },
} as unknown as ClientPool;
const text64 = Buffer.from('x').toString('base64');
const whole = { 'ca.crt': text64, 'tls.crt': text64, 'tls.key': text64 };

describe('a member that cannot be asked', () => {
  const silent = { started: false, status: undefined };
  const seenOf = (pod: Pod | undefined, data = whole) => {
    const given = { ...subject(data), pods: pod === undefined ? [] : [pod] };
    return observeEtcd(nobody, given, new AbortController().signal);
  };
  const pod: Pod = { metadata: { name: 'orders-0', namespace: 'shop' }, status: { podIP: '127.0.0.1' } };
  it.each<[string, Pod | undefined]>([
    ['for want of a pod', undefined],
    ['while the pods are those of others', { ...pod, metadata: { ...pod.metadata, name: 'orders-1' } }],
    ['for want of an address', { ...pod, status: {} }],
    ['because its pod is about to go', { ...pod, metadata: { ...pod.metadata, deletionTimestamp: 'now' } }],
  ])('%s is not, and nobody says why', async (_sentence, given) => {
    const { members, quorum } = await seenOf(given);
    expect(members).toMatchObject([{ ...silent, error: undefined }]);
    expect(quorum.read).toBe(false);
  });

  it.each(['ca.crt', 'tls.crt', 'tls.key'] as const)(
    'for want of %s of our own is not, and that is said',
    async (key) => {
      const { [key]: _, ...rest } = whole;
      const given = { ...subject(rest), secrets: subject(rest).secrets.map((s) => ({ ...s, notAfter: undefined })) };
      const { members } = await observeEtcd(nobody, given, new AbortController().signal);
      expect(members).toMatchObject([{ ...silent, error: expect.stringContaining('holds no certificate') as string }]);
    },
  );

  it.each<[string, object, object]>([
    ['that is sealed', { sealed: true }, {}],
    ['whose container has passed its startup probe', { sealed: false }, { containerStatuses: [{ started: true }] }],
  ])('%s counts as started before all are sealed, without being asked', async (_sentence, record, status) => {
    const given = subject(whole);
    const second = { name: 'orders-1', incarnation: '00000001', sealed: false };
    const first = { name: 'orders-0', incarnation: '00000000', ...record };
    const identity = { phase: 'Forming', members: [first, second] } as unknown as Identity;
    const pods = [{ ...pod, status: { ...pod.status, ...status } }] as Pod[];
    const { members } = await observeEtcd(nobody, { ...given, identity, pods }, new AbortController().signal);
    expect(members.map((m) => m.started)).toEqual([true, false]);
  });
});

describe('while nothing is wrong', () => {
  const status = { memberId: 'a', leaderId: 'a', clusterId: 'c', raftTerm: 1n, errors: [] as string[] };
  /** What was asked in a second look, after a first that found `answer`. */
  async function second(o: {
    phase?: string;
    errors?: string[];
    pod?: Pod;
    quorum?: () => Promise<object>;
    afterMs?: number;
  }) {
    const asked: string[] = [];
    const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
    let look = 1;
    const list = async () => ({ clusterId: 'c', members: [] });
    const client = {
      status: async () => (asked.push('status'), { ...status, errors: o.errors ?? [] }),
      members: () => (asked.push('quorum'), look === 2 && o.quorum !== undefined ? o.quorum() : list()),
    };
    const pool = { get: async () => client } as unknown as ClientPool;
    const given = subject(whole);
    const identity = { ...given.identity, phase: o.phase ?? 'Formed' } as Identity;
    const signal = new AbortController().signal;
    await observeEtcd(pool, { ...given, identity }, signal);
    asked.length = 0;
    look = 2;
    clock.mockReturnValue(o.afterMs ?? 25_000);
    const seen = await observeEtcd(
      pool,
      { ...given, identity, pods: o.pod === undefined ? given.pods : [o.pod] },
      signal,
    );
    clock.mockRestore();
    expect(seen.members.map((m) => m.status?.memberId)).toEqual(['a']);
    return { asked, read: seen.quorum.read };
  }
  const pod: Pod = { metadata: { name: 'orders-0', namespace: 'shop' }, status: { podIP: '127.0.0.1' } };
  const fails = async () => Promise.reject(new EtcdError('NoLeader', 'x'));

  it.each<[string, Parameters<typeof second>[0], string[], boolean]>([
    ['only the quorum is asked again', {}, ['quorum'], true],
    ['the members are when their pod is another object', { pod }, ['status', 'quorum'], true],
    ['they are when one complained', { errors: ['alarm:NOSPACE '] }, ['status', 'quorum'], true],
    ['they are when no quorum answers', { quorum: fails }, ['quorum', 'status', 'quorum'], false],
    [
      'they are at a look that comes early, because something happened',
      { afterMs: 19_999 },
      ['status', 'quorum'],
      true,
    ],
    ['they are when what they said is old', { afterMs: 40_001 }, ['status', 'quorum'], true],
    ['they are while the cluster forms', { phase: 'Proving' }, ['status', 'quorum'], true],
  ])('%s', async (_sentence, given, asked, read) => {
    expect(await second(given)).toEqual({ asked, read });
  });

  it('a leader that does not answer is found out, though another one would', async () => {
    const clock = vi.spyOn(performance, 'now').mockReturnValue(0);
    const given = subject(whole);
    const names = ['orders-0', 'orders-1'];
    const members = names.map((name) => ({ name, incarnation: '00000000', sealed: true }));
    const identity = { phase: 'Formed', members } as unknown as Identity;
    const pods = names.map((name) => ({
      metadata: { name, namespace: 'shop' },
      status: { podIP: '127.0.0.1' },
    })) as Pod[];
    let away = '';
    const gone = async () => Promise.reject(new EtcdError('Unavailable', 'x'));
    const client = (name: string) => ({
      status: () => (away === name ? gone() : Promise.resolve({ ...status, memberId: name, leaderId: 'orders-1' })),
      members: () => (away === name ? gone() : Promise.resolve({ clusterId: 'c', members: [] })),
    });
    const pool = { get: async ({ name }: { name: string }) => client(name) } as unknown as ClientPool;
    const look = () => observeEtcd(pool, { ...given, identity, pods }, new AbortController().signal);
    await look();
    clock.mockReturnValue(25_000);
    away = 'orders-1';
    const { members: seen, quorum } = await look();
    clock.mockRestore();
    expect(seen.map((m) => [m.name, m.error])).toEqual([
      ['orders-0', undefined],
      ['orders-1', 'it does not answer'],
    ]);
    expect(quorum.read).toBe(true);
  });
});

describe('a member that hangs', () => {
  it('reads the same at every look', async () => {
    const hangs = async () => {
      throw EtcdError.from(
        new Error(`4 DEADLINE_EXCEEDED: Deadline exceeded after ${Math.random()}s`),
        'orders-0: status',
      );
    };
    const pool = { get: () => ({ status: hangs }) } as unknown as ClientPool;
    const text = Buffer.from('x').toString('base64');
    const data = { 'ca.crt': text, 'tls.crt': text, 'tls.key': text };
    const seen = await observeEtcd(pool, subject(data), new AbortController().signal);
    expect(seen.members.map((m) => m.error)).toEqual(['it does not answer']);
  });
});

describe('a certificate of ours that nobody can read', () => {
  it('is told of each member, and does not end the pass', async () => {
    const pool = new ClientPool();
    const text = Buffer.from('no certificate').toString('base64');
    const data = { 'ca.crt': text, 'tls.crt': text, 'tls.key': text };
    const seen = await observeEtcd(pool, subject(data), new AbortController().signal);
    pool.close();
    expect(seen.quorum.read).toBe(false);
    expect(seen.members.map((m) => [m.status, m.error])).toEqual([[undefined, expect.stringMatching(/./)]]);
  });
});
