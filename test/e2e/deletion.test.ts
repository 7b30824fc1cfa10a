// SPDX-License-Identifier: Apache-2.0
// Deleting a cluster keeps its data unless the spec says otherwise, and its name brings the data back.
import { describe, expect, test } from 'vitest';
import { etcdClusters } from '../../src/api/resources.ts';
import { persistentVolumeClaims, pods } from '../../src/runtime/resources.ts';
import { cluster, condition, waitAvailable } from './harness/cluster.ts';
import { etcdctl } from './harness/etcdctl.ts';
import { useOperator } from './harness/suite.ts';
import { until } from './harness/until.ts';

const suite = useOperator({ namespaces: 1 });
const space = () => suite.namespaces[0] ?? '';
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

describe('deletion', () => {
  test('the claims stay by default, and a cluster of the same name has the data and the identity again', async () => {
    const wanted = cluster(space(), 'kept', { replicas: 3 });
    const first = await suite.available(wanted, 120_000);
    const ref = { namespace: space(), name: 'kept' };
    expect(await etcdctl(suite.environment, ref, ['put', 'answer', '42'])).toContain('OK');
    await gone('kept');
    expect(await suite.kube.list(persistentVolumeClaims, space(), of('kept'))).toHaveLength(3);
    const second = await suite.available(wanted, 120_000);
    expect(await etcdctl(suite.environment, ref, ['get', 'answer', '--print-value-only'])).toContain('42');
    expect(second.status?.clusterId).toBe(first.status?.clusterId);
    expect(second.status?.genesis).toBe(first.status?.genesis);
    await suite.settle(second);
  });

  test('with other members and another version asked for, the data is adopted as it is, and the difference told', async () => {
    const ref = { namespace: space(), name: 'grown' };
    await suite.available(cluster(space(), 'grown', { version: '3.5.33' }), 120_000);
    expect(await etcdctl(suite.environment, ref, ['put', 'answer', '42'])).toContain('OK');
    await gone('grown');
    await suite.kube.create(etcdClusters, cluster(space(), 'grown', { version: '3.6.16', replicas: 3 }));
    const seen = await until('the adopted cluster serves', {
      within: 120_000,
      read: () => suite.kube.get(etcdClusters, ref),
      holds: (o) =>
        condition(o, 'Available')?.status === 'True' && condition(o, 'Ready')?.reason === 'UnsupportedChange',
    });
    expect(seen.status?.membersSummary).toBe('1/1');
    expect(condition(seen, 'Ready')?.message).toContain('spec.replicas (1 → 3)');
    expect(condition(seen, 'Ready')?.message).toContain('spec.version (3.5.33 → 3.6.16)');
    expect(await etcdctl(suite.environment, ref, ['get', 'answer', '--print-value-only'])).toContain('42');
    await suite.kube.patch(etcdClusters, ref, { spec: { replicas: 1, version: '3.5.33' } });
    await waitAvailable(suite.kube, space(), 'grown');
  });

  test('with the policy Delete the claims go, after the pods', async () => {
    const storage = { size: '300Mi', retentionPolicy: { whenDeleted: 'Delete' as const } };
    const object = await suite.available(cluster(space(), 'dropped', { storage }), 120_000);
    expect(object.metadata.finalizers).toEqual(['etcd.quorate.dev/claims']);
    await gone('dropped');
    await until('the claims are gone', {
      within: 60_000,
      read: () => suite.kube.list(persistentVolumeClaims, space(), of('dropped')),
      holds: (claims) => claims.length === 0,
    });
  });

  test('a policy set back to Retain keeps the claims, and takes the finalizer off', async () => {
    const storage = { size: '300Mi', retentionPolicy: { whenDeleted: 'Delete' as const } };
    await suite.available(cluster(space(), 'spared', { storage }), 120_000);
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
    expect(await suite.kube.list(persistentVolumeClaims, space(), of('spared'))).toHaveLength(1);
  });
});
