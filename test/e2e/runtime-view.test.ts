// SPDX-License-Identifier: Apache-2.0
// How the operator sees the world and what it says of it: lists page by page, watches that fall silent, metrics, logs, Events.
import { afterEach, describe, expect, test } from 'vitest';
import type { EtcdCluster } from '../../src/api/cluster.ts';
import { configMaps, events } from '../../src/runtime/resources.ts';
import { RECORDER } from '../testbed/recorder/container.ts';
import { cluster } from './harness/cluster.ts';
import { identities, repairs } from './harness/scenario.ts';
import { useOperator } from './harness/suite.ts';
import { until } from './harness/until.ts';

const suite = useOperator({ namespaces: 2, proxy: true });

/** How often each Event of a cluster was sent. */
async function eventCounts({ metadata }: EtcdCluster): Promise<Record<string, number>> {
  const found = (await suite.kube.list(events, metadata.namespace)).filter(
    ({ regarding }) => regarding?.kind === 'EtcdCluster' && regarding.name === metadata.name,
  );
  return Object.fromEntries([...Map.groupBy(found, ({ reason }) => reason ?? '')].map(([k, v]) => [k, v.length]));
}

/** The answer of the one operator pod on its health port, with its status line. */
async function scrape(page: string): Promise<string> {
  const [pod] = await suite.operator.pods();
  const script = `exec 3<>/dev/tcp/${pod?.status?.podIP}/8081; printf 'GET ${page} HTTP/1.0\\r\\n\\r\\n' >&3; cat <&3`;
  return suite.environment.exec(RECORDER, ['bash', '-c', script]);
}

const readiness = (within: number, wanted: boolean) =>
  until(`the operator is ${wanted ? '' : 'not '}ready`, {
    within,
    read: () => suite.operator.pods(),
    holds: (found) => found.length === 1 && found[0]?.status?.containerStatuses?.[0]?.ready === wanted,
  });

describe('the view', () => {
  afterEach(() => suite.proxy.clearRules());

  test('what is done is told once: in Events, in log lines that carry cluster, reconcile and step, in metrics', async () => {
    const object = cluster(suite.namespaces[0] ?? '', 'told', { replicas: 3 });
    const { namespace = '', name } = object.metadata;
    await suite.available(object);
    await repairs(suite.kube, object);
    await suite.settle(object);
    const counts = await eventCounts(object);
    expect(counts).toMatchObject({ Bootstrapping: 1, Formed: 1, ChildrenRestored: 1 });
    expect(Math.max(...Object.values(counts)), JSON.stringify(counts)).toBe(1);

    // Each line is JSON: nothing that anybody put into a name or a message has made a line of its own.
    const lines = (await suite.operator.logs(20_000))
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('---'));
    const entries = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    const steps = entries.filter((entry) => entry.step !== undefined && entry.name === name);
    expect(new Set(steps.map(({ step }) => step))).toContain('RecordIdentity');
    for (const entry of steps)
      expect(entry).toMatchObject({
        controller: 'cluster',
        namespace,
        reconcileId: expect.stringMatching(/^[0-9a-f]{8}$/),
      });

    expect(await scrape('/healthz')).toContain(' 200 OK');
    const metrics = await scrape('/metrics');
    expect(metrics).toContain('quorate_leader 1\n');
    expect(metrics).toMatch(/^quorate_reconcile_total{controller="cluster",result="success"} [1-9]/m);
    expect(metrics).toMatch(/^quorate_reconcile_duration_seconds_count{controller="cluster"} [1-9]/m);
    expect(metrics).toMatch(/^quorate_queue_depth{controller="cluster"} \d/m);
    expect(metrics).toMatch(/^quorate_kubernetes_requests_total{method="POST",status="201"} [1-9]/m);
    expect(metrics).toMatch(/^quorate_kubernetes_request_duration_seconds_count{method="POST"} [1-9]/m);
    const ages = [...metrics.matchAll(/^quorate_watch_age_seconds{kind="(\w+)"} (\S+)/gm)];
    expect(ages.map(([, kind]) => kind)).toEqual(
      expect.arrayContaining(['EtcdCluster', 'EtcdBackup', 'Pod', 'StatefulSet']),
    );
    for (const [, kind, age] of ages) expect(Number(age), kind).toBeLessThan(60);
  });

  test('a server that does not stream lists is read page by page, and the view is the same', async () => {
    const object = cluster(suite.namespaces[1] ?? '', 'zz-last');
    const { namespace = '' } = object.metadata;
    await suite.available(object);
    const labels = { 'etcd.quorate.dev/cluster': 'nobody', 'app.kubernetes.io/managed-by': 'quorate' };
    // More than one page of 500, all before the record of the cluster.
    const names = Array.from({ length: 510 }, (_, index) => `filler-${index}`);
    for (let from = 0; from < names.length; from += 30) {
      const some = names.slice(from, from + 30);
      await Promise.all(some.map((name) => suite.kube.create(configMaps, { metadata: { namespace, name, labels } })));
    }
    const before = await identities(suite.kube, object);
    const streamed = { verb: 'watch', namespace, query: { sendInitialEvents: 'true' } } as const;
    const refusals = await Promise.all([
      suite.proxy.rule({ ...streamed, resource: 'configmaps' }, { kind: 'status', code: 422, reason: 'Invalid' }),
      suite.proxy.rule({ ...streamed, resource: 'services' }, { kind: 'status', code: 400, reason: 'BadRequest' }),
    ]);
    await suite.proxy.forget();
    await suite.operator.crash();
    for (const refusal of refusals) await refusal.struck(1, 30_000);
    // The old pod's container may have begun anew before it was deleted, and have asked for a page that it never got.
    const client = (await suite.operator.leader()).status?.podIP ?? '';
    const pages = await suite.proxy.requests({ verb: 'list', namespace, resource: 'configmaps', client });
    expect(pages.map(({ status, query }) => [status, query.limit, query.continue !== undefined])).toEqual([
      [200, '500', false],
      [200, '500', true],
    ]);
    await repairs(suite.kube, object, 30_000);
    await suite.kube.delete(configMaps, { namespace, name: 'zz-last-config' });
    await until('the record of the second page is put back', {
      within: 10_000,
      read: () => suite.kube.get(configMaps, { namespace, name: 'zz-last-config' }),
      holds: ({ metadata }) => metadata.uid !== before['ConfigMap/zz-last-config'],
    });
    const anew = { 'Service/zz-last-client': '', 'ConfigMap/zz-last-config': '' };
    expect({ ...(await identities(suite.kube, object)), ...anew }).toEqual({ ...before, ...anew });
    const deletes = await suite.proxy.requests({ namespace, verb: ['delete', 'deletecollection'] });
    expect(deletes.map(({ path }) => path)).toEqual([]);
    await suite.dismiss(object);
  });

  // A minute until the silent watches are given up, half of one in which their successors show nothing either.
  test('when all watches fall silent the operator is not ready within two minutes, lives, and is ready again when they speak', async () => {
    await readiness(30_000, true);
    const restarts = await suite.operator.restarts();
    const freeze = await suite.proxy.rule({ verb: 'watch' }, { kind: 'freeze', scope: 'both' });
    await readiness(120_000, false);
    expect(await scrape('/readyz')).toMatch(/ 503 [^]*the watch of \w+ has been silent for \d+ s/);
    expect(await scrape('/healthz')).toContain(' 200 OK');
    await freeze.remove();
    await readiness(60_000, true);
    expect(await suite.operator.restarts()).toBe(restarts);
  });
});
