// SPDX-License-Identifier: Apache-2.0
// The seal: no member that lost its data ever starts empty, and no acknowledged write is lost with it.
import { describe, expect, test } from 'vitest';
import type { EtcdCluster } from '../../src/api/cluster.ts';
import { etcdClusters } from '../../src/api/resources.ts';
import { pods } from '../../src/runtime/resources.ts';
import { killProcess } from '../testbed/faults/pods.ts';
import { emptyDataDirectory } from '../testbed/faults/volumes.ts';
import { cluster, condition } from './harness/cluster.ts';
import { etcdctl } from './harness/etcdctl.ts';
import { type Suite, useOperator } from './harness/suite.ts';
import { throughout, until } from './harness/until.ts';

const suite = useOperator({ namespaces: 1 });

const KEYS = 20;

type Loss = 'container' | 'pod';

const refOf = (o: EtcdCluster) => ({ namespace: o.metadata.namespace ?? '', name: o.metadata.name });
const podOf = (o: EtcdCluster, ordinal: number) => ({ ...refOf(o), name: `${o.metadata.name}-${ordinal}` });

/** Acknowledged writes `k/0`…; one call of etcdctl, so that many are cheap. */
async function write(s: Suite, o: EtcdCluster, members?: string[]): Promise<void> {
  for (let i = 0; i < KEYS; i += 1)
    await etcdctl(s.environment, refOf(o), ['put', `k/${i}`, `${i}`], members?.slice(0, 1));
}

async function readBack(s: Suite, o: EtcdCluster, members: string[], consistency: 'l' | 's'): Promise<number> {
  const args = ['get', 'k/', '--prefix', '--keys-only', `--consistency=${consistency}`, '--command-timeout=5s'];
  const text = await etcdctl(s.environment, refOf(o), args, members);
  return text.split('\n').filter((line) => line.startsWith('k/')).length;
}

/** A member whose files vanish under it may exit before it is killed. */
function endedByItself(e: unknown): void {
  if (!(e instanceof Error && e.message.includes('is not running'))) throw e;
}

/** Empties the data directories and restarts what runs on them: the container inside its pod, or the pod. */
async function lose(s: Suite, o: EtcdCluster, ordinals: number[], how: Loss): Promise<void> {
  await Promise.all(ordinals.map((i) => emptyDataDirectory(podOf(o, i))));
  if (how === 'container')
    await Promise.all(ordinals.map((i) => killProcess(podOf(o, i), 'etcd').catch(endedByItself)));
  else await Promise.all(ordinals.map((i) => s.kube.delete(pods, podOf(o, i), { gracePeriodSeconds: 0 })));
}

/** The members that lost their data exit, and say so in the cluster's condition. */
function reported(s: Suite, o: EtcdCluster, ordinals: number[]): Promise<EtcdCluster> {
  return until('the loss is reported', {
    within: 60_000,
    read: () => s.kube.get(etcdClusters, refOf(o)),
    holds: (seen) => {
      const text = condition(seen, 'MembersHealthy')?.message ?? '';
      const named = ordinals.every((i) => text.includes(`${o.metadata.name}-${i}: its data directory is empty`));
      return named || `MembersHealthy says: ${text}`;
    },
  });
}

const notAvailable = (s: Suite, o: EtcdCluster) =>
  throughout('the cluster is not available', {
    within: 6_000,
    read: () => s.kube.get(etcdClusters, refOf(o)),
    holds: (seen) => condition(seen, 'Available')?.status !== 'True',
  });

describe('a lost data directory', () => {
  const rows = [
    { lost: [1], how: 'container', when: 'right after bootstrap' },
    { lost: [0, 2], how: 'container', when: 'right after bootstrap' },
    { lost: [0, 1, 2], how: 'container', when: 'right after bootstrap' },
    { lost: [1], how: 'pod', when: 'later' },
    { lost: [0, 2], how: 'pod', when: 'later' },
    { lost: [0, 1, 2], how: 'pod', when: 'later' },
  ] as const;
  test.concurrent.each(rows)('$lost of three, by $how, $when: none starts empty', async ({ lost, how, when }) => {
    const name = `lost${lost.length}${how}`;
    const object = await suite.available(cluster(suite.namespaces[0] ?? '', name, { replicas: 3 }), 120_000);
    if (when === 'later') await write(suite, object);
    await lose(suite, object, [...lost], how);
    await reported(suite, object, [...lost]);
    const survivors = [0, 1, 2].filter((i) => !lost.includes(i as never)).map((i) => `${name}-${i}`);
    if (survivors.length === 2) {
      if (when !== 'later') await write(suite, object, survivors);
      expect(await readBack(suite, object, survivors, 'l'), 'the majority serves every acknowledged write').toBe(KEYS);
      return;
    }
    await notAvailable(suite, object);
    if (survivors.length === 1 && when === 'later') {
      expect(await readBack(suite, object, survivors, 's'), 'the survivor holds every acknowledged write').toBe(KEYS);
    }
  });

  test('the only member: an empty directory never becomes an empty cluster', async () => {
    const object = await suite.available(cluster(suite.namespaces[0] ?? '', 'single'), 120_000);
    await write(suite, object);
    await lose(suite, object, [0], 'container');
    await reported(suite, object, [0]);
    await notAvailable(suite, object);
  });

  test('one away while writes are acknowledged, one emptied, the third away when the first returns: nothing is lost', async () => {
    const object = await suite.available(cluster(suite.namespaces[0] ?? '', 'relay', { replicas: 3 }), 120_000);
    const [first, emptied, third] = [0, 1, 2].map((i) => podOf(object, i)) as [
      ReturnType<typeof podOf>,
      ReturnType<typeof podOf>,
      ReturnType<typeof podOf>,
    ];
    await killProcess(first, 'etcd', 'SIGSTOP');
    await write(suite, object, [emptied.name]);
    await killProcess(third, 'etcd', 'SIGSTOP');
    await lose(suite, object, [1], 'container');
    await killProcess(first, 'etcd', 'SIGCONT');
    await until('the cluster is seen to be unavailable', {
      within: 60_000,
      read: () => suite.kube.get(etcdClusters, refOf(object)),
      holds: (seen) => condition(seen, 'Available')?.status === 'False',
    });
    await notAvailable(suite, object);
    await killProcess(third, 'etcd', 'SIGCONT');
    const keys = await until('the two that have their data serve again', {
      within: 60_000,
      read: () => readBack(suite, object, [first.name, third.name], 'l'),
      holds: (n) => n === KEYS || `${n} of ${KEYS} keys`,
    });
    expect(keys).toBe(KEYS);
  });
});
