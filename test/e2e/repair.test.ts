// SPDX-License-Identifier: Apache-2.0
// What is owned is put back, pods that die come back as the same members, and an operator that starts anew touches nothing.
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { EtcdCluster } from '../../src/api/cluster.ts';
import { etcdClusters } from '../../src/api/resources.ts';
import type { KubeObject, Ref } from '../../src/runtime/json.ts';
import {
  configMaps,
  networkPolicies,
  persistentVolumeClaims,
  podDisruptionBudgets,
  pods,
  type Resource,
  secrets,
  services,
  statefulSets,
} from '../../src/runtime/resources.ts';
import { cluster, condition, waitAvailable } from './harness/cluster.ts';
import { etcdctl } from './harness/etcdctl.ts';
import { survives } from './harness/oracle.ts';
import { persistentVolumes } from './harness/resources.ts';
import { identities, memberLives } from './harness/scenario.ts';
import { useOperator } from './harness/suite.ts';
import { until } from './harness/until.ts';

const suite = useOperator({ namespaces: 1, proxy: true });
const space = () => suite.namespaces[0] ?? '';
const of = (name: string) => `etcd.quorate.dev/cluster=${name}`;
const ids = (o: EtcdCluster) => o.status?.members?.map((m) => `${m.name} ${m.id}`);
const volumes = (o: EtcdCluster) => identities(suite.kube, o, [persistentVolumeClaims]);
const again = (name: string) => waitAvailable(suite.kube, space(), name, 120_000);

/** Waits until the object is there again with another UID. */
async function deletedAndBack<T extends KubeObject>(
  kind: Resource<T>,
  name: string,
  {
    within = 10_000,
    propagationPolicy = 'Background',
  }: { within?: number; propagationPolicy?: 'Background' | 'Foreground' | 'Orphan' } = {},
): Promise<void> {
  const ref = { namespace: space(), name };
  const before = await suite.kube.get(kind, ref);
  await suite.kube.delete(kind, ref, { propagationPolicy });
  // Kubernetes takes its time with what goes before or after the object.
  if (propagationPolicy !== 'Background')
    await until(`${kind.kind} ${name} is gone`, {
      within: 60_000,
      read: () => suite.kube.find(kind, ref),
      holds: (found) => found?.metadata.uid !== before.metadata.uid,
    });
  await until(`${kind.kind} ${name} is put back`, {
    within,
    read: () => suite.kube.get(kind, ref),
    holds: ({ metadata }) => metadata.uid !== before.metadata.uid && metadata.deletionTimestamp === undefined,
  });
}

describe('repair', () => {
  test('every child that is deleted is back within 10 s, and the members stay the same', async () => {
    const object = await suite.available(cluster(space(), 'torn', { replicas: 3 }), 120_000);
    const recording = await suite.record(object);
    const lives = await memberLives(suite.kube, object);
    const identity = await suite.kube.get(configMaps, { namespace: space(), name: 'torn-config' });
    await deletedAndBack(services, 'torn-client');
    // What the operator has just made is missed as soon as anything else: not at the next look.
    await deletedAndBack(services, 'torn-client', { within: 5_000 });
    await deletedAndBack(services, 'torn-members');
    await deletedAndBack(services, 'torn-1');
    await deletedAndBack(podDisruptionBudgets, 'torn');
    await deletedAndBack(networkPolicies, 'torn-peer');
    await deletedAndBack(networkPolicies, 'torn-client');
    await deletedAndBack(configMaps, 'torn-config');
    const restored = await suite.kube.get(configMaps, { namespace: space(), name: 'torn-config' });
    expect(restored.data).toEqual(identity.data);
    expect(await memberLives(suite.kube, object)).toEqual(lives);
    await suite.dismiss(object, recording);
  });

  test('a StatefulSet deleted with its pods, or orphaned, brings the same members back', async () => {
    const object = await suite.available(cluster(space(), 'set', { replicas: 3 }), 120_000);
    const recording = await suite.record(object);
    const lives = await memberLives(suite.kube, object);
    await deletedAndBack(statefulSets, 'set', { propagationPolicy: 'Orphan' });
    expect(await memberLives(suite.kube, object), 'an orphaning deletion touches no pod').toEqual(lives);
    await deletedAndBack(statefulSets, 'set', { propagationPolicy: 'Foreground' });
    expect(ids(await again('set'))).toEqual(ids(object));
    const anew = await memberLives(suite.kube, object);
    await deletedAndBack(statefulSets, 'set');
    await until('every pod is another one', {
      within: 60_000,
      read: () => memberLives(suite.kube, object),
      holds: (now) => now.length === 3 && now.every((line) => !anew.includes(line)),
    });
    expect(ids(await again('set'))).toEqual(ids(object));
    await suite.dismiss(object, recording);
  });

  test('edits of children are undone: replicas, a selector, a rule, an added container, a mount', async () => {
    const object = await suite.available(cluster(space(), 'edited', { replicas: 3 }), 120_000);
    const set = { namespace: space(), name: 'edited' };
    const extra = { name: 'miner', image: 'example.com/miner:1' };
    const before = (await suite.kube.get(statefulSets, set)).spec;
    const [container] = before?.template.spec?.containers ?? [];
    const altered = {
      args: ['--force-new-cluster'],
      envFrom: [{ configMapRef: { name: 'else' } }],
      lifecycle: { preStop: { sleep: { seconds: 1 } } },
      securityContext: { ...container?.securityContext, runAsUser: 7 },
      volumeMounts: container?.volumeMounts?.map((mount) => ({ ...mount, subPath: 'else' })),
      livenessProbe: { httpGet: { ...container?.livenessProbe?.httpGet, host: '192.0.2.1' } },
    };
    const hostAliases = [{ ip: '192.0.2.1', hostnames: ['edited-1'] }];
    const pod = { containers: [{ ...container, ...altered }, extra], hostNetwork: true, hostAliases };
    await suite.kube.patch(statefulSets, set, {
      spec: { replicas: 1, ordinals: { start: 1 }, template: { spec: pod } },
    });
    const service = { namespace: space(), name: 'edited-client' };
    await suite.kube.patch(services, service, { spec: { selector: { app: 'else' } } });
    await suite.kube.patch(networkPolicies, { namespace: space(), name: 'edited-peer' }, { spec: { ingress: [{}] } });
    const door = { namespace: space(), name: 'edited-client' };
    const clients = (await suite.kube.get(networkPolicies, door)).spec?.ingress ?? [];
    expect(clients).toHaveLength(2);
    const wide = clients.map((rule) => ({
      ports: rule.ports?.map((p) => ({ ...p, endPort: 65_535 })),
      from: rule.from?.map((peer) => ({ ...peer, namespaceSelector: {} })),
    }));
    await suite.kube.patch(networkPolicies, door, { spec: { ingress: wide } });
    const budget = { namespace: space(), name: 'edited' };
    const all = { minAvailable: 0, selector: { matchExpressions: [{ key: 'none', operator: 'Exists' }] } };
    await suite.kube.patch(podDisruptionBudgets, budget, { spec: all });
    await until('all edits are undone', {
      within: 10_000,
      read: async () => ({
        budget: (await suite.kube.get(podDisruptionBudgets, budget)).spec,
        clients: (await suite.kube.get(networkPolicies, door)).spec?.ingress,
        set: (await suite.kube.get(statefulSets, set)).spec,
        selector: (await suite.kube.get(services, service)).spec?.selector,
        ingress: (await suite.kube.get(networkPolicies, { namespace: space(), name: 'edited-peer' })).spec?.ingress,
      }),
      holds: (seen) =>
        seen.budget?.minAvailable === 2 &&
        seen.budget.selector?.matchExpressions === undefined &&
        isDeepStrictEqual(seen.clients, clients) &&
        isDeepStrictEqual(seen.set?.template.spec, before?.template.spec) &&
        (seen.set?.ordinals?.start ?? 0) === 0 &&
        seen.set?.replicas === 3 &&
        seen.selector?.app === undefined &&
        seen.ingress?.[0]?.ports?.[0]?.port === 2380,
    });
    expect(ids(await again('edited')), 'no member was removed for a scaled StatefulSet').toEqual(ids(object));
    await suite.dismiss(object);
  });

  test('edits of the identity record, and of labels and annotations of claims and children, are undone', async () => {
    const object = await suite.available(cluster(space(), 'marked', { replicas: 3 }), 120_000);
    const lives = await memberLives(suite.kube, object);
    const [config, claim, child] = ['marked-config', 'data-marked-1', 'marked-members'].map((name) => ({
      namespace: space(),
      name,
    })) as [Ref, Ref, Ref];
    const read = async () => {
      const [record, kept, service] = await Promise.all([
        suite.kube.get(configMaps, config),
        suite.kube.get(persistentVolumeClaims, claim),
        suite.kube.get(services, child),
      ]);
      const { 'etcd.quorate.dev/file': _, ...annotations } = kept.metadata.annotations ?? {};
      const labels = [record.metadata.labels, service.metadata.labels];
      return { data: record.data, claim: [kept.metadata.labels, annotations], labels };
    };
    const before = await read();
    const edited = (await suite.kube.get(configMaps, config)).data?.['identity.json']?.replace('Formed', 'Open');
    expect(edited).toContain('Open');
    await suite.kube.patch(configMaps, config, { data: { 'identity.json': edited } });
    await suite.kube.patch(persistentVolumeClaims, claim, {
      metadata: {
        labels: { 'app.kubernetes.io/component': 'else', 'app.kubernetes.io/name': null },
        annotations: { 'etcd.quorate.dev/incarnation': 'ffffffff', 'etcd.quorate.dev/version': null },
      },
    });
    await suite.kube.patch(services, child, { metadata: { labels: { 'app.kubernetes.io/name': 'else' } } });
    await suite.kube.patch(configMaps, config, { metadata: { labels: { 'etcd.quorate.dev/cluster': null } } });
    await until('all is as it was', {
      within: 10_000,
      read,
      holds: (now) => isDeepStrictEqual(now, before) || `before: ${JSON.stringify(before)}`,
    });
    expect(await memberLives(suite.kube, object)).toEqual(lives);
    await suite.dismiss(object);
  });

  test('a record that lost its owner is told, and the cluster is seen to serve all the same', async () => {
    const object = await suite.available(cluster(space(), 'orphan'), 120_000);
    const config = { namespace: space(), name: 'orphan-config' };
    const { ownerReferences } = (await suite.kube.get(configMaps, config)).metadata;
    await suite.kube.patch(configMaps, config, { metadata: { ownerReferences: null } });
    const seen = await until('the strange record is told', {
      within: 30_000,
      read: () => suite.kube.get(etcdClusters, object.metadata),
      holds: (o) => condition(o, 'Ready')?.reason === 'NameConflict' || `Ready: ${condition(o, 'Ready')?.message}`,
    });
    expect(['Available', 'MembersHealthy'].map((type) => condition(seen, type)?.status)).toEqual(['True', 'True']);
    expect(seen.status?.membersSummary).toBe('1/1');
    await suite.kube.patch(configMaps, config, { metadata: { ownerReferences } });
    await suite.dismiss(object);
  });

  test('a claim deleted under its member is told at once; without its data the member stays out; brought back as told, it returns', async () => {
    const object = await suite.available(cluster(space(), 'robbed', { replicas: 3 }), 120_000);
    const recording = await suite.handOver(object);
    await recording.acknowledged(5, 30_000);
    const told = (text: string) =>
      until(`the loss of the claim is told: ${text}`, {
        within: 30_000,
        read: () => suite.kube.get(etcdClusters, object.metadata),
        holds: (seen) => {
          const { reason, message = '' } = condition(seen, 'Ready') ?? {};
          return (reason === 'ClaimLost' && message.includes(text)) || `Ready: ${reason}: ${message}`;
        },
      });
    const claim = { namespace: space(), name: 'data-robbed-1' };
    await suite.kube.delete(persistentVolumeClaims, claim);
    const seen = await told('data-robbed-1 is being deleted and goes with its pod');
    expect(seen.status?.membersSummary, 'the claim waits for its pod').toBe('3/3');
    const volume = { name: (await suite.kube.get(persistentVolumeClaims, claim)).spec?.volumeName ?? '' };
    await suite.kube.patch(persistentVolumes, volume, { spec: { persistentVolumeReclaimPolicy: 'Retain' } });
    await suite.kube.delete(pods, { namespace: space(), name: 'robbed-1' });
    const lost = await told('data-robbed-1 is not the one that the cluster was formed with');
    await until('the member says that it has no data', {
      within: 90_000,
      read: () => suite.kube.get(etcdClusters, object.metadata),
      holds: (now) => condition(now, 'MembersHealthy')?.message?.includes('its data directory is empty') ?? false,
    });
    await recording.acknowledged(5, 30_000);
    const members = ['robbed-0', 'robbed-2'];
    expect(await survives(suite.environment, object, recording, { members, consistency: 'l' })).toBe(true);
    await recording.close();
    await suite.kube.patch(persistentVolumes, volume, { spec: { claimRef: { uid: null, resourceVersion: null } } });
    await suite.kube.delete(persistentVolumeClaims, claim);
    await suite.kube.delete(pods, { namespace: space(), name: 'robbed-1' });
    await until('the volume is that of the claim again', {
      within: 60_000,
      read: () => suite.kube.find(persistentVolumeClaims, claim),
      holds: (now) => now?.spec?.volumeName === volume.name,
    });
    const marks = condition(lost, 'Ready')?.message?.matchAll(/(etcd\.quorate\.dev\/\w+)=(\w+)/g) ?? [];
    const annotations = Object.fromEntries([...marks].map(([, key, value]) => [key, value]));
    await suite.kube.patch(persistentVolumeClaims, claim, { metadata: { annotations } });
    await suite.kube.patch(persistentVolumes, volume, { spec: { persistentVolumeReclaimPolicy: 'Delete' } });
    expect(ids(await suite.settle(object))).toEqual(ids(object));
  });

  test('what the spec asks for no longer is removed: a client, that of backups, the policies, an annotation', async () => {
    const clients = [{ name: 'e2e' }, { name: 'old' }];
    const service = { annotations: { 'example.com/kept': '1', 'example.com/dropped': '1' } };
    const backup = { store: { s3: { bucket: 'unused', credentialsSecret: { name: 'unused' } } } };
    const spec = { tls: { clientCertificates: clients }, service, backup };
    await suite.available(cluster(space(), 'trimmed', spec), 120_000);
    const edit = {
      tls: { clientCertificates: [{ name: 'e2e' }] },
      service: { annotations: { 'example.com/dropped': null } },
      networkPolicy: { enabled: false },
      backup: null,
    };
    const read = async () => ({
      secret: await suite.kube.find(secrets, { namespace: space(), name: 'trimmed-client-old' }),
      ofBackups: await suite.kube.find(secrets, { namespace: space(), name: 'trimmed-tls-backup' }),
      policies: (await suite.kube.list(networkPolicies, space(), of('trimmed'))).length,
      annotations: (await suite.kube.get(services, { namespace: space(), name: 'trimmed-client' })).metadata
        .annotations,
    });
    const before = await read();
    expect([before.secret, before.ofBackups]).not.toContain(undefined);
    expect(before).toMatchObject({ policies: 2, annotations: service.annotations });
    await suite.kube.patch(etcdClusters, { namespace: space(), name: 'trimmed' }, { spec: edit });
    await until('they are gone', {
      within: 15_000,
      read,
      holds: ({ secret, ofBackups, policies, annotations }) =>
        secret === undefined &&
        ofBackups === undefined &&
        policies === 0 &&
        annotations?.['example.com/dropped'] === undefined &&
        annotations?.['example.com/kept'] === '1',
    });
    await suite.dismiss(await again('trimmed'));
  });

  test('a client that is taken back while its Secret is being made leaves none behind', async () => {
    const object = await suite.available(cluster(space(), 'hasty'), 120_000);
    const secret = { namespace: space(), name: 'hasty-client-brief' };
    const making = await suite.proxy.rule(
      { verb: 'create', resource: 'secrets', ...secret },
      { kind: 'hold', at: 'reply' },
    );
    const clients = (...names: string[]) =>
      suite.kube.patch(etcdClusters, object.metadata, {
        spec: { tls: { clientCertificates: names.map((name) => ({ name })) } },
      });
    await clients('e2e', 'brief');
    const held = await making.held(20_000);
    await clients('e2e');
    expect(await suite.kube.find(secrets, secret)).toBeDefined();
    // Whoever asked does not know that it is there.
    await held.drop();
    await making.remove();
    await until('the Secret is gone', {
      within: 15_000,
      read: () => suite.kube.find(secrets, secret),
      holds: (found) => found === undefined,
    });
    await suite.dismiss(await again('hasty'));
  });

  test('one pod, then all pods killed at once: the same members return with every write', async () => {
    const object = await suite.available(cluster(space(), 'killed', { replicas: 3 }), 120_000);
    const recording = await suite.record(object);
    const [claims, first] = [await volumes(object), await memberLives(suite.kube, object)];
    const anew = (lives: string[], left: number) =>
      until(`${3 - left} of the pods are other ones`, {
        within: 60_000,
        read: () => memberLives(suite.kube, object),
        holds: (now) => now.length === 3 && now.filter((line) => lives.includes(line)).length === left,
      });
    await recording.acknowledged(20, 30_000);
    await suite.kube.delete(pods, { namespace: space(), name: 'killed-1' }, { gracePeriodSeconds: 0 });
    await recording.acknowledged(20, 30_000);
    const second = await anew(first, 2);
    await again('killed');
    for (const pod of await suite.kube.list(pods, space(), of('killed'))) {
      await suite.kube.delete(pods, pod.metadata, { gracePeriodSeconds: 0 });
    }
    await anew(second, 0);
    await recording.acknowledged(20, 90_000);
    expect(ids(await again('killed'))).toEqual(ids(object));
    expect(await volumes(object)).toEqual(claims);
    await suite.dismiss(object, recording);
  });

  test('the pod of a single member deleted: the same member returns on the same claim with every write', async () => {
    const object = await suite.available(cluster(space(), 'alone'), 120_000);
    const recording = await suite.record(object);
    await recording.acknowledged(20, 30_000);
    const [claims, lives] = [await volumes(object), await memberLives(suite.kube, object)];
    expect(Object.keys(claims)).toEqual(['PersistentVolumeClaim/data-alone-0']);
    await suite.kube.delete(pods, { namespace: space(), name: 'alone-0' });
    await until('its pod is another one', {
      within: 60_000,
      read: () => memberLives(suite.kube, object),
      holds: (now) => now.length === 1 && now.every((line) => !lives.includes(line)),
    });
    await recording.acknowledged(20, 90_000);
    const after = await again('alone');
    expect([ids(after), after.status?.clusterId, after.status?.genesis]).toEqual([
      ids(object),
      object.status?.clusterId,
      object.status?.genesis,
    ]);
    expect(await volumes(object)).toEqual(claims);
    await suite.dismiss(object, recording);
  });

  test('an operator that starts anew changes nothing', async () => {
    const object = await suite.available(cluster(space(), 'calm', { replicas: 3 }), 120_000);
    await suite.settle(object);
    const recording = await suite.record(object, 4);
    const before = Date.now();
    await suite.operator.crash();
    await until('the new operator has looked', {
      within: 30_000,
      read: () => suite.proxy.requests({ verb: 'get', resource: 'secrets', namespace: space() }),
      holds: (found) => found.some((r) => r.startedAt > before && r.name === 'calm-tls-server'),
    });
    await suite.settle(object, recording);
    const writes = (await suite.proxy.writes({ namespace: space() })).filter(
      (w) => w.startedAt > before && /calm/.test(w.name ?? ''),
    );
    expect(writes.map((w) => `${w.verb} ${w.path}`)).toEqual([]);
  });

  test('a lost authority is reported and not minted again; brought back, it is used as before', async () => {
    const object = await suite.available(cluster(space(), 'rooted'), 120_000);
    const ref = { namespace: space(), name: 'rooted-ca-client' };
    const authority = await suite.kube.get(secrets, ref);
    await suite.kube.delete(secrets, ref);
    // Secrets are read at most every five minutes; a new operator reads them at once.
    await suite.operator.crash();
    await until('the loss is reported', {
      within: 60_000,
      read: () => suite.kube.get(etcdClusters, { namespace: space(), name: 'rooted' }),
      holds: (seen) => condition(seen, 'TLSReady')?.reason === 'AuthorityLost',
    });
    expect(await suite.kube.find(secrets, ref)).toBeUndefined();
    expect(await etcdctl(suite.environment, { namespace: space(), name: 'rooted' }, ['put', 'a', 'b'])).toContain('OK');
    const { resourceVersion: _v, uid: _u, creationTimestamp: _c, ...metadata } = authority.metadata;
    await suite.kube.create(secrets, { ...authority, metadata });
    expect(ids(await suite.settle(object))).toEqual(ids(object));
  });
});
