// SPDX-License-Identifier: Apache-2.0
// A cache that shows the past: nothing is destroyed by it, and two lives of one name stay two objects.
import { isDeepStrictEqual } from 'node:util';
import { afterEach, describe, expect, test } from 'vitest';
import type { EtcdCluster } from '../../src/api/cluster.ts';
import { etcdClusters } from '../../src/api/resources.ts';
import { persistentVolumeClaims, pods, statefulSets } from '../../src/runtime/resources.ts';
import { cluster, condition, waitAvailable } from './harness/cluster.ts';
import { quiet, record, survives } from './harness/oracle.ts';
import { expired, identities, repairs } from './harness/scenario.ts';
import { useOperator } from './harness/suite.ts';
import { throughout, until } from './harness/until.ts';

const suite = useOperator({ namespaces: 3, proxy: true });

describe('stale views', () => {
  afterEach(() => suite.proxy.clearRules());

  test('1. the deletion of an older incarnation, seen again after a restart, deletes nothing of the living one', async () => {
    const storage = { size: '300Mi', retentionPolicy: { whenDeleted: 'Delete' } } as const;
    const object = cluster(suite.namespaces[0] ?? '', 'reborn', { storage });
    const { namespace = '', name } = object.metadata;
    const ref = { namespace, name };
    const old = await suite.available(object);
    const last = await suite.proxy.rule(
      { verb: 'patch', namespace, resource: 'etcdclusters', name, subresource: '' },
      { kind: 'hold', at: 'request' },
    );
    await suite.settle(object);
    await suite.kube.delete(etcdClusters, ref);
    // All is deleted, and the finalizer is about to go: this is what the cache will show again.
    const held = await last.held(60_000);
    expect(await suite.kube.list(pods, namespace)).toEqual([]);
    const { collections } = await suite.proxy.mark('while deleted');
    expect(collections.length).toBeGreaterThan(5);
    await held.release();
    await last.remove();
    await until('the old incarnation is gone', {
      within: 30_000,
      read: async () => [
        ...(await suite.kube.list(etcdClusters, namespace)).map((left) => left.metadata),
        ...(await suite.kube.list(persistentVolumeClaims, namespace)).map((left) => left.metadata),
      ],
      holds: (found) => found.length === 0,
    });
    const living = await suite.available(object);
    expect(living.metadata.uid).not.toBe(old.metadata.uid);
    const recording = await record(suite.environment, namespace, name);
    await recording.acknowledged(50, 20_000);
    const before = await identities(suite.kube, object);

    // The most dangerous moment: the living cluster has its claims, but no pod that protects them.
    await suite.operator.kill('SIGSTOP');
    await suite.kube.patch(statefulSets, ref, { spec: { replicas: 0 } });
    await until('its pods are away', {
      within: 60_000,
      read: () => suite.kube.list(pods, namespace),
      holds: (found) => found.length === 0,
    });
    // Only caches are stale: a list without a version is always answered by a quorum.
    const replay = await suite.proxy.rule({ verb: 'watch', namespace }, { kind: 'replay', mark: 'while deleted' });
    const watched = new Set((await suite.proxy.requests({ verb: 'watch', namespace })).map(({ path }) => path));
    const restarts = await suite.operator.restarts();
    const restarted = Date.now();
    await suite.operator.kill('SIGKILL');
    await suite.operator.restarted(restarts);
    await replay.struck(watched.size, 30_000);
    await until('the operator has looked at the living object', {
      within: 30_000,
      read: () => suite.proxy.requests({ namespace, verb: 'get', resource: 'etcdclusters', name }),
      holds: (found) => found.some(({ startedAt }) => startedAt > restarted),
    });
    const kept = [`${before[`PersistentVolumeClaim/data-${name}-0`]} undefined`];
    await throughout('the claim of the living cluster stays', {
      within: 5_000,
      read: () => suite.kube.list(persistentVolumeClaims, namespace),
      holds: (claims) =>
        isDeepStrictEqual(
          claims.map(({ metadata }) => `${metadata.uid} ${metadata.deletionTimestamp}`),
          kept,
        ),
    });
    await quiet(suite.proxy, namespace, 5000);
    await replay.remove();
    await waitAvailable(suite.kube, namespace, name);
    const after = await identities(suite.kube, object);
    expect({ ...after, [`Pod/${name}-0`]: '' }).toEqual({ ...before, [`Pod/${name}-0`]: '' });
    await suite.dismiss(object, recording);
  });

  test('4. a pod deleted and made again without its events being seen leaves the same end state', async () => {
    const object = cluster(suite.namespaces[1] ?? '', 'missed', { replicas: 3 });
    const { namespace = '', name } = object.metadata;
    await suite.available(object);
    const recording = await suite.record(object);
    const ids = (await suite.kube.get(etcdClusters, { namespace, name })).status?.members?.map(({ id }) => id);
    const pod = { namespace, name: `${name}-1` };
    const watch = { verb: 'watch', namespace, resource: 'pods' } as const;
    // All of them: the first change of the new pod that came through would show it, and nothing would be missed.
    const missed = await suite.proxy.rule(watch, { kind: 'swallow', event: { name: pod.name } });
    const before = await suite.kube.get(pods, pod);
    await suite.kube.delete(pods, pod);
    const after = await until('the new pod is ready', {
      within: 60_000,
      read: () => suite.kube.get(pods, pod),
      holds: ({ metadata, status }) =>
        metadata.uid !== before.metadata.uid &&
        status?.conditions?.some(({ type, status: s }) => type === 'Ready' && s === 'True') === true,
    });
    // The operator asks the address of the pod that it knows: a look, which the edit only brings forward, finds nobody there.
    await suite.kube.patch(etcdClusters, object.metadata, { metadata: { annotations: { look: 'now' } } });
    const unseen = {
      read: () => suite.kube.get(etcdClusters, object.metadata),
      holds: (seen: EtcdCluster) =>
        condition(seen, 'MembersHealthy')?.message?.includes(`${pod.name}: `) || 'the operator has seen the new pod',
    };
    await until('the member is missed', { within: 40_000, ...unseen });
    await throughout('the member is missed, although its new pod is ready', { within: 5_000, ...unseen });
    await missed.remove();
    const gap = await suite.proxy.rule(
      watch,
      { kind: 'inject', line: expired, close: true, scope: 'both' },
      { times: 1 },
    );
    await gap.struck(1, 30_000);
    const end = await suite.settle(object, recording);
    await gap.remove();
    expect(ids).toHaveLength(3);
    expect(end.status?.members?.map(({ id }) => id)).toEqual(ids);
    expect((await suite.kube.get(pods, pod)).metadata.uid).toBe(after.metadata.uid);
    expect(await suite.proxy.writes({ namespace, resource: 'pods', verb: ['delete', 'deletecollection'] })).toEqual([]);
  });

  test('5. a cluster deleted and made again in a gap of the watch is two objects, told by UID', async () => {
    const object = cluster(suite.namespaces[2] ?? '', 'twice');
    const { namespace = '', name } = object.metadata;
    const ref = { namespace, name };
    const first = await suite.available(object);
    const recording = await suite.handOver(first);
    await recording.acknowledged(5, 30_000);
    const collection = { namespace, resource: 'etcdclusters' };
    const blind = await suite.proxy.rule({ ...collection, verb: ['list', 'watch'] }, { kind: 'status', code: 503 });
    await suite.proxy.rule({ ...collection, verb: 'watch' }, { kind: 'cut' });
    await blind.struck(1, 10_000);
    await suite.kube.delete(etcdClusters, ref);
    await suite.kube.create(etcdClusters, object);
    await blind.remove();
    const second = await until('the new incarnation is available', {
      within: 120_000,
      read: () => suite.kube.get(etcdClusters, ref),
      holds: ({ status }) =>
        status?.conditions?.some(({ type, status: s }) => type === 'Available' && s === 'True') === true,
    });
    expect(second.metadata.uid).not.toBe(first.metadata.uid);
    const set = await suite.kube.get(statefulSets, ref);
    expect(set.metadata.ownerReferences?.map(({ uid }) => uid)).toEqual([second.metadata.uid]);
    expect(second.status?.genesis, 'the claims are adopted with their data').toBe(first.status?.genesis);
    // The authorities went with the first object; what is acknowledged must not.
    const members = [`${name}-0`];
    expect(await survives(suite.environment, second, recording, { members, consistency: 'l' })).toBe(true);
    await recording.close();
    await repairs(suite.kube, object);
    await suite.dismiss(object);
  });
});
