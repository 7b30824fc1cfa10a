// SPDX-License-Identifier: Apache-2.0
// Writes that fail, get lost or are applied without a word: the end state is the same as without the fault.
import { describe, expect, test } from 'vitest';
import { etcdClusters } from '../../src/api/resources.ts';
import type { KubeObject } from '../../src/runtime/json.ts';
import {
  configMaps,
  events,
  networkPolicies,
  persistentVolumeClaims,
  podDisruptionBudgets,
  pods,
  type Resource,
  secrets,
  services,
  statefulSets,
} from '../../src/runtime/resources.ts';
import { availableNow, cluster, condition } from './harness/cluster.ts';
import { inventory } from './harness/inventory.ts';
import { memberLives, repairs } from './harness/scenario.ts';
import { useOperator } from './harness/suite.ts';
import { until } from './harness/until.ts';

interface Stranger {
  /** As the condition names it. */
  told: string;
  kind: Resource<KubeObject>;
  object: KubeObject;
}

/** One object of each kind that a cluster `taken` is made of, with its name, of somebody else. */
function strangers(namespace: string): Stranger[] {
  const labels = { team: 'others' };
  const selector = { matchLabels: labels };
  const claim = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '300Mi' } } };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'x', image: 'example.com/x:1' }] } };
  const of = (kind: Resource<KubeObject>, name: string, rest: object = {}): Stranger => ({
    told: `${kind.kind} ${name}`,
    kind,
    object: { metadata: { namespace, name, labels }, ...rest },
  });
  return [
    of(configMaps, 'taken-config', { data: { mine: 'yes' } }),
    of(secrets, 'taken-ca-peer', { stringData: { mine: 'yes' } }),
    of(secrets, 'taken-tls-server', { stringData: { mine: 'yes' } }),
    of(services, 'taken-client', { spec: { ports: [{ port: 80 }] } }),
    of(podDisruptionBudgets, 'taken', { spec: { selector, minAvailable: 1 } }),
    of(networkPolicies, 'taken-peer', { spec: { podSelector: selector } }),
    of(persistentVolumeClaims, 'data-taken-0', { spec: claim }),
    of(statefulSets, 'taken', { spec: { replicas: 0, serviceName: 'x', selector, template } }),
  ];
}

const suite = useOperator({ namespaces: 6, proxy: true });

describe.concurrent('writes', () => {
  test('6. with a conflict on every third update the cluster forms, tries are bounded, and the user keeps an edit', async () => {
    const storage = { size: '300Mi', retentionPolicy: { whenDeleted: 'Delete' } } as const;
    const object = cluster(suite.namespaces[0] ?? '', 'conflicts', { replicas: 3, storage });
    const { namespace = '', name } = object.metadata;
    // The one list of a user's object that the operator replaces whole: written from what it read before the edit, it would
    // take the user's entry away.
    const [ours, theirs] = ['etcd.quorate.dev/claims', 'example.com/audit'];
    const list = { verb: 'patch', namespace, resource: 'etcdclusters', name, subresource: '' } as const;
    const first = await suite.proxy.rule(list, { kind: 'hold', at: 'request' }, { times: 1 });
    await suite.kube.create(etcdClusters, object);
    const held = await first.held(30_000);
    await suite.kube.patch(etcdClusters, object.metadata, { metadata: { finalizers: [theirs] } });
    const message = 'the object has been modified; please apply your changes to the latest version and try again';
    const conflict = await suite.proxy.rule(
      { verb: ['update', 'patch'], namespace },
      { kind: 'status', code: 409, reason: 'Conflict', message },
      { every: 3 },
    );
    await held.release();
    await conflict.struck(1, 30_000);
    await until('the cluster is available', {
      within: 120_000,
      read: () => suite.kube.get(etcdClusters, { namespace, name }),
      holds: availableNow,
    });
    const tries = Map.groupBy(await suite.proxy.writes({ namespace }), ({ verb, path }) => `${verb} ${path}`);
    const { hits } = await conflict.state();
    const total = [...tries.values()].reduce((sum, records) => sum + records.length, 0);
    expect(hits, 'conflicts').toBeGreaterThan(3);
    expect(total, 'no write is tried for ever').toBeLessThan(200);
    await Promise.all([conflict.remove(), first.remove()]);
    const [tried] = await suite.proxy.requests(list);
    expect(tried?.serverStatus, 'the list that was read before the edit').toBe(409);
    const end = await suite.settle(object);
    expect(end.metadata.finalizers?.toSorted()).toEqual([ours, theirs]);
    await suite.kube.patch(etcdClusters, object.metadata, { metadata: { finalizers: [ours] } });
    await suite.remove(object);
  });

  test('7. every create applied with its reply lost leaves each object once, and ours', async () => {
    const object = cluster(suite.namespaces[1] ?? '', 'unheard', { replicas: 3 });
    const { namespace = '' } = object.metadata;
    const lost = await suite.proxy.rule({ verb: 'create', namespace }, { kind: 'lose-reply' }, { oncePerObject: true });
    const made = await suite.available(object, 120_000);
    expect((await lost.state()).hits).toBeGreaterThan(10);
    const created = (await suite.proxy.writes({ verb: 'create', namespace })).filter(
      ({ serverStatus }) => serverStatus === 201,
    );
    expect(created.length).toBeGreaterThan(10);
    expect(new Set(created.map(({ path, name }) => `${path}/${name}`)).size, 'each object is created once').toBe(
      created.length,
    );
    const service = await suite.kube.get(services, { namespace, name: 'unheard-client' });
    expect(service.metadata.ownerReferences?.[0]?.uid).toBe(made.metadata.uid);
    await lost.remove();
    await suite.dismiss(object);
  });

  test('7b. objects of our names that are not ours are told and not taken over; when the last goes the cluster forms', async () => {
    const object = cluster(suite.namespaces[1] ?? '', 'taken', { replicas: 3 });
    const { namespace = '' } = object.metadata;
    const left = strangers(namespace);
    const made = await Promise.all(left.map(({ kind, object: o }) => suite.kube.create(kind, o)));
    await suite.kube.create(etcdClusters, object);
    while (left.length > 0) {
      const blocked = await until(`the conflict is told of one of ${left.map(({ told }) => told).join(', ')}`, {
        within: 45_000,
        read: () => suite.kube.get(etcdClusters, object.metadata),
        holds: (seen) => {
          const { reason, message = '' } = condition(seen, 'Ready') ?? {};
          return reason === 'NameConflict' && left.some(({ told }) => message.includes(`the ${told} exists`));
        },
      });
      const index = left.findIndex(({ told }) => condition(blocked, 'Ready')?.message?.includes(`the ${told} exists`));
      // The budget is not looked for before the members are sealed.
      const early = left.some((one) => one.kind !== podDisruptionBudgets);
      const begun = early ? await suite.kube.list(pods, namespace, 'etcd.quorate.dev/cluster=taken') : [];
      expect(begun, 'pods of a cluster that may not be formed').toEqual([]);
      const [{ kind, object: o }] = left.splice(index, 1) as [Stranger];
      const kept = await suite.kube.get(kind, o.metadata);
      const before = made.find(({ metadata }) => metadata.uid === kept.metadata.uid);
      expect(before, `${kind.kind} ${o.metadata.name} is the one that was there`).toBeDefined();
      expect(kept).toMatchObject({ metadata: { labels: { team: 'others' } } });
      expect(kept.metadata.ownerReferences).toBeUndefined();
      await suite.kube.delete(kind, o.metadata, { propagationPolicy: 'Background' });
    }
    await suite.dismiss(object);
  });

  test('13. every patch, update and delete applied with its reply lost leads to the same objects as without the fault', async () => {
    const [, , lossy = '', faultless = ''] = suite.namespaces;
    const storage = { size: '300Mi', retentionPolicy: { whenDeleted: 'Delete' } } as const;
    const [object, reference] = [cluster(lossy, 'same', { storage }), cluster(faultless, 'same', { storage })];
    const lost = await suite.proxy.rule(
      { verb: ['patch', 'update', 'delete'], namespace: lossy },
      { kind: 'lose-reply' },
    );
    await Promise.all([suite.available(object, 120_000), suite.available(reference, 120_000)]);
    await Promise.all([repairs(suite.kube, object, 30_000), repairs(suite.kube, reference, 30_000)]);
    await Promise.all([suite.settle(object), suite.settle(reference)]);
    expect(await inventory(suite.kube, object)).toEqual(await inventory(suite.kube, reference));
    const updates = await suite.proxy.writes({ verb: 'update', namespace: lossy, resource: 'configmaps' });
    const applied = updates.filter(({ status, serverStatus }) => serverStatus === 200 && status === 0);
    expect(applied.length, 'unheard updates of the record: each seal, and that it is formed').toBeGreaterThanOrEqual(2);
    await Promise.all([object, reference].map(({ metadata }) => suite.kube.delete(etcdClusters, metadata)));
    for (const namespace of [lossy, faultless]) {
      await until('the deleted cluster leaves nothing, claims included', {
        within: 90_000,
        read: async () => [
          ...(await suite.kube.list(etcdClusters, namespace)).map(({ metadata }) => metadata.name),
          ...(await suite.kube.list(persistentVolumeClaims, namespace)).map(({ metadata }) => metadata.name),
        ],
        holds: (left) => left.length === 0,
      });
    }
    expect((await lost.state()).hits).toBeGreaterThan(2);
    await lost.remove();
  });

  test('13b. a status that was written with its reply lost is told in an Event all the same', async () => {
    const namespace = suite.namespaces[5] ?? '';
    const object = cluster(namespace, 'greedy', { pods: { resources: { requests: { cpu: '900' } } } });
    const lost = await suite.proxy.rule(
      { verb: 'patch', namespace, resource: 'etcdclusters', subresource: 'status' },
      { kind: 'lose-reply' },
    );
    const { metadata } = await suite.kube.create(etcdClusters, object);
    await until('an Event tells that there is no room', {
      within: 60_000,
      read: () => suite.kube.list(events, namespace),
      holds: (told) =>
        told.some((e) => e.type === 'Warning' && e.reason === 'Unschedulable' && e.regarding?.uid === metadata.uid),
    });
    const heard = (await suite.proxy.requests({ verb: 'patch', namespace, subresource: 'status' })).filter(
      ({ status }) => status !== 0,
    );
    expect(heard, 'answers that the operator got').toEqual([]);
    await lost.remove();
    await suite.remove(object);
  });

  // A promise that rejects and that nobody awaits cannot be brought about from outside, as long as nobody knows of one:
  // src/runtime/rejection.test.ts has one in a process of its own.
  test('27. a cluster whose reads are nonsense does not take the process or the others down, and says so', async () => {
    const namespace = suite.namespaces[4] ?? '';
    const [poison, healthy] = [cluster(namespace, 'poison'), cluster(namespace, 'healthy')];
    const restarts = await suite.operator.restarts();
    const nonsense = await suite.proxy.rule(
      { verb: ['get', 'create', 'patch', 'update'], namespace, name: 'poison-*' },
      { kind: 'status', code: 200, body: '{"metadata":null,"spec":7}' },
    );
    await suite.kube.create(etcdClusters, poison);
    await nonsense.struck(1, 30_000);
    await suite.available(healthy);
    // Also one that is being formed is not ready: only a failure has this reason.
    await until('the poisoned cluster says that it cannot be reconciled', {
      within: 60_000,
      read: () => suite.kube.get(etcdClusters, poison.metadata),
      holds: (seen) => {
        const { status, reason, message } = condition(seen, 'Ready') ?? {};
        return (
          (status === 'False' && reason === 'ReconcileFailed' && Boolean(message)) || `Ready: ${reason}: ${message}`
        );
      },
    });
    expect(await suite.operator.restarts()).toBe(restarts);
    const tries = (await nonsense.state()).hits;
    expect(tries, 'a failing step backs off').toBeLessThan(100);
    await nonsense.remove();
    await suite.settle(healthy);
    await suite.settle(poison);
    expect(await memberLives(suite.kube, healthy)).toHaveLength(1);
  });
});
