// SPDX-License-Identifier: Apache-2.0
// An API server that is slow, strict or of another age: the operator waits as told, says what is wrong, and goes on elsewhere.
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { EtcdCluster } from '../../src/api/cluster.ts';
import { etcdClusters } from '../../src/api/resources.ts';
import {
  type NetworkPolicy,
  networkPolicies,
  podDisruptionBudgets,
  pods,
  statefulSets,
} from '../../src/runtime/resources.ts';
import { describeRequest } from '../testbed/proxy/client.ts';
import { availableNow, cluster, condition, waitAvailable } from './harness/cluster.ts';
import { ration, refuse, rewrite } from './harness/policy.ts';
import { customResourceDefinitions, resourceQuotas, roles } from './harness/resources.ts';
import { repairs } from './harness/scenario.ts';
import { useOperator } from './harness/suite.ts';
import { until } from './harness/until.ts';

const suite = useOperator({ namespaces: 9, proxy: true });

const ready = (name: string, namespace: string) => ({
  within: 60_000,
  read: () => suite.kube.get(etcdClusters, { namespace, name }),
});

/** Milliseconds from the creation of a cluster to its availability. */
async function formed(object: ReturnType<typeof cluster>): Promise<number> {
  const start = performance.now();
  await suite.available(object);
  return performance.now() - start;
}

const BUDGETS = 'poddisruptionbudgets';

/** The Role of a namespace with and without what it grants on budgets. */
async function budgetRights(namespace: string) {
  const [role] = (await suite.kube.list(roles, namespace)).filter((each) =>
    each.rules.some(({ resources }) => resources?.includes(BUDGETS)),
  );
  if (!role) throw new Error(`no Role of the chart grants ${BUDGETS}`);
  const { metadata, rules } = role;
  const [operator] = await suite.operator.pods();
  const user = `system:serviceaccount:${suite.operator.namespace}:${operator?.spec?.serviceAccountName}`;
  const verbs = ['create', 'list', 'watch'];
  const allowed = async (verb: string): Promise<boolean> => {
    const spec = { user, resourceAttributes: { namespace, group: 'policy', resource: BUDGETS, verb } };
    const body = { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec };
    const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
    return (await suite.kube.call<{ status: { allowed: boolean } }>('POST', path, { body })).status.allowed;
  };
  /** Resolves when the API server judges by them: what was allowed a moment ago may still be for another. */
  const patch = async (next: typeof rules): Promise<void> => {
    await suite.kube.patch(roles, metadata, { rules: next });
    const granted = verbs.map((verb) =>
      next.some((rule) => rule.resources?.includes(BUDGETS) && rule.verbs.includes(verb)),
    );
    await until('the API server goes by the Role', {
      within: 20_000,
      read: () => Promise.all(verbs.map(allowed)),
      holds: (seen) => isDeepStrictEqual(seen, granted),
    });
  };
  const without = rules
    .map((rule) => ({ ...rule, resources: rule.resources?.filter((name) => name !== BUDGETS) ?? [] }))
    .filter(({ resources }) => resources.length > 0);
  return { rules, without, patch };
}

/** What Ready says when a right is missing. */
function missingRight(object: EtcdCluster): string | undefined {
  const found = condition(object, 'Ready');
  return found?.status === 'False' && found.message?.includes('forbidden') ? found.message : undefined;
}

/** Deletes the StatefulSet without its pods, and waits for its successor. */
async function setReturns(ref: { namespace: string; name: string }): Promise<void> {
  const set = await suite.kube.get(statefulSets, ref);
  await suite.kube.delete(statefulSets, ref, { propagationPolicy: 'Orphan' });
  await until('the StatefulSet is back', {
    within: 10_000,
    read: () => suite.kube.find(statefulSets, ref),
    holds: (found) => found !== undefined && found.metadata.uid !== set.metadata.uid,
  });
}

describe.concurrent('limits', () => {
  test('14. 20 s of latency on one namespace do not delay the clusters of another', async () => {
    const [slow = '', quick = ''] = suite.namespaces;
    const reference = await formed(cluster(quick, 'reference'));
    const latency = await suite.proxy.rule(
      { verb: ['get', 'list', 'create', 'update', 'patch', 'delete'], namespace: slow },
      { kind: 'delay', ms: 20_000 },
    );
    // More of them than the operator has workers, and each waits for the API server as soon as it is looked at. Paused: no
    // pod of theirs takes the place of others.
    const crowd = Array.from({ length: 24 }, (_, index) => cluster(slow, `paused-${index}`, { paused: true }));
    const late = cluster(slow, 'late');
    await Promise.all([...crowd, late].map((each) => suite.kube.create(etcdClusters, each)));
    // As many workers as one namespace may take.
    await latency.struck(12, 60_000);
    const object = cluster(quick, 'timely');
    // Two tries at most fit below one request that waits for 20 s.
    expect(await formed(object)).toBeLessThan(1.5 * reference + 10_000);
    await repairs(suite.kube, object);
    await latency.remove();
    await waitAvailable(suite.kube, slow, 'late', 120_000);
    await until('all of the crowd are looked after', {
      within: 60_000,
      read: () => suite.kube.list(etcdClusters, slow),
      holds: (found) => found.filter((each) => condition(each, 'Ready')?.reason === 'Paused').length === crowd.length,
    });
    await Promise.all(crowd.map(({ metadata }) => suite.kube.delete(etcdClusters, metadata)));
    await suite.dismiss(object);
  }, 300_000);

  test('16. a child that a quota refuses is told with its reason, is not hammered, and comes when the quota is lifted', async () => {
    const namespace = suite.namespaces[2] ?? '';
    const object = cluster(namespace, 'refused');
    const quota = { namespace, name: 'no-services' };
    await ration(suite.kube, quota, { services: '0' });
    await suite.kube.create(etcdClusters, object);
    const told = await until('the refusal is in a condition', {
      ...ready('refused', namespace),
      holds: (seen) =>
        condition(seen, 'Ready')?.status === 'False' && /quota/.test(condition(seen, 'Ready')?.message ?? ''),
    });
    expect(condition(told, 'Stalled')?.status).toBe('True');
    const since = Date.now();
    await until('ten more seconds have passed', {
      within: 20_000,
      read: async () => Date.now(),
      holds: (now) => now > since + 10_000,
    });
    const all = await suite.proxy.writes({ verb: 'create', namespace, resource: 'services' });
    const tries = all.filter(({ startedAt }) => startedAt > since);
    const each = Map.groupBy(tries, ({ name: service }) => service);
    for (const [service, group] of each) {
      // A back-off that doubles from 0.2 s, less jitter, gives six or seven tries in ten seconds.
      expect(group.length, `tries for ${service} in 10 s`).toBeLessThan(8);
    }
    await suite.kube.delete(resourceQuotas, quota);
    expect((await suite.settle(object)).status?.membersSummary).toBe('1/1');
  });

  test('16. a child that an admission policy refuses is told in the words of the policy, and comes when it is lifted', async () => {
    const namespace = suite.namespaces[7] ?? '';
    const object = cluster(namespace, 'unlawful');
    const fence: NetworkPolicy = { metadata: { namespace, name: 'fence' }, spec: { podSelector: {} } };
    await using policy = await refuse(suite.kube, networkPolicies, fence, 'nobody puts up fences here');
    await suite.kube.create(etcdClusters, object);
    const told = await until('the refusal is in a condition', {
      ...ready('unlawful', namespace),
      holds: (seen) =>
        condition(seen, 'Ready')?.status === 'False' &&
        /nobody puts up fences here/.test(condition(seen, 'Ready')?.message ?? ''),
    });
    expect(condition(told, 'Stalled')?.status).toBe('True');
    await policy.lift();
    expect((await suite.settle(object)).status?.membersSummary).toBe('1/1');
  });

  test('16. a refusal is written once also while the watch does not show that it was, and tries stay apart', async () => {
    const namespace = suite.namespaces[6] ?? '';
    const held = await suite.proxy.rule(
      { verb: 'create', namespace, resource: 'configmaps' },
      { kind: 'status', code: 503 },
    );
    const object = cluster(namespace, 'repeated');
    await suite.kube.create(etcdClusters, object);
    await held.struck(1, 60_000);
    // The one that is open, or the next: each ends within a minute, and may do so just now.
    const silent = await suite.proxy.rule(
      { verb: 'watch', namespace, resource: 'etcdclusters' },
      { kind: 'freeze', scope: 'both' },
      { times: 1 },
    );
    await silent.struck(1, 10_000);
    const refused = await suite.proxy.rule(
      { verb: 'create', namespace, resource: 'services' },
      { kind: 'status', code: 403 },
    );
    await held.remove();
    // Three Services are tried each time; the tries span several seconds, and with them several transition times.
    await refused.struck(3 * 6, 60_000);
    const said = await suite.proxy.requests({ verb: 'patch', namespace, resource: 'etcdclusters' });
    const texts = said.map(({ body = '' }) => body);
    expect(
      texts.filter((text, index) => texts.indexOf(text) !== index),
      'said twice',
    ).toEqual([]);
    expect(
      texts.filter((text) => text.includes('creating Service')),
      'ways of saying it',
    ).toHaveLength(1);
    await refused.remove();
    await silent.remove();
    await suite.dismiss(object);
  });

  test('17. a stored cluster with fields that this version does not know is served', async () => {
    const namespace = suite.namespaces[3] ?? '';
    const crd = 'etcdclusters.etcd.quorate.dev';
    const path = '/spec/versions/0/schema/openAPIV3Schema/properties/spec/x-kubernetes-preserve-unknown-fields';
    const change = (operations: object[]) =>
      suite.kube.call('PATCH', `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${crd}`, {
        body: operations,
        contentType: 'application/json-patch+json',
      });
    const before = await suite.kube.get(customResourceDefinitions, { name: crd });
    expect(before.spec.versions).toHaveLength(1);
    // As a newer CRD would have let it in; adding this harms nobody else who uses the kind meanwhile.
    await change([{ op: 'add', path, value: true }]);
    // Holds nothing back: it only tells that the operator was shown the field.
    const shown = await suite.proxy.rule(
      { verb: 'watch', namespace, resource: 'etcdclusters' },
      { kind: 'delay-events', event: { name: 'elder', text: 'fromTheFuture' }, ms: 0 },
    );
    const plain = cluster(namespace, 'elder');
    const { metadata } = plain;
    const object = { ...plain, spec: { ...plain.spec, fromTheFuture: { deeply: ['nested', 1] } } };
    const stored = await until('the API server keeps the unknown field', {
      within: 20_000,
      read: async () => {
        await suite.kube.delete(etcdClusters, metadata);
        return suite.kube.create(etcdClusters, object);
      },
      holds: (seen) => 'fromTheFuture' in seen.spec,
    });
    await shown.struck(1, 90_000);
    await until('the operator has begun with the cluster as it was stored', {
      within: 60_000,
      read: () => suite.proxy.writes({ verb: 'create', namespace, resource: 'configmaps' }),
      holds: (made) => made.some(({ body }) => body?.includes(stored.metadata.uid ?? 'no UID')),
    });
    await shown.remove();
    await change([{ op: 'remove', path }]);
    const restarts = await suite.operator.restarts();
    const seen = await until('the cluster is available', { ...ready('elder', namespace), holds: availableNow });
    expect(seen.metadata.uid).toBe(stored.metadata.uid);
    expect(await suite.operator.restarts()).toBe(restarts);
    await suite.dismiss(object);
  });

  test('18. rights to one kind revoked in mid-run are told, everything else goes on, and all heals when they return', async () => {
    const namespace = suite.namespaces[4] ?? '';
    const object = cluster(namespace, 'revoked', { replicas: 3 });
    await suite.available(object);
    const { patch, rules, without } = await budgetRights(namespace);
    await patch([...without, { apiGroups: ['policy'], resources: [BUDGETS], verbs: ['get', 'list', 'watch'] }]);
    const budget = { namespace, name: 'revoked' };
    const old = await suite.kube.get(podDisruptionBudgets, budget);
    await suite.kube.delete(podDisruptionBudgets, budget);
    await repairs(suite.kube, object);
    await until('the missing right to write is in a condition', {
      ...ready('revoked', namespace),
      holds: (seen) => missingRight(seen) !== undefined,
    });
    // What comes later in the plan than the budget is put back all the same.
    await setReturns(budget);
    await patch(without);
    await suite.proxy.rule({ verb: 'watch', namespace, resource: BUDGETS }, { kind: 'cut' });
    await until('the missing right to watch is in a condition', {
      ...ready('revoked', namespace),
      holds: (seen) =>
        /cannot (list|watch) resource "poddisruptionbudgets"/.test(missingRight(seen) ?? '') || 'not told',
    });
    await repairs(suite.kube, object);
    await patch(rules);
    await until('the budget is back', {
      within: 60_000,
      read: () => suite.kube.get(podDisruptionBudgets, budget),
      holds: ({ metadata }) => metadata.uid !== old.metadata.uid,
    });
    expect((await suite.settle(object)).status?.membersSummary).toBe('3/3');
  });

  test('what an admission policy undoes at once is told, keeps nothing else from being done, and is done when the policy goes', async () => {
    const namespace = suite.namespaces[8] ?? '';
    const storage = { size: '300Mi', retentionPolicy: { whenDeleted: 'Delete' as const } };
    const object = cluster(namespace, 'undone', { replicas: 3, storage });
    await using clusters = await rewrite(
      suite.kube,
      etcdClusters,
      { ...cluster(namespace, 'probe'), metadata: { namespace, name: 'probe', finalizers: ['example.com/audit'] } },
      {
        when: 'has(object.metadata.finalizers)',
        patch: '[JSONPatch{op: "remove", path: "/metadata/finalizers"}]',
        isChanged: ({ metadata }) => metadata.finalizers === undefined,
      },
    );
    await suite.kube.create(etcdClusters, object);
    const saysOf = (words: RegExp) => ({
      ...ready('undone', namespace),
      holds: (seen: EtcdCluster) => {
        const { reason, message = '' } = condition(seen, 'Stalled') ?? {};
        return (reason === 'Undone' && words.test(message)) || message || 'not told';
      },
    });
    await until('the finalizer that does not stay is told', saysOf(/finalizer/));
    await until('the cluster serves all the same', {
      ...ready('undone', namespace),
      holds: (seen) => condition(seen, 'Available')?.status === 'True' || 'it does not serve',
    });
    const budget = { namespace, name: 'undone' };
    const ours = 'object.spec.unhealthyPodEvictionPolicy == "AlwaysAllow"';
    const { metadata: _, ...live } = await suite.kube.get(podDisruptionBudgets, budget);
    await using budgets = await rewrite(
      suite.kube,
      podDisruptionBudgets,
      { ...live, metadata: { namespace, name: 'probe' } },
      {
        when: ours,
        patch: '[JSONPatch{op: "replace", path: "/spec/unhealthyPodEvictionPolicy", value: "IfHealthyBudget"}]',
        isChanged: ({ spec }) => spec?.unhealthyPodEvictionPolicy === 'IfHealthyBudget',
      },
    );
    await suite.kube.delete(podDisruptionBudgets, budget);
    await until('the budget that is changed at once is told', saysOf(/PodDisruptionBudget undone/));
    await setReturns(budget);
    await clusters.lift();
    await budgets.lift();
    const healed = await until('nothing is in the way', {
      ...ready('undone', namespace),
      holds: (seen) => condition(seen, 'Ready')?.status === 'True' || (condition(seen, 'Ready')?.message ?? ''),
    });
    expect(healed.metadata.finalizers).toEqual(['etcd.quorate.dev/claims']);
    const mended = await suite.kube.get(podDisruptionBudgets, budget);
    expect(mended.spec?.unhealthyPodEvictionPolicy).toBe('AlwaysAllow');
    await suite.settle(object);
  });
});

// Alone: the whole operator starts anew.
describe('a new start', () => {
  test('18. without the right to watch one kind is told by the clusters and by readiness, stops no other namespace, and heals', async () => {
    const [namespace = '', other = ''] = suite.namespaces.slice(4);
    const object = cluster(namespace, 'unseen');
    const neighbour = cluster(other, 'neighbour');
    await Promise.all([suite.available(object), suite.available(neighbour)]);
    const { patch, rules, without } = await budgetRights(namespace);
    await patch(without);
    const old = await suite.operator.pods();
    for (const { metadata } of old) await suite.kube.delete(pods, metadata);
    const told = await until('the missing right is in a condition', {
      ...ready('unseen', namespace),
      holds: (seen) =>
        /cannot (list|watch) resource "poddisruptionbudgets"/.test(missingRight(seen) ?? '') || 'not told',
    });
    expect(condition(told, 'Stalled')).toMatchObject({ status: 'True', reason: 'Refused' });
    expect(await suite.operator.logs()).toMatch(/"kind":"PodDisruptionBudget".*"code":"Forbidden"/);
    await repairs(suite.kube, neighbour);
    await until('the successor is the only one, runs, and is not ready', {
      within: 30_000,
      read: () => suite.operator.pods(),
      holds: ([pod, ...more]) =>
        more.length === 0 &&
        pod?.metadata.uid !== old[0]?.metadata.uid &&
        pod?.status?.containerStatuses?.[0]?.started === true &&
        !pod.status.containerStatuses[0].ready,
    });
    await patch(rules);
    await repairs(suite.kube, object, 60_000);
    await until('the operator is ready', {
      within: 30_000,
      read: () => suite.operator.pods(),
      holds: ([pod]) => pod?.status?.containerStatuses?.[0]?.ready === true,
    });
    await suite.settle(object);
    await suite.dismiss(neighbour);
  });
});

// Alone: inside the window the whole operator keeps silent.
describe('back-pressure', () => {
  // Longer than a watch lives, and than the operator waits for one that is silent: some end inside the window.
  const seconds = 70;
  test('11. a 429 with Retry-After is obeyed: inside the window nothing is sent but the lease, and nothing is read anew after it', async () => {
    const object = cluster(suite.namespaces[5] ?? '', 'patient');
    const { namespace = '' } = object.metadata;
    await suite.available(object);
    const target = { verb: 'create', namespace, resource: 'services' } as const;
    const busy = { kind: 'status', code: 429, reason: 'TooManyRequests', retryAfterSeconds: seconds } as const;
    const refusal = await suite.proxy.rule(target, busy, { times: 1 });
    await suite.proxy.forget();
    await repairs(suite.kube, object, (seconds + 30) * 1000);
    const tries = await suite.proxy.requests(target);
    expect(tries.map(({ status }) => status)).toEqual([429, 201]);
    const told = (tries[0]?.startedAt ?? 0) + (tries[0]?.durationMs ?? 0);
    const since = (await suite.proxy.requests()).filter(({ startedAt }) => startedAt > told);
    // A second for what was on its way when the answer came.
    const inside = since.filter(({ startedAt: at }) => at > told + 1000 && at < told + seconds * 1000);
    const renewals = inside.filter(({ resource }) => resource === 'leases');
    expect(inside.filter((each) => !renewals.includes(each)).map(describeRequest)).toEqual([]);
    expect(renewals.length, 'the lease is kept').toBeGreaterThan(seconds / 10);
    const anew = since.filter(({ verb, query }) => verb === 'list' || query.sendInitialEvents === 'true');
    expect(anew.map(describeRequest)).toEqual([]);
    await refusal.remove();
    await suite.dismiss(object);
  }, 300_000);
});
