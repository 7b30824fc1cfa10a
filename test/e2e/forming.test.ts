// SPDX-License-Identifier: Apache-2.0
// Between the first object and the seal: what changes meanwhile, and what the operator does not see.
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { EtcdCluster } from '../../src/api/cluster.ts';
import { etcdClusters } from '../../src/api/resources.ts';
import {
  configMaps,
  persistentVolumeClaims,
  podDisruptionBudgets,
  secrets,
  services,
} from '../../src/runtime/resources.ts';
import { killProcess } from '../testbed/faults/pods.ts';
import { emptyDataDirectory } from '../testbed/faults/volumes.ts';
import { cluster, condition, memberFile, waitAvailable } from './harness/cluster.ts';
import type { Kube } from './harness/kube.ts';
import { validatingAdmissionPolicies, validatingAdmissionPolicyBindings } from './harness/resources.ts';
import { useOperator } from './harness/suite.ts';
import { throughout, until } from './harness/until.ts';

/** No status of a pod in the namespace that a kubelet writes is taken, from when this resolves until `end`. */
async function silentKubelets(kube: Kube, namespace: string): Promise<{ end(): Promise<void> } & AsyncDisposable> {
  const name = `silent-kubelets-${namespace}`;
  const policy = {
    metadata: { name },
    spec: {
      failurePolicy: 'Fail',
      matchConstraints: {
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': namespace } },
        resourceRules: [
          { apiGroups: [''], apiVersions: ['v1'], operations: ['UPDATE'], resources: ['pods/status'] },
          { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] },
        ],
      },
      matchConditions: [
        {
          name: 'kubelets-and-a-test-of-this-policy',
          expression: `'system:nodes' in request.userInfo.groups || request.name.startsWith('policy-')`,
        },
      ],
      validations: [{ expression: 'false', message: 'no kubelet is heard' }],
    },
  };
  const binding = { metadata: { name }, spec: { policyName: name, validationActions: ['Deny'] } };
  await kube.create(validatingAdmissionPolicies, policy);
  await kube.create(validatingAdmissionPolicyBindings, binding);
  let tried = 0;
  await until('the policy is in force', {
    within: 30_000,
    read: () =>
      kube.create(configMaps, { metadata: { namespace, name: `policy-${(tried += 1)}` } }).then(
        () => '',
        (e: Error) => e.message,
      ),
    holds: (refusal) => refusal.includes('no kubelet is heard'),
  });
  const end = async () => {
    await kube.delete(validatingAdmissionPolicyBindings, binding.metadata);
    await kube.delete(validatingAdmissionPolicies, policy.metadata);
  };
  return { end, [Symbol.asyncDispose]: end };
}

const suite = useOperator({ namespaces: 6, proxy: true });

/** Claims are made, and then never patched: a cluster comes to the last step before it is formed. */
const unmarkable = (namespace: string) =>
  suite.proxy.rule({ verb: 'patch', namespace, resource: 'persistentvolumeclaims' }, { kind: 'status', code: 503 });

async function genesisOf({ metadata: { namespace, name } }: EtcdCluster): Promise<string | undefined> {
  const { data } = await suite.kube.get(configMaps, { namespace, name: `${name}-config` });
  return (JSON.parse(data?.['identity.json'] ?? '{}') as { genesis?: string }).genesis;
}

describe.concurrent('a cluster that is not formed yet', () => {
  test('that is to have fewer members leaves no Service of the others behind', async () => {
    const namespace = suite.namespaces[0] ?? '';
    const greedy = { resources: { requests: { cpu: '900', memory: '64Mi' } } };
    const object = cluster(namespace, 'shrunk', { replicas: 3, pods: greedy });
    await suite.kube.create(etcdClusters, object);
    await until('nobody can schedule it', {
      within: 60_000,
      read: () => suite.kube.get(etcdClusters, object.metadata),
      holds: (seen) => condition(seen, 'Stalled')?.reason === 'Unschedulable',
    });
    expect(await suite.kube.find(services, { namespace, name: 'shrunk-2' })).toBeDefined();
    const spec = { replicas: 1, pods: { resources: { requests: { cpu: '50m' } } } };
    await suite.kube.patch(etcdClusters, object.metadata, { spec });
    await waitAvailable(suite.kube, namespace, 'shrunk', 120_000);
    const left = await suite.kube.list(services, namespace, 'etcd.quorate.dev/cluster=shrunk');
    expect(left.map(({ metadata }) => metadata.name).toSorted()).toEqual([
      'shrunk-0',
      'shrunk-client',
      'shrunk-members',
    ]);
    await suite.dismiss(object);
  });

  test('that is to be a single member while it is sealed is formed anew and leaves no budget behind', async () => {
    const namespace = suite.namespaces[2] ?? '';
    const object = cluster(namespace, 'single', { replicas: 3 });
    // A kubelet may come by before it is told: without marks the cluster is not formed all the same.
    const held = await unmarkable(namespace);
    const untold = await suite.proxy.rule(
      { verb: 'patch', namespace, resource: 'pods' },
      { kind: 'status', code: 503 },
    );
    await suite.kube.create(etcdClusters, object);
    await until('its members are sealed, and nobody can tell the kubelets', {
      within: 120_000,
      read: async () => ({
        struck: (await untold.state()).hits,
        budgets: await suite.kube.list(podDisruptionBudgets, namespace),
      }),
      holds: ({ struck, budgets }) => struck > 0 && budgets.length === 1,
    });
    const first = await genesisOf(object);
    await suite.kube.patch(etcdClusters, object.metadata, { spec: { replicas: 1 } });
    await untold.remove();
    await until('it has another genesis', {
      within: 90_000,
      read: () => genesisOf(object),
      holds: (now) => now !== first,
    });
    await held.remove();
    await waitAvailable(suite.kube, namespace, 'single', 120_000);
    expect(await suite.kube.list(podDisruptionBudgets, namespace)).toEqual([]);
    await suite.dismiss(object);
  });

  test('whose storage is corrected when its volumes are there is formed on what was asked for last', async () => {
    const namespace = suite.namespaces[4] ?? '';
    const object = cluster(namespace, 'resized', { replicas: 3 });
    const held = await unmarkable(namespace);
    await suite.kube.create(etcdClusters, object);
    await held.struck(1, 90_000);
    const claims = () => suite.kube.list(persistentVolumeClaims, namespace, 'etcd.quorate.dev/cluster=resized');
    const before = new Set((await claims()).map(({ metadata }) => metadata.uid));
    expect(before.size).toBe(3);
    await suite.kube.patch(etcdClusters, object.metadata, { spec: { replicas: 1, storage: { size: '400Mi' } } });
    await until('the volumes of the first attempt are gone', {
      within: 90_000,
      read: claims,
      holds: (left) => left.every(({ metadata }) => !before.has(metadata.uid)),
    });
    await held.remove();
    await waitAvailable(suite.kube, namespace, 'resized', 120_000);
    expect((await claims()).map(({ spec }) => spec?.resources?.requests?.storage)).toEqual(['400Mi']);
    await suite.dismiss(object);
  });

  test('that loses the data of a member is formed anew by itself', async () => {
    const namespace = suite.namespaces[5] ?? '';
    const object = cluster(namespace, 'emptied', { replicas: 3 });
    const held = await unmarkable(namespace);
    await suite.kube.create(etcdClusters, object);
    await held.struck(1, 90_000);
    const first = await genesisOf(object);
    expect(first).toMatch(/^[0-9a-f]+$/);
    const pod = { namespace, name: 'emptied-1' };
    await emptyDataDirectory(pod);
    // A member whose files vanish under it may exit before it is killed.
    await killProcess(pod, 'etcd').catch((e: unknown) => expect(String(e)).toContain('is not running'));
    await until('it has another genesis', {
      within: 90_000,
      read: () => genesisOf(object),
      holds: (now) => now !== first,
    });
    await held.remove();
    await waitAvailable(suite.kube, namespace, 'emptied', 120_000);
    await suite.dismiss(object);
  });

  test('whose pods no kubelet is seen to begin has each kubelet told of its pod once', async () => {
    const namespace = suite.namespaces[3] ?? '';
    const object = cluster(namespace, 'unbegun', { replicas: 3 });
    await using silence = await silentKubelets(suite.kube, namespace);
    await suite.kube.create(etcdClusters, object);
    const told = () => suite.proxy.requests({ verb: 'patch', namespace, resource: 'pods' });
    const each = { within: 30_000, read: told, holds: (requests: unknown[]) => requests.length >= 3 };
    const names = (await until('every kubelet is told', each)).map(({ name }) => name);
    expect(names.toSorted()).toEqual(['unbegun-0', 'unbegun-1', 'unbegun-2']);
    await throughout('none is told again', {
      within: 4_000,
      read: told,
      holds: ({ length }) => length === 3,
    });
    await silence.end();
    await waitAvailable(suite.kube, namespace, 'unbegun', 60_000);
    await suite.dismiss(object);
  });

  test('whose record the operator sees no more changes of stays sealed and keeps its client once it is formed', async () => {
    const namespace = suite.namespaces[1] ?? '';
    const object = cluster(namespace, 'blind');
    const held = await suite.proxy.rule(
      { verb: 'create', namespace, resource: 'statefulsets' },
      { kind: 'status', code: 503 },
    );
    await suite.kube.create(etcdClusters, object);
    await held.struck(1, 60_000);
    // The one that is open, or the next: each ends within a minute, and may do so just now.
    const silent = await suite.proxy.rule(
      { verb: 'watch', namespace, resource: 'configmaps' },
      { kind: 'freeze', scope: 'both' },
      { times: 1 },
    );
    await silent.struck(1, 10_000);
    await held.remove();
    const formed = await waitAvailable(suite.kube, namespace, 'blind', 120_000);
    const read = async () => {
      const [server, client, seen] = await Promise.all([
        suite.kube.get(secrets, { namespace, name: 'blind-tls-server' }),
        suite.kube.get(secrets, { namespace, name: 'blind-client-e2e' }),
        suite.kube.get(etcdClusters, object.metadata),
      ]);
      const sealed = memberFile(server, 'blind-0')['initial-cluster-state'] === 'existing';
      return { sealed, client: client.metadata.uid, genesis: seen.status?.genesis };
    };
    const first = await read();
    expect(first).toMatchObject({ sealed: true, genesis: formed.status?.genesis });
    // Longer than the operator trusts its own writes over a watch that shows nothing.
    await throughout('it is sealed and keeps its client', {
      within: 14_000,
      read,
      holds: (now) => isDeepStrictEqual(now, first),
    });
    await silent.remove();
    await suite.dismiss(object);
  });
});
