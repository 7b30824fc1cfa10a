// SPDX-License-Identifier: Apache-2.0
// Deleting a cluster keeps its data unless the spec says otherwise, and its name brings the data back; so do deleted Secrets.
import { describe, expect, test } from 'vitest';
import { etcdClusters } from '../../src/api/resources.ts';
import type { Ref } from '../../src/runtime/json.ts';
import { persistentVolumeClaims, pods, secrets, statefulSets } from '../../src/runtime/resources.ts';
import { cluster, condition } from './harness/cluster.ts';
import { survives } from './harness/oracle.ts';
import { refuse } from './harness/policy.ts';
import { useOperator } from './harness/suite.ts';
import { until } from './harness/until.ts';

const suite = useOperator({ namespaces: 2 });
/** The second one has a policy of its own for a while. */
const space = (number: 1 | 2 = 1) => suite.namespaces[number - 1] ?? '';
const of = (name: string) => `etcd.quorate.dev/cluster=${name}`;

async function gone(name: string): Promise<void> {
  await suite.kube.delete(etcdClusters, { namespace: space(), name });
  await until(`${name} and its pods are gone`, {
    within: 90_000,
    read: async () => [
      await suite.kube.find(etcdClusters, { namespace: space(), name }),
      await suite.kube.list(pods, space(), of(name)),
    ],
    holds: ([object, left]) => object === undefined && Array.isArray(left) && left.length === 0,
  });
}

describe.concurrent('deletion', () => {
  test('the claims stay by default, and a cluster of the same name has the data and the identity again', async () => {
    const wanted = cluster(space(), 'kept', { replicas: 3 });
    const first = await suite.available(wanted, 120_000);
    const recording = await suite.handOver(first);
    await recording.acknowledged(5, 30_000);
    await gone('kept');
    expect(await suite.kube.list(persistentVolumeClaims, space(), of('kept'))).toHaveLength(3);
    const second = await suite.available(wanted, 120_000);
    const members = ['kept-0', 'kept-1', 'kept-2'];
    expect(await survives(suite.environment, second, recording, { members, consistency: 'l' })).toBe(true);
    await recording.close();
    expect(second.status?.clusterId).toBe(first.status?.clusterId);
    expect(second.status?.genesis).toBe(first.status?.genesis);
    await suite.dismiss(second);
  });

  test('with other members, storage and another version asked for, the data is adopted as it is, and the difference told', async () => {
    const ref = { namespace: space(), name: 'grown' };
    const first = await suite.available(cluster(space(), 'grown', { version: '3.5.33' }), 120_000);
    const recording = await suite.handOver(first);
    await recording.acknowledged(5, 30_000);
    await gone('grown');
    const storage = { size: '400Mi', storageClassName: 'nope', accessMode: 'ReadWriteOncePod' as const };
    const digest = `sha256:${'0'.repeat(64)}`;
    const other = { version: '3.6.16', replicas: 3 as const, storage, image: { digest } };
    await suite.kube.create(etcdClusters, cluster(space(), 'grown', other));
    const seen = await until('the adopted cluster serves', {
      within: 120_000,
      read: () => suite.kube.get(etcdClusters, ref),
      holds: (o) =>
        condition(o, 'Available')?.status === 'True' && condition(o, 'Ready')?.reason === 'UnsupportedChange',
    });
    expect(seen.status?.membersSummary).toBe('1/1');
    expect(condition(seen, 'Ready')?.message).toContain('spec.replicas (1 → 3)');
    expect(condition(seen, 'Ready')?.message).toContain('spec.version (3.5.33 → 3.6.16)');
    expect(condition(seen, 'Ready')?.message).toContain(`spec.image.digest (unset → ${digest})`);
    expect(condition(seen, 'Ready')?.message).toContain('spec.storage.size (300Mi → 400Mi)');
    const held = await survives(suite.environment, seen, recording, { members: ['grown-0'], consistency: 'l' });
    expect(held, 'what was acknowledged').toBe(true);
    await recording.close();
    // What cannot be edited otherwise can always go back to what the volumes are.
    const { storageClassName, accessMode } = seen.status?.storage ?? {};
    const back = { size: '300Mi', storageClassName, accessMode };
    await suite.kube.patch(etcdClusters, ref, {
      spec: { replicas: 1, version: '3.5.33', storage: back, image: { digest: null } },
    });
    await suite.dismiss(seen);
  });

  test('with the policy Delete the claims go, after the pods', async () => {
    const storage = { size: '300Mi', retentionPolicy: { whenDeleted: 'Delete' as const } };
    const object = await suite.available(cluster(space(), 'dropped', { storage }), 120_000);
    expect(object.metadata.finalizers).toEqual(['etcd.quorate.dev/claims']);
    await suite.settle(object);
    const claim = { namespace: space(), name: 'data-dropped-0' };
    const { finalizers = [] } = (await suite.kube.get(persistentVolumeClaims, claim)).metadata;
    const held = { metadata: { finalizers: [...finalizers, 'example.com/held'] } };
    await suite.kube.patch(persistentVolumeClaims, claim, held);
    await suite.kube.delete(etcdClusters, { namespace: space(), name: 'dropped' });
    const seen = await until('what keeps the cluster is told', {
      within: 90_000,
      read: () => suite.kube.get(etcdClusters, { namespace: space(), name: 'dropped' }),
      holds: (o) => condition(o, 'Ready')?.message?.includes(claim.name) || `Ready: ${condition(o, 'Ready')?.message}`,
    });
    expect(condition(seen, 'Ready')).toMatchObject({ status: 'False', reason: 'Deleting' });
    expect(await suite.kube.list(pods, space(), of('dropped'))).toEqual([]);
    await suite.kube.patch(persistentVolumeClaims, claim, { metadata: { finalizers: null } });
    await gone('dropped');
    await until('the claims are gone', {
      within: 60_000,
      read: () => suite.kube.list(persistentVolumeClaims, space(), of('dropped')),
      holds: (claims) => claims.length === 0,
    });
  });

  test('a deletion of claims that is refused is told with what to do, and goes on by itself', async () => {
    const storage = { size: '300Mi', retentionPolicy: { whenDeleted: 'Delete' as const } };
    const object = await suite.available(cluster(space(2), 'guarded', { storage }), 120_000);
    await suite.settle(object);
    const claim = await suite.kube.get(persistentVolumeClaims, { namespace: space(2), name: 'data-guarded-0' });
    await using policy = await refuse(
      suite.kube,
      persistentVolumeClaims,
      claim,
      'data is never deleted here',
      'DELETE',
    );
    await suite.kube.delete(etcdClusters, object.metadata);
    const seen = await until('the refusal is told', {
      within: 120_000,
      read: () => suite.kube.get(etcdClusters, object.metadata),
      holds: (o) => condition(o, 'Ready')?.reason === 'AdmissionDenied' || `Ready: ${condition(o, 'Ready')?.message}`,
    });
    expect(condition(seen, 'Ready')?.message).toMatch(/data is never deleted here.*change the policy/);
    await policy.lift();
    await until('the cluster and its claim are gone', {
      within: 120_000,
      read: async () => [
        await suite.kube.find(etcdClusters, object.metadata),
        await suite.kube.find(persistentVolumeClaims, claim.metadata),
      ],
      holds: (left) => left.every((o) => o === undefined),
    });
  });

  test('of a paused cluster nothing is deleted before it goes on', async () => {
    const storage = { size: '300Mi', retentionPolicy: { whenDeleted: 'Delete' as const } };
    const object = await suite.available(cluster(space(), 'frozen', { storage }), 120_000);
    await suite.kube.patch(etcdClusters, object.metadata, { spec: { paused: true } });
    await suite.settle(object);
    await suite.kube.delete(etcdClusters, object.metadata);
    const seen = await until('what it waits for is told', {
      within: 30_000,
      read: () => suite.kube.get(etcdClusters, object.metadata),
      holds: (o) => condition(o, 'Ready')?.reason === 'Deleting' || `Ready: ${condition(o, 'Ready')?.message}`,
    });
    expect(condition(seen, 'Ready')?.message).toMatch(/waiting for spec.paused to be false/);
    const set = { namespace: space(), name: 'frozen' };
    expect((await suite.kube.get(statefulSets, set)).metadata.deletionTimestamp).toBeUndefined();
    // Nobody else will delete a pod that its StatefulSet left behind.
    await suite.kube.delete(statefulSets, set, { propagationPolicy: 'Orphan' });
    await until('the StatefulSet is gone', {
      within: 15_000,
      read: () => suite.kube.find(statefulSets, set),
      holds: (found) => found === undefined,
    });
    const left = await suite.kube.list(pods, space(), of('frozen'));
    expect(left.map(({ metadata }) => metadata.deletionTimestamp)).toEqual([undefined]);
    await suite.kube.patch(etcdClusters, object.metadata, { spec: { paused: false } });
    await gone('frozen');
    expect(await suite.kube.list(persistentVolumeClaims, space(), of('frozen'))).toEqual([]);
  });

  test('a policy set back to Retain keeps the claims, and takes the finalizer off', async () => {
    const storage = { size: '300Mi', retentionPolicy: { whenDeleted: 'Delete' as const } };
    await suite.settle(await suite.available(cluster(space(), 'spared', { storage }), 120_000));
    await suite.kube.patch(
      etcdClusters,
      { namespace: space(), name: 'spared' },
      { spec: { storage: { retentionPolicy: { whenDeleted: 'Retain' } } } },
    );
    await until('the finalizer is gone', {
      within: 15_000,
      read: () => suite.kube.get(etcdClusters, { namespace: space(), name: 'spared' }),
      holds: (o) => (o.metadata.finalizers ?? []).length === 0,
    });
    await gone('spared');
    const left = await suite.kube.list(persistentVolumeClaims, space(), of('spared'));
    expect(left.map(({ metadata }) => [metadata.name, metadata.deletionTimestamp])).toEqual([
      ['data-spared-0', undefined],
    ]);
  });

  // Secrets are neither listed nor watched, so this takes as long as it may; the others run meanwhile.
  test('a deleted leaf and an edited client Secret are back within five minutes; one that is no longer ours is told', async () => {
    const object = await suite.available(cluster(space(), 'papers', { replicas: 3 }), 120_000);
    const estranged = await suite.available(cluster(space(), 'estranged'), 120_000);
    const uprooted = await suite.available(cluster(space(), 'uprooted'), 120_000);
    const [server, client, lost, root] = [
      'papers-tls-server',
      'papers-client-e2e',
      'estranged-client-e2e',
      'uprooted-ca-peer',
    ].map((name) => ({ namespace: space(), name })) as [Ref, Ref, Ref, Ref];
    const others = ['papers-tls-peer', 'papers-tls-operator'].map((name) => ({ namespace: space(), name }));
    const authority = await suite.kube.get(secrets, root);
    const [leaf, issued, stray] = await Promise.all([server, client, lost].map((ref) => suite.kube.get(secrets, ref)));
    for (const ref of [server, root, ...others]) await suite.kube.delete(secrets, ref);
    await suite.kube.patch(secrets, client, { data: { endpoints: 'bm93aGVyZQ==', 'tls.crt': '' } });
    await suite.kube.patch(secrets, lost, { metadata: { ownerReferences: null } });
    await Promise.all([
      until('the leaves of the peers and of the operator are there', {
        within: 300_000,
        read: () => Promise.all(others.map((ref) => suite.kube.find(secrets, ref))),
        holds: (found) => found.every((secret) => secret !== undefined),
      }),
      until('the lost authority is told', {
        within: 300_000,
        read: () => suite.kube.get(etcdClusters, uprooted.metadata),
        holds: (seen) => condition(seen, 'TLSReady')?.reason === 'AuthorityLost',
      }),
      until('the server’s leaf and the client’s Secret are as they were', {
        within: 300_000,
        read: async () => [await suite.kube.get(secrets, server), await suite.kube.get(secrets, client)] as const,
        holds: ([a, b]) =>
          a.metadata.uid !== leaf?.metadata.uid &&
          a.data?.['papers-0.yaml'] === leaf?.data?.['papers-0.yaml'] &&
          b.data?.endpoints === issued?.data?.endpoints &&
          b.data?.['tls.key'] === issued?.data?.['tls.key'] &&
          (b.data?.['tls.crt'] ?? '') !== '',
      }),
      until('the Secret that lost its owner is told', {
        within: 300_000,
        read: () => suite.kube.get(etcdClusters, estranged.metadata),
        holds: (o) =>
          condition(o, 'Ready')?.reason === 'NameConflict' &&
          (condition(o, 'Ready')?.message?.includes(lost.name) ?? false),
      }),
    ]);
    await suite.kube.patch(secrets, lost, { metadata: { ownerReferences: stray?.metadata.ownerReferences } });
    expect(await suite.kube.find(secrets, root), 'an authority is never minted again').toBeUndefined();
    const { resourceVersion: _v, uid: _u, creationTimestamp: _c, ...metadata } = authority.metadata;
    await suite.kube.create(secrets, { ...authority, metadata });
    await Promise.all([suite.settle(object), suite.settle(estranged), suite.settle(uprooted)]);
  }, 480_000);
});
