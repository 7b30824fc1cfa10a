// SPDX-License-Identifier: Apache-2.0
// The seal: no member that lost its data ever starts empty, and no acknowledged write is lost with it.
import { describe, expect, test } from 'vitest';
import type { EtcdCluster } from '../../src/api/cluster.ts';
import { etcdClusters } from '../../src/api/resources.ts';
import { pods } from '../../src/runtime/resources.ts';
import { killProcess } from '../testbed/faults/pods.ts';
import { emptyDataDirectory } from '../testbed/faults/volumes.ts';
import { cluster, condition, versions } from './harness/cluster.ts';
import { survives } from './harness/oracle.ts';
import { type Suite, useOperator } from './harness/suite.ts';
import { throughout, until } from './harness/until.ts';

const suite = useOperator({ namespaces: 1 });

type Loss = 'container' | 'pod';

const refOf = (o: EtcdCluster) => ({ namespace: o.metadata.namespace ?? '', name: o.metadata.name });
const podOf = (o: EtcdCluster, ordinal: number) => ({ ...refOf(o), name: `${o.metadata.name}-${ordinal}` });

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

const losses = [[0], [0, 2], [0, 1, 2]];
const ways = (['right after bootstrap', 'later'] as const).flatMap((when) =>
  (['container', 'pod'] as const).map((how) => ({ how, when })),
);
/** Each loss in each version. */
const rows = ways.flatMap((way, i) =>
  losses.map((lost, j) => ({ ...way, lost, version: versions[(i + j) % versions.length] ?? '' })),
);

describe('a lost data directory', () => {
  test.concurrent.each(rows)('$lost of three with etcd $version, by $how, $when: none starts empty', async (row) => {
    const { lost, how, when, version } = row;
    const name = `lost${lost.length}${how}${when.slice(0, 1)}`;
    const object = await suite.available(cluster(suite.namespaces[0] ?? '', name, { replicas: 3, version }), 150_000);
    const recording = await suite.handOver(object);
    if (when === 'later') await recording.acknowledged(10, 30_000);
    const survivors = [0, 1, 2].filter((i) => !lost.includes(i)).map((i) => `${name}-${i}`);
    const quorate = survivors.length === 2;
    // Without a majority only what had reached the survivor by then can be there.
    if (!quorate) await recording.stop();
    await lose(suite, object, lost, how);
    await reported(suite, object, lost);
    if (quorate) await recording.acknowledged(5, 30_000);
    else await notAvailable(suite, object);
    if (survivors.length > 0 && (quorate || when === 'later')) {
      const consistency = quorate ? 'l' : 's';
      const held = await survives(suite.environment, object, recording, { members: survivors, consistency });
      expect(held, 'what was acknowledged').toBe(true);
    }
    await recording.close();
    await suite.remove(object);
  });

  test('the only member: an empty directory never becomes an empty cluster', async () => {
    const object = await suite.available(cluster(suite.namespaces[0] ?? '', 'single'), 120_000);
    const recording = await suite.handOver(object);
    await recording.acknowledged(1, 30_000);
    await recording.close();
    await lose(suite, object, [0], 'container');
    await reported(suite, object, [0]);
    await notAvailable(suite, object);
    await suite.remove(object);
  });

  test('one away while writes are acknowledged, one emptied, the third away when the first returns: nothing is lost', async () => {
    const object = await suite.available(cluster(suite.namespaces[0] ?? '', 'relay', { replicas: 3 }), 120_000);
    const recording = await suite.handOver(object);
    const [first, third] = [podOf(object, 0), podOf(object, 2)];
    await killProcess(first, 'etcd', 'SIGSTOP');
    await recording.acknowledged(20, 60_000);
    await recording.stop();
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
    const members = [first.name, third.name];
    await until('the two that have their data serve what was acknowledged', {
      within: 60_000,
      read: () => survives(suite.environment, object, recording, { members, consistency: 'l' }),
      holds: (verdict) => verdict,
    });
    await recording.close();
  });
});
