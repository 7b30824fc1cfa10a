// SPDX-License-Identifier: Apache-2.0
// The promise of the seal, with the kubelet of one node stopped: nothing else may run on these nodes meanwhile.
import { expect, test } from 'vitest';
import { etcdClusters } from '../../../src/api/resources.ts';
import { type Pod, pods, secrets } from '../../../src/runtime/resources.ts';
import { cluster, condition, waitAvailable } from '../harness/cluster.ts';
import type { Environment } from '../harness/environment.ts';
import { useOperator } from '../harness/suite.ts';
import { throughout, until } from '../harness/until.ts';

const suite = useOperator({ namespaces: 1, proxy: true });

/** Renews no file until `goOn`; after 20 s without its kubelet a node counts as lost. */
async function stoppedKubelet(environment: Environment, node: string) {
  const signal = (name: string) => environment.exec(node, ['sh', '-c', `kill -${name} $(pidof kubelet)`]);
  await signal('STOP');
  const goOn = async () => void (await signal('CONT'));
  return { goOn, [Symbol.asyncDispose]: goOn };
}

/** The members whose node still holds a file with which they could start on an empty directory. */
async function openFiles(environment: Environment, members: readonly Pod[]): Promise<string[]> {
  const open = await Promise.all(
    members.map(async ({ metadata, spec }) => {
      const file = `/var/lib/kubelet/pods/${metadata.uid}/volumes/kubernetes.io~secret/conf/${metadata.name}.yaml`;
      return (await environment.exec(spec?.nodeName ?? '', ['cat', file])).includes('"initial-cluster-state": "new"');
    }),
  );
  return members.filter((_, i) => open[i]).map(({ metadata }) => metadata.name);
}

test('a cluster has no client Secret and is not Available while a node holds a file with which a member could start empty', async () => {
  const namespace = suite.namespaces[0] ?? '';
  const object = cluster(namespace, 'unsealed', { replicas: 3 });
  const sealing = await suite.proxy.rule(
    { verb: 'update', namespace, resource: 'secrets', name: 'unsealed-tls-server' },
    { kind: 'status', code: 503 },
  );
  await suite.kube.create(etcdClusters, object);
  await sealing.struck(1, 60_000);
  const members = () => suite.kube.list(pods, namespace, 'app.kubernetes.io/component=member');
  const running = await until('the members run', {
    within: 60_000,
    read: members,
    holds: (seen) =>
      seen.length === 3 && seen.every((p) => p.status?.containerStatuses?.[0]?.state?.running !== undefined),
  });
  const node = running[0]?.spec?.nodeName ?? '';
  const late = running.filter(({ spec }) => spec?.nodeName === node).map(({ metadata }) => metadata.name);
  await using stopped = await stoppedKubelet(suite.environment, node);
  await sealing.remove();
  await until('only that node holds open files', {
    within: 30_000,
    read: () => openFiles(suite.environment, running),
    holds: (open) => open.length === late.length,
  });
  const served = async () => {
    const client = await suite.kube.find(secrets, { namespace, name: 'unsealed-client-e2e' });
    const available = condition(await suite.kube.get(etcdClusters, object.metadata), 'Available')?.status === 'True';
    return client !== undefined || available;
  };
  await throughout('no client is served', { within: 4_000, read: served, holds: (now) => !now });
  expect(await openFiles(suite.environment, running)).toEqual(late);
  await stopped.goOn();
  await waitAvailable(suite.kube, namespace, 'unsealed', 90_000);
  expect(await openFiles(suite.environment, running), 'members that could start empty').toEqual([]);
  await suite.dismiss(object);
});
