// SPDX-License-Identifier: Apache-2.0
// Valid but impossible requests: each gives a reason and a remedy, and heals by itself when the cause goes.
import { describe, expect, test } from 'vitest';
import type { EtcdCluster } from '../../src/api/cluster.ts';
import { etcdClusters } from '../../src/api/resources.ts';
import { events, statefulSets } from '../../src/runtime/resources.ts';
import { kubectlJson, kubectlResult } from '../testbed/kubectl.ts';
import { cluster, condition, waitAvailable } from './harness/cluster.ts';
import { ration } from './harness/policy.ts';
import { resourceQuotas } from './harness/resources.ts';
import { identities, memberLives, repairs } from './harness/scenario.ts';
import { useOperator } from './harness/suite.ts';
import { until } from './harness/until.ts';

const suite = useOperator({ namespaces: 3 });
const space = () => suite.namespaces[0] ?? '';
const ref = (name: string) => ({ namespace: space(), name });

async function stalled(name: string, reason: string, within = 60_000): Promise<EtcdCluster> {
  const seen = await until(`${name} is stalled: ${reason}`, {
    within,
    read: () => suite.kube.get(etcdClusters, ref(name)),
    holds: (now) => {
      const [ready, found] = [condition(now, 'Ready'), condition(now, 'Stalled')];
      return (found?.reason === reason && ready?.status === 'False') || `Ready: ${ready?.reason}: ${ready?.message}`;
    },
  });
  await until(`an Event tells that ${name} is stalled`, {
    within: 10_000,
    read: () => suite.kube.list(events, space()),
    holds: (told) =>
      told.some((e) => e.type === 'Warning' && e.reason === reason && e.regarding?.uid === seen.metadata.uid),
  });
  return seen;
}

describe.concurrent('impossible requests', () => {
  test('an unknown StorageClass is told; a corrected class is taken', async () => {
    await suite.kube.create(
      etcdClusters,
      cluster(space(), 'classless', { storage: { size: '300Mi', storageClassName: 'nope' } }),
    );
    const seen = await stalled('classless', 'StorageUnavailable');
    expect(condition(seen, 'Ready')?.message).toContain('nope');
    await suite.kube.patch(etcdClusters, ref('classless'), { spec: { storage: { storageClassName: 'standard' } } });
    await waitAvailable(suite.kube, space(), 'classless', 120_000);
  });

  test('a StorageClass that comes, and a node that fits, are taken without an edit', async ({ onTestFinished }) => {
    const [storageClassName, label] = [`late-${space()}`, `e2e.quorate.dev/${space()}`];
    const asked = { storage: { size: '300Mi', storageClassName }, pods: { nodeSelector: { [label]: 'yes' } } };
    await suite.kube.create(etcdClusters, cluster(space(), 'patient', asked));
    await stalled('patient', 'StorageUnavailable');
    const { provisioner, volumeBindingMode } = await kubectlJson('get', 'storageclass', 'standard');
    const made = { apiVersion: 'storage.k8s.io/v1', kind: 'StorageClass', metadata: { name: storageClassName } };
    await kubectlResult(['create', '--filename=-'], {
      input: JSON.stringify({ ...made, provisioner, volumeBindingMode }),
    });
    onTestFinished(async () => void (await kubectlResult(['delete', 'storageclass', storageClassName])));
    await stalled('patient', 'Unschedulable');
    await kubectlResult(['label', 'node', 'node1', `${label}=yes`]);
    onTestFinished(async () => void (await kubectlResult(['label', 'node', 'node1', `${label}-`])));
    await waitAvailable(suite.kube, space(), 'patient', 120_000);
  });

  test('no room to schedule is told; a corrected request is taken', async () => {
    const greedy = { resources: { requests: { cpu: '900', memory: '128Mi' } } };
    await suite.kube.create(etcdClusters, cluster(space(), 'greedy', { pods: greedy }));
    const seen = await stalled('greedy', 'Unschedulable');
    expect(condition(seen, 'Ready')?.message).toMatch(/Insufficient cpu/);
    await suite.kube.patch(etcdClusters, ref('greedy'), {
      spec: { pods: { resources: { requests: { cpu: '50m' } } } },
    });
    await waitAvailable(suite.kube, space(), 'greedy', 120_000);
  });

  test('an image that is not there is told; a corrected version is taken', async () => {
    await suite.kube.create(etcdClusters, cluster(space(), 'imageless', { version: '3.6.15' }));
    const seen = await stalled('imageless', 'ImageUnavailable', 90_000);
    expect(condition(seen, 'Ready')?.message).toContain('v3.6.15');
    await suite.kube.patch(etcdClusters, ref('imageless'), { spec: { version: '3.6.16' } });
    await waitAvailable(suite.kube, space(), 'imageless', 120_000);
  });

  test('a pull Secret that is not there keeps nobody from telling what is; with an image that needs none the cluster forms', async () => {
    const image = { pullSecrets: [{ name: 'nope' }] };
    await suite.kube.create(etcdClusters, cluster(space(), 'keyless', { version: '3.6.15', image }));
    const seen = await stalled('keyless', 'ImageUnavailable', 90_000);
    expect(condition(seen, 'Ready')?.message).toContain('keyless-0');
    await suite.kube.patch(etcdClusters, ref('keyless'), { spec: { version: '3.6.16' } });
    await waitAvailable(suite.kube, space(), 'keyless', 120_000);
  });

  test('a quota of the namespace is told in the API server’s words; lifted, the cluster forms', async () => {
    const namespace = suite.namespaces[1] ?? '';
    const quota = { name: 'none', namespace };
    await ration(suite.kube, quota, { pods: '0' });
    await suite.kube.create(etcdClusters, cluster(namespace, 'capped'));
    const seen = await until('the quota is told', {
      within: 60_000,
      read: () => suite.kube.get(etcdClusters, { namespace, name: 'capped' }),
      holds: (o) => condition(o, 'Stalled')?.reason === 'PodsRefused' || `Ready: ${condition(o, 'Ready')?.message}`,
    });
    expect(condition(seen, 'Ready')?.message).toContain('exceeded quota');
    await suite.kube.patch(resourceQuotas, quota, { spec: { hard: { pods: '50' } } });
    await waitAvailable(suite.kube, namespace, 'capped', 150_000);
  });

  test('what somebody forges into an Event is told in one line, without what would move or colour the text around it', async () => {
    const namespace = suite.namespaces[2] ?? '';
    const metadata = { namespace, name: 'fooled' };
    await ration(suite.kube, { name: 'none', namespace }, { pods: '0' });
    const object = await suite.kube.create(etcdClusters, cluster(namespace, 'fooled'));
    const set = await until('the StatefulSet is there', {
      within: 60_000,
      read: () => suite.kube.get(statefulSets, metadata),
      holds: ({ metadata: { uid } }) => uid !== undefined,
    });
    // The newest is believed to say why there are no pods.
    await suite.kube.create(events, {
      metadata,
      eventTime: '2099-01-01T00:00:00.000000Z',
      type: 'Warning',
      reason: 'FailedCreate',
      action: 'Forge',
      reportingController: 'example.com/tenant',
      reportingInstance: 'tenant',
      regarding: { apiVersion: 'apps/v1', kind: 'StatefulSet', ...metadata, uid: set.metadata.uid },
      note: 'planted\r\nforged line \u001b[31m red \u202e turned',
    });
    const seen = await until('the forged text is told', {
      within: 60_000,
      read: () => suite.kube.get(etcdClusters, metadata),
      holds: (o) => condition(o, 'Ready')?.message?.includes('planted forged line') ?? false,
    });
    const said = (await suite.kube.list(events, namespace)).filter((e) => e.regarding?.kind === 'EtcdCluster');
    expect(said).not.toEqual([]);
    const texts = [...(seen.status?.conditions ?? []).map((c) => c.message), ...said.map((e) => e.note)];
    expect(texts.filter((text) => /[\p{Cc}\p{Bidi_Control}]/u.test(text ?? ''))).toEqual([]);
    const log = await suite.operator.logs(5000);
    expect(log).not.toMatch(/^forged line/m);
    expect(log).not.toContain('\u001b');
    await suite.remove(object);
  });

  test('what the schema cannot see is told by field, value and remedy; corrected, it is taken', async () => {
    const affinity = { nodeAffinity: { note: 'x'.repeat(40_000) } };
    await suite.kube.create(etcdClusters, cluster(space(), 'wide', { pods: { affinity } }));
    const seen = await stalled('wide', 'InvalidSpec');
    expect(condition(seen, 'Ready')?.message).toMatch(/^spec\.pods\.affinity: /);
    await suite.kube.patch(etcdClusters, ref('wide'), { spec: { pods: { affinity: null } } });
    await waitAvailable(suite.kube, space(), 'wide', 120_000);
  });

  test('a misspelt key that the API server drops is named; corrected, the cluster forms', async () => {
    const term = { weight: 1, preference: { matchExpressions: [{ key: 'kubernetes.io/os', operator: 'Exists' }] } };
    const affinity = { nodeAffinity: { preferedDuringSchedulingIgnoredDuringExecution: [term] } };
    await suite.kube.create(etcdClusters, cluster(space(), 'misspelt', { pods: { affinity } }));
    const seen = await stalled('misspelt', 'Invalid');
    expect(condition(seen, 'Ready')?.message).toContain('spec.pods.affinity.nodeAffinity.prefered');
    await suite.kube.patch(etcdClusters, ref('misspelt'), { spec: { pods: { affinity: null } } });
    await waitAvailable(suite.kube, space(), 'misspelt', 120_000);
  });

  test('on a running cluster such a spec is told, and the cluster is seen and kept as it was formed', async () => {
    const object = await suite.available(cluster(space(), 'astray'), 120_000);
    const lives = await memberLives(suite.kube, object);
    const affinity = { nodeAffinity: { note: 'x'.repeat(40_000) } };
    await suite.kube.patch(etcdClusters, ref('astray'), { spec: { pods: { affinity } } });
    const seen = await stalled('astray', 'InvalidSpec');
    expect(['Available', 'MembersHealthy'].map((type) => condition(seen, type)?.status)).toEqual(['True', 'True']);
    await repairs(suite.kube, object);
    await suite.kube.patch(etcdClusters, ref('astray'), { spec: { pods: { affinity: null } } });
    await suite.settle(object);
    expect(await memberLives(suite.kube, object), 'no pod was touched').toEqual(lives);
  });

  test('edits that are not built yet are told, field by field, change nothing, and set back are forgotten', async () => {
    const object = await suite.available(cluster(space(), 'scaled'), 120_000);
    const lives = await memberLives(suite.kube, object);
    const edit = {
      replicas: 3,
      version: '3.7.3',
      etcd: { snapshotCount: 20_000 },
      image: { pullPolicy: 'Always' },
      pods: { labels: { team: 'payments' }, resources: { requests: { cpu: '20m' } } },
    };
    await suite.kube.patch(etcdClusters, ref('scaled'), { spec: edit });
    const seen = await stalled('scaled', 'UnsupportedChange');
    expect(condition(seen, 'Available')?.status).toBe('True');
    const told = condition(seen, 'UpdatePending')?.message;
    for (const text of [
      'spec.replicas (1 → 3)',
      'spec.version (3.6.16 → 3.7.3)',
      'spec.etcd.snapshotCount (10000 → 20000)',
      'spec.image.pullPolicy (IfNotPresent → Always)',
      'spec.pods.labels (unset → {"team":"payments"})',
      'spec.pods.resources',
    ])
      expect(told).toContain(text);
    const back = {
      replicas: 1,
      version: '3.6.16',
      etcd: { snapshotCount: null },
      image: null,
      pods: { labels: null, resources: object.spec.pods?.resources },
    };
    await suite.kube.patch(etcdClusters, ref('scaled'), { spec: back });
    const end = await suite.settle(object);
    expect(end.status?.members?.map((m) => m.id)).toEqual(object.status?.members?.map((m) => m.id));
    expect(await memberLives(suite.kube, object), 'no pod was touched').toEqual(lives);
  });

  test('more storage is told to be out of reach, changes nothing, and can be taken back to what the volumes have', async () => {
    const object = await suite.available(cluster(space(), 'swollen'), 120_000);
    expect(object.status?.storage).toEqual({ size: '300Mi', accessMode: 'ReadWriteOnce' });
    await suite.kube.patch(etcdClusters, ref('swollen'), { spec: { storage: { size: '400Mi' } } });
    const seen = await stalled('swollen', 'UnsupportedChange');
    expect(condition(seen, 'Available')?.status).toBe('True');
    expect(condition(seen, 'UpdatePending')?.message).toContain('spec.storage.size (300Mi → 400Mi)');
    const less = suite.kube.patch(etcdClusters, ref('swollen'), { spec: { storage: { size: '299Mi' } } });
    await expect(less).rejects.toThrow(/volumes only grow; set 300Mi or more/);
    await suite.kube.patch(etcdClusters, ref('swollen'), { spec: { storage: { size: '300Mi' } } });
    await suite.settle(object);
  });

  test('paused: nothing is done, and what would be done is said', async () => {
    const object = cluster(space(), 'paused', { paused: true });
    await suite.kube.create(etcdClusters, object);
    const seen = await until('the pause is told', {
      within: 30_000,
      read: () => suite.kube.get(etcdClusters, ref('paused')),
      holds: (o) => condition(o, 'Ready')?.reason === 'Paused',
    });
    expect(condition(seen, 'Ready')?.message).toContain('forming a new cluster');
    expect(condition(seen, 'Reconciling')).toBeUndefined();
    expect(await identities(suite.kube, object)).toEqual({});
    await suite.kube.patch(etcdClusters, ref('paused'), { spec: { paused: false } });
    await waitAvailable(suite.kube, space(), 'paused', 120_000);
  });
});
