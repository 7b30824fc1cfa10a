// SPDX-License-Identifier: Apache-2.0
// Operators that die, freeze, are cut off or replaced: one writes at a time, and etcd does not notice.
import { isDeepStrictEqual } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import type { EtcdCluster } from '../../src/api/cluster.ts';
import { etcdClusters } from '../../src/api/resources.ts';
import { leases, type Pod, services, statefulSets } from '../../src/runtime/resources.ts';
import type { RequestRecord } from '../testbed/proxy/protocol.ts';
import { cluster, waitAvailable } from './harness/cluster.ts';
import { grace, nextVersion } from './harness/nextversion.ts';
import { memberLives, reappears, repairs } from './harness/scenario.ts';
import { useOperator } from './harness/suite.ts';
import { throughout, until } from './harness/until.ts';

const suite = useOperator({ namespaces: 1, proxy: true, replicas: 2 });
const namespaceOf = () => suite.namespaces[0] ?? '';
const object = () => cluster(namespaceOf(), 'steady', { replicas: 3 });

/** The lease's duration is 15 s; a new leader may need that, and a little. */
const takeOverMs = 45_000;

async function ensureCluster(): Promise<void> {
  const found = await suite.kube.find(etcdClusters, object().metadata);
  if (!found) await suite.kube.create(etcdClusters, object());
  await waitAvailable(suite.kube, namespaceOf(), 'steady', 120_000);
}

async function lease() {
  const [found] = await suite.kube.list(leases, suite.operator.namespace);
  if (!found) throw new Error('there is no Lease');
  return found;
}

async function nextLeader(old: string, within = takeOverMs): Promise<Pod> {
  await until(`somebody else than ${old} leads`, {
    within,
    read: () => suite.operator.holder(),
    holds: (holder) => holder !== '' && !holder.startsWith(old),
  });
  return suite.operator.leader();
}

/** Without one a rule or a search would match nothing, and every proof of silence would hold. */
function addressOf({ metadata, status }: Pod): string {
  if (!status?.podIP) throw new Error(`${metadata.name} has no address`);
  return status.podIP;
}

/** What a replica wrote since a time, the Lease and Events aside, as `time verb path`. */
async function writesOf(pod: Pod, since: number): Promise<string[]> {
  const client = addressOf(pod);
  return (await suite.proxy.writes({ client })).filter(({ startedAt }) => startedAt > since).map(sentence);
}

const sentence = ({ startedAt, verb, path, status }: RequestRecord) =>
  `${new Date(startedAt).toISOString()} ${verb} ${path} ${status}`;

/** When a replica ended because it had lost the lease, as its log says: the first time after another one. */
async function endsFenced({ metadata: { namespace = '', name } }: Pod, since: number): Promise<number> {
  const ends = await until(`${name} ends, because it has lost the lease`, {
    within: 20_000,
    read: async () => {
      const logs = [true, false].map((previous) => suite.kube.logs(namespace, name, { previous }).catch(() => ''));
      return (await Promise.all(logs))
        .join('\n')
        .split('\n')
        .filter((line) => line.includes('"leadership was lost: '))
        .map((line) => Date.parse((JSON.parse(line) as { time: string }).time))
        .filter((time) => time >= since);
    },
    holds: (times) => times.length > 0,
  });
  return Math.min(...ends);
}

/** Waits until a cluster's StatefulSet gives its pods so many seconds to end. */
async function renderedWith({ metadata }: EtcdCluster, seconds: number): Promise<void> {
  await until(`the pods of ${metadata.name} are to have ${seconds} s`, {
    within: 60_000,
    read: () => suite.kube.get(statefulSets, metadata),
    holds: ({ spec }) => spec?.template.spec?.terminationGracePeriodSeconds === seconds,
  });
}

/** Restarts of each replica by its name. */
async function replicaRestarts(): Promise<Record<string, number>> {
  const found = await suite.operator.pods();
  return Object.fromEntries(
    found.map(({ metadata, status }) => [metadata.name, status?.containerStatuses?.[0]?.restartCount ?? 0]),
  );
}

async function replicasReady(): Promise<void> {
  await until('both replicas are ready', {
    within: 90_000,
    read: () => suite.operator.pods(),
    holds: (pods) => pods.length === 2 && pods.every(({ status }) => status?.containerStatuses?.[0]?.ready === true),
  });
}

describe('leadership', () => {
  afterEach(async () => {
    await suite.proxy.clearRules();
    await suite.proxy.up();
    await suite.operator.kill('SIGCONT').catch(() => undefined);
    await replicasReady();
  });

  // 45 s, three times the lease, instead of the catalogue's 10 min: both replicas lose everything that time can take.
  test('12. with the API server out of its reach for 45 s the operator lives, etcd goes on, and it converges within 30 s of the return', async () => {
    await ensureCluster();
    const recording = await suite.record(object());
    const lives = await memberLives(suite.kube, object());
    const service = { namespace: namespaceOf(), name: 'steady-client' };
    const { metadata } = await suite.kube.get(services, service);
    const before = await replicaRestarts();
    await suite.proxy.down();
    await suite.kube.delete(services, service);
    await throughout('etcd goes on, no member is touched, and what was deleted stays away', {
      within: 45_000,
      read: async () => ({
        counts: await recording.counts(),
        lives: await memberLives(suite.kube, object()),
        service: await suite.kube.find(services, service),
      }),
      holds: (seen) => {
        const { longestGapMs, sinceLastAckMs = 0 } = seen.counts;
        if (Math.max(longestGapMs, sinceLastAckMs) >= 3000) return 'for 3 s no write was acknowledged';
        return isDeepStrictEqual(seen.lives, lives) && seen.service === undefined;
      },
    });
    await suite.proxy.up();
    await reappears(suite.kube, object(), metadata.uid ?? '', 30_000);
    expect(await memberLives(suite.kube, object())).toEqual(lives);
    // Losing the lease ends the leader's process once; its successor waits for the API server instead of dying again and again.
    const after = await replicaRestarts();
    expect(Object.keys(after)).toEqual(Object.keys(before));
    for (const [name, count] of Object.entries(after)) expect(count - (before[name] ?? 0), name).toBeLessThanOrEqual(1);
    await suite.settle(object(), recording);
  });

  test('28. a version that renders pods otherwise completes a bootstrap of the one before; rolled back and forth, it restarts no etcd pod', async () => {
    const young = cluster(namespaceOf(), 'young', { replicas: 3 });
    const image = await nextVersion();
    const midway = await suite.proxy.rule(
      { verb: 'create', namespace: namespaceOf(), resource: 'statefulsets' },
      { kind: 'hold', at: 'request' },
    );
    await suite.kube.create(etcdClusters, young);
    await midway.held(60_000);
    await Promise.all([
      suite.operator.install({ image }),
      // Whoever of the old ones leads meanwhile comes no further than this either.
      until('the next version leads, and has come as far as the one before', {
        within: 150_000,
        read: async () => {
          const { client } = (await midway.held(5000)).request;
          return (await suite.operator.pods()).find(({ status }) => status?.podIP === client);
        },
        holds: (pod) => pod?.spec?.containers[0]?.image === `${image.repository}:${image.tag}`,
      }),
    ]);
    await midway.remove();
    await waitAvailable(suite.kube, namespaceOf(), 'young');
    await renderedWith(young, grace.next);
    const lives = await memberLives(suite.kube, young);
    expect(lives.map((life) => life.split(' restarts ')[1])).toEqual(['0', '0', '0']);
    for (const [values, seconds] of [
      [{}, grace.now],
      [{ image }, grace.next],
      [{}, grace.now],
    ] as const) {
      await suite.operator.install(values);
      await renderedWith(young, seconds);
      await repairs(suite.kube, young, 30_000);
      expect(await memberLives(suite.kube, young)).toEqual(lives);
    }
    await suite.dismiss(young);
  }, 420_000);

  test('29. on SIGTERM the leader ends the write that it is at, gives the lease away at once and ends within 30 s', async () => {
    await ensureCluster();
    const old = await suite.operator.leader();
    const { holderIdentity, leaseTransitions: before = 0 } = (await lease()).spec ?? {};
    const create = { verb: 'create', resource: 'services', namespace: namespaceOf() } as const;
    const writing = await suite.proxy.rule({ ...create, client: addressOf(old) }, { kind: 'hold', at: 'request' });
    const service = { namespace: namespaceOf(), name: 'steady-client' };
    await suite.kube.delete(services, service);
    const { request } = await writing.held(10_000);
    await suite.operator.kill('SIGTERM', old);
    await throughout('the lease is kept while a write is under way', {
      within: 3_000,
      read: lease,
      holds: ({ spec }) => spec?.holderIdentity === holderIdentity,
    });
    await writing.remove();
    // Without a release nobody could take it before the lease has run out; its own Pod, started again, may be the first to.
    await until('the lease is taken anew', {
      within: 10_000,
      read: lease,
      holds: ({ spec }) => (spec?.holderIdentity ?? '') !== '' && (spec?.leaseTransitions ?? 0) > before,
    });
    await until('the process has ended', {
      within: 30_000,
      read: async () => (await suite.operator.pods()).find(({ metadata }) => metadata.uid === old.metadata.uid),
      holds: (pod) => {
        const now = pod?.status?.containerStatuses?.[0];
        return now?.state?.running === undefined || now.containerID !== old.status?.containerStatuses?.[0]?.containerID;
      },
    });
    const written = await suite.proxy.writes({ ...create, client: addressOf(old) });
    expect(written.find(({ id }) => id === request.id)?.status, 'what came of its last write').toBe(201);
    await repairs(suite.kube, object(), 20_000);
    await suite.settle(object());
  });

  test('30. a leader frozen past its lease writes nothing when it thaws', async () => {
    await ensureCluster();
    const recording = await suite.record(object());
    const old = await suite.operator.leader();
    const [standby] = (await suite.operator.pods()).filter(({ metadata }) => metadata.name !== old.metadata.name);
    if (!standby) throw new Error('there is no second replica');
    const create = { verb: 'create', resource: 'services', namespace: namespaceOf() } as const;
    const client = addressOf(old);
    const flying = await suite.proxy.rule({ ...create, client }, { kind: 'hold', at: 'request' });
    // The new leader is slow to repair: an old one that still acted would be first.
    await suite.proxy.rule({ ...create, client: addressOf(standby) }, { kind: 'delay', ms: 4000 });
    const service = { namespace: namespaceOf(), name: 'steady-client' };
    const { metadata } = await suite.kube.get(services, service);
    await suite.kube.delete(services, service);
    const { request } = await flying.held(10_000);
    await suite.operator.kill('SIGSTOP', old);
    // Its kubelet gives a silent process half a minute; the lease ends after half of that.
    await nextLeader(old.metadata.name);
    const thawed = Date.now();
    await suite.operator.kill('SIGCONT', old);
    await endsFenced(old, thawed);
    await reappears(suite.kube, object(), metadata.uid ?? '', 20_000);
    await flying.remove();
    await suite.settle(object(), recording);
    expect(await writesOf(old, thawed)).toEqual([]);
    const tried = (await suite.proxy.writes({ ...create, client })).filter(({ id }) => id >= request.id);
    expect(tried.map(({ id }) => id)).toContain(request.id);
    const asked = tried.filter(({ serverStatus }) => serverStatus !== undefined);
    expect(asked.map(sentence), 'that the server got to see').toEqual([]);
  });

  test('31. a leader cut off alone stops before its lease ends, and the other takes over', async () => {
    await ensureCluster();
    const recording = await suite.record(object());
    const old = await suite.operator.leader();
    const client = addressOf(old);
    const alone = Date.now();
    const cut = await suite.proxy.rule({ client }, { kind: 'reset' });
    await suite.proxy.rule({ client, verb: 'watch' }, { kind: 'cut', how: 'reset' });
    const service = { namespace: namespaceOf(), name: 'steady-client' };
    const { metadata } = await suite.kube.get(services, service);
    await suite.kube.delete(services, service);
    await nextLeader(old.metadata.name);
    const changed = Date.parse((await lease()).spec?.acquireTime ?? '');
    await reappears(suite.kube, object(), metadata.uid ?? '', 20_000);
    expect(await writesOf(old, changed), 'tries to write after another leads').toEqual([]);
    expect(await endsFenced(old, alone), 'the end of the old leader').toBeLessThan(changed);
    await cut.remove();
    await suite.settle(object(), recording);
  });

  test('a leader whose renewals take 4.5 s each goes on leading', async () => {
    await ensureCluster();
    const { metadata } = await suite.operator.leader();
    const before = await replicaRestarts();
    const slow = { verb: 'update', resource: 'leases', namespace: suite.operator.namespace } as const;
    const rule = await suite.proxy.rule(slow, { kind: 'delay', ms: 4500 });
    const since = Date.now();
    await until('three slow renewals are through', {
      within: 60_000,
      read: () => suite.proxy.requests(slow),
      holds: (seen) =>
        seen.filter((r) => r.startedAt > since && r.status === 200 && (r.durationMs ?? 0) > 4400).length >= 3,
    });
    await rule.remove();
    expect(await suite.operator.holder()).toContain(metadata.name);
    expect(await replicaRestarts()).toEqual(before);
    await suite.settle(object());
  });

  test('34. a Lease deleted or taken by a stranger is acquired again, and nobody writes longer than a lease lasts after losing it', async () => {
    await ensureCluster();
    const stop = new AbortController();
    const turns: Turn[] = [];
    void suite.kube.watch(
      leases,
      suite.operator.namespace,
      ({ object: seen, type }) => {
        const holder = type === 'DELETED' ? '' : (seen.spec?.holderIdentity ?? '');
        if (turns.at(-1)?.holder !== holder) turns.push({ holder, from: Date.now() });
      },
      stop.signal,
    );
    await until('the holder is known', { within: 10_000, read: async () => turns, holds: (known) => known.length > 0 });
    await suite.proxy.forget();
    await suite.kube.delete(leases, (await lease()).metadata);
    await until('the deleted Lease is held again', {
      within: takeOverMs,
      read: () => suite.operator.holder(),
      holds: (holder) => holder !== '',
    });
    await repairs(suite.kube, object(), takeOverMs);
    const now = new Date().toISOString().replace('Z', '000Z');
    await suite.kube.patch(leases, (await lease()).metadata, {
      spec: { holderIdentity: 'a-stranger', acquireTime: now, renewTime: now },
    });
    await until('the stranger, who does not renew, is followed by one of ours', {
      within: takeOverMs,
      read: () => suite.operator.holder(),
      holds: (holder) => holder !== '' && holder !== 'a-stranger',
    });
    await repairs(suite.kube, object(), takeOverMs);
    stop.abort();
    expect(turns.map(({ holder }) => holder)).toContain('a-stranger');
    const addresses = new Map(
      (await suite.operator.pods()).map(({ status, metadata }) => [status?.podIP, metadata.name]),
    );
    const writes = (await suite.proxy.writes()).filter(({ status }) => status !== undefined && status < 300);
    expect(writes.length).toBeGreaterThan(1);
    const unlawful = writes.filter(
      ({ client, startedAt }) => !heldAround(turns, addresses.get(client) ?? client, startedAt),
    );
    expect(unlawful.map(sentence)).toEqual([]);
    await suite.settle(object());
  });
});

interface Turn {
  holder: string;
  /** Milliseconds since the epoch. */
  from: number;
}

/** Whether this replica held the Lease at a time, or had lost it for less than a lease lasts. A second is allowed for the watch. */
function heldAround(turns: Turn[], replica: string, at: number): boolean {
  return turns.some(({ holder, from }, index) => {
    const to = turns[index + 1]?.from ?? Number.POSITIVE_INFINITY;
    return holder.startsWith(replica) && from <= at + 1000 && to >= at - 15_000;
  });
}
