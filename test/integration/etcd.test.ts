// SPDX-License-Identifier: Apache-2.0
// The clients of one member against real etcd clusters with mutual TLS: all three minor versions, healthy and broken.
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemberClient } from '../../src/etcd/client.ts';
import { probe, servedCertificate } from '../../src/etcd/handshake.ts';
import { ClientPool } from '../../src/etcd/pool.ts';
import type { MemberStatus } from '../../src/etcd/types.ts';
import { createAuthority, issueLeaf } from '../../src/tls/authority.ts';
import { inspect } from '../../src/tls/inspect.ts';
import { LocalCluster } from './etcd/local-cluster.ts';

const VERSIONS = [
  { minor: '3.5', version: '3.5.33' },
  { minor: '3.6', version: '3.6.16' },
  { minor: '3.7', version: '3.7.3' },
];

/** Milliseconds until `act` succeeds, asked again every 20 ms. */
async function timeUntil(act: () => Promise<unknown>, limitMs: number): Promise<number> {
  const start = performance.now();
  for (;;) {
    try {
      await act();
      return performance.now() - start;
    } catch (e) {
      if (performance.now() - start > limitMs) throw e;
      await delay(20);
    }
  }
}

describe.each(VERSIONS)('etcd $version', ({ minor, version }) => {
  let cluster: LocalCluster;
  let clients: MemberClient[];
  const client = (n: number): MemberClient => clients[n] ?? expect.unreachable(`no client ${n}`);
  const statuses = (): Promise<MemberStatus[]> => Promise.all([0, 1, 2].map((n) => client(n).status()));

  /** The ordinal of the leader, as soon as all three agree on one. */
  async function leader(): Promise<number> {
    let found = -1;
    await timeUntil(async () => {
      const all = await statuses();
      found = all.findIndex((s) => s.memberId === s.leaderId);
      if (found === -1 || new Set(all.map((s) => s.leaderId)).size !== 1) throw new Error('no leader yet');
    }, 10_000);
    return found;
  }

  beforeAll(async () => {
    cluster = await LocalCluster.start(minor);
    clients = cluster.members.map((m) => new MemberClient(m.endpoint, cluster.tls));
    await leader();
  });

  afterAll(async () => {
    for (const c of clients ?? []) c.close();
    await cluster?.stop();
  });

  it('tells who it is, who leads, how far it is and how large its database is', async () => {
    const all = await statuses();
    expect(new Set(all.map((s) => s.clusterId)).size).toBe(1);
    expect(new Set(all.map((s) => s.memberId)).size).toBe(3);
    const [first] = all;
    expect(first).toMatchObject({ version, isLearner: false, errors: [], dbSize: expect.any(Number) });
    expect(first?.memberId).toMatch(/^[1-9a-f][0-9a-f]*$/);
    expect(first?.leaderId).toBe(all.find((s) => s.memberId === s.leaderId)?.memberId);
    expect(first?.raftAppliedIndex).toBeLessThanOrEqual(first?.raftIndex ?? 0n);
    expect(first?.dbSizeInUse).toBeLessThanOrEqual(first?.dbSize ?? 0);
    expect(first?.dbSizeQuota).toBe(minor === '3.5' ? undefined : 256 << 20);
  });

  it.each([true, false])('lists the members (linearizable: %s)', async (linearizable) => {
    const { clusterId, members } = await client(1).members({ linearizable });
    const seen = await statuses();
    expect(clusterId).toBe(seen[0]?.clusterId);
    expect(new Map(members.map((m) => [m.name, [m.id, m.peerUrls, m.isLearner]]))).toEqual(
      new Map(seen.map((s, n) => [`orders-${n}`, [s.memberId, [cluster.members[n]?.peerUrl], false]])),
    );
  });

  it('answers a linearizable read with the revision of the last write', async () => {
    using user = closing(cluster.user());
    const put = await user.etcd.put('k').value('v').exec();
    expect(await client(2).read()).toEqual({ revision: BigInt(put.header.revision) });
  });

  it('gives equal hashes on all members at one revision', async () => {
    const { revision } = await client(0).read();
    await Promise.all([1, 2].map((n) => client(n).read()));
    const hashes = await Promise.all([0, 1, 2].map((n) => client(n).hashKv(revision)));
    expect(new Set(hashes.map((h) => `${h.hash} ${h.compactRevision}`)).size).toBe(1);
    expect(hashes[0]?.hashRevision).toBe(minor === '3.5' ? 0n : revision);
    await expect(client(0).hashKv(revision + 1_000n)).rejects.toMatchObject({ code: 'FailedPrecondition' });
  });

  it('reports alarms', async () => {
    const { memberId } = await client(0).status();
    const memberID = BigInt(`0x${memberId}`).toString();
    using user = closing(cluster.user());
    expect(await client(0).alarms()).toEqual([]);
    await user.etcd.maintenance.alarm({ action: 'Activate', memberID, alarm: 'Nospace' });
    expect(await client(0).alarms()).toEqual([{ memberId, type: 'NOSPACE' }]);
    expect((await client(0).status()).errors.join()).toContain('NOSPACE');
    await user.etcd.maintenance.alarm({ action: 'Deactivate', memberID, alarm: 'Nospace' });
    expect(await client(0).alarms()).toEqual([]);
  });

  it('moves leadership when the leader is asked, and refuses when another member is asked', async () => {
    const from = await leader();
    const to = (from + 1) % 3;
    const { memberId } = await client(to).status();
    await expect(client(to).moveLeader(memberId)).rejects.toMatchObject({
      code: 'FailedPrecondition',
      class: 'conflict',
    });
    await client(from).moveLeader(memberId);
    expect(await leader()).toBe(to);
  });

  it('knows a learner, which answers for itself but not for a quorum', async () => {
    const peerURLs = [cluster.members[3]?.peerUrl ?? ''];
    let ID = '';
    // etcd takes new members only when all peers have been connected for five seconds.
    await timeUntil(async () => {
      using user = closing(cluster.user());
      ID = (await user.etcd.cluster.memberAdd({ peerURLs, isLearner: true })).member.ID;
    }, 15_000);
    await cluster.run(3);
    expect(await client(3).status()).toMatchObject({ isLearner: true, memberId: BigInt(ID).toString(16) });
    const { members } = await client(0).members({ linearizable: true });
    expect(members.filter((m) => m.isLearner).map((m) => m.name)).toEqual(['orders-3']);
    await expect(client(3).read()).rejects.toMatchObject({ code: 'FailedPrecondition' });
    using remover = closing(cluster.user());
    await remover.etcd.cluster.memberRemove({ ID });
    await cluster.kill(3);
  });

  it('serves a leaf that was replaced on disk, without a restart', async () => {
    const uris = ['urn:quorate:files:2222'];
    const { endpoint } = client(0);
    const dnsNames = cluster.members.map((m) => m.endpoint.serverName);
    const ipAddresses = cluster.members.map((m) => m.endpoint.host);
    const { key } = cluster.server;
    const request = {
      commonName: 'orders',
      dnsNames,
      ipAddresses,
      usages: ['server' as const, 'client' as const],
      key,
    };
    expect(inspect(await servedCertificate(endpoint, cluster.tls)).uris).toEqual([]);
    await cluster.writeServerLeaf(await issueLeaf(cluster.ca, { ...request, uris }));
    expect(inspect(await servedCertificate(endpoint, cluster.tls)).uris).toEqual(uris);
  });

  it('tells strangers from the dead: wrong authority, wrong name, wrong client, nobody there', async () => {
    const strangeCa = await createAuthority({ commonName: 'test CA' });
    const strange = await issueLeaf(strangeCa, { commonName: 'operator', usages: ['client'] });
    const cases = [
      [{ ...cluster.tls, ca: strangeCa.cert }, client(0).endpoint, 'Unauthenticated'],
      [cluster.tls, { ...client(0).endpoint, serverName: 'orders-9.shop.svc' }, 'Unauthenticated'],
      [{ ...cluster.tls, ...strange }, client(0).endpoint, 'Unauthenticated'],
      [cluster.tls, { ...client(0).endpoint, clientPort: 12_399 }, 'Unavailable'],
    ] as const;
    for (const [tls, endpoint, code] of cases) {
      const stranger = new MemberClient(endpoint, tls);
      await expect(stranger.status()).rejects.toMatchObject({
        name: 'EtcdError',
        code,
        message: /^orders-0: status: /,
      });
      stranger.close();
    }
    for (const [tls, endpoint, code] of cases.filter(([t]) => t.key === cluster.tls.key)) {
      await expect(servedCertificate(endpoint, tls)).rejects.toMatchObject({ name: 'EtcdError', code });
    }
  });

  it('cancels a call when the signal fires', async () => {
    const stop = new AbortController();
    await cluster.pause(0);
    const [status, certificate] = [
      client(0).status({ signal: stop.signal }),
      servedCertificate(client(0).endpoint, cluster.tls, { signal: stop.signal }),
    ];
    stop.abort();
    await expect(status).rejects.toMatchObject({ code: 'Cancelled' });
    await expect(certificate).rejects.toMatchObject({ code: 'Cancelled' });
    await expect(client(0).status({ signal: stop.signal })).rejects.toMatchObject({ code: 'Cancelled' });
    cluster.resume(0);
    await timeUntil(() => client(0).status(), 3_000);
  });

  it('fails a read within its deadline while there is no quorum, and reads again at once when there is', async () => {
    await leader();
    await cluster.pause(1);
    await cluster.pause(2);
    for (let i = 0; i < 4; i += 1) {
      const start = performance.now();
      await expect(client(0).read({ timeoutMs: 400 })).rejects.toMatchObject({ name: 'EtcdError', class: 'retryable' });
      expect(performance.now() - start).toBeLessThan(1_000);
    }
    await expect(client(1).status({ timeoutMs: 300 })).rejects.toMatchObject({ code: 'DeadlineExceeded' });
    // What the operator asks: the list that a quorum agrees on, which the one member alone cannot give.
    const agreed = client(0).members({ linearizable: true, timeoutMs: 400 });
    await expect(agreed).rejects.toMatchObject({ name: 'EtcdError', class: 'retryable' });
    expect((await client(0).members({ linearizable: false })).members).not.toEqual([]);
    cluster.resume(1);
    cluster.resume(2);
    expect(await timeUntil(() => client(0).read({ timeoutMs: 400 }), 5_000)).toBeLessThan(1_500);
    expect(await timeUntil(() => client(1).status({ timeoutMs: 400 }), 5_000)).toBeLessThan(1_500);
  });

  it('sees a killed member at once, and its return without waiting for a breaker', async () => {
    await cluster.kill(2);
    expect(
      await timeUntil(() => expect(client(2).status()).rejects.toMatchObject({ code: 'Unavailable' }), 2_000),
    ).toBeLessThan(1_000);
    expect(await probe(client(2).endpoint, '/livez')).toBe(false);
    // Asked all the while it is away, so that the longest pause between two attempts to connect is reached.
    await expect(timeUntil(() => client(2).status(), 2_000)).rejects.toMatchObject({ code: 'Unavailable' });
    await cluster.run(2);
    expect(await timeUntil(() => client(2).status(), 5_000)).toBeLessThan(1_500);
    expect(await probe(client(2).endpoint, '/livez')).toBe(true);
  });

  it('keeps one client per member until the address or the certificate changes', async () => {
    // What is judged here is which client answers, not how fast a busy machine shakes hands.
    const patient = { timeoutMs: 15_000 };
    const pool = new ClientPool();
    const { endpoint } = client(0);
    const ask = () => pool.get({ ...endpoint }, { ...cluster.tls });
    const [first, same] = await Promise.all([ask(), ask()]);
    expect(same).toBe(first);
    const renewed = {
      ...cluster.tls,
      ...(await issueLeaf(cluster.ca, { commonName: 'operator', usages: ['client'] })),
    };
    const second = await pool.get(endpoint, renewed);
    expect(second).not.toBe(first);
    await expect(first.status()).rejects.toMatchObject({ code: 'Unavailable' });
    await expect(second.status(patient)).resolves.toMatchObject({ version });
    const moved = await pool.get({ ...endpoint, host: client(1).endpoint.host }, renewed);
    expect((await moved.status(patient)).memberId).toBe((await client(1).status(patient)).memberId);
    pool.prune((key) => key !== endpoint.serverName);
    await expect(moved.status()).rejects.toMatchObject({ code: 'Unavailable' });
    pool.close();
  });
});

function closing<T extends { close(): void }>(etcd: T): { etcd: T } & Disposable {
  return { etcd, [Symbol.dispose]: () => etcd.close() };
}
