// SPDX-License-Identifier: Apache-2.0
// Every cluster of a file is under a recording client from the moment it is available, so that no test can forget it.
import type { EtcdCluster } from '../../../src/api/cluster.ts';
import { etcdClusters } from '../../../src/api/resources.ts';
import type { Recording } from '../../testbed/recorder/client.ts';
import { clientName, condition } from './cluster.ts';
import type { Environment } from './environment.ts';
import type { WatchedEvent } from './kube.ts';
import { judge, record } from './oracle.ts';
import { until } from './until.ts';

/** Writes per second: enough to lose one, and next to nothing on two cores. */
const RATE = 4;

/** A write that was lost would go with the cluster, and nobody would ever know. */
const UNJUDGED = 'deleted before anybody had judged it: settle it first, or answer for its recording (handOver)';

interface Kept {
  readonly object: EtcdCluster;
  readonly recording: Promise<Recording>;
  /** A test answers for it, or it was judged. */
  taken: boolean;
}

export class Recordings {
  private readonly environment: Environment;
  private readonly kept = new Map<string, Kept>();
  private readonly unjudged: string[] = [];

  constructor(environment: Environment) {
    this.environment = environment;
  }

  /** To be told of every change of an EtcdCluster. One that a test deletes is that test's to judge, before it does. */
  see({ type, object }: WatchedEvent<EtcdCluster>): void {
    const { uid = '', namespace = '', name } = object.metadata;
    const known = this.kept.get(uid);
    if (type === 'DELETED') {
      this.kept.delete(uid);
      if (!known || known.taken) return;
      this.unjudged.push(`${namespace}/${name}: ${UNJUDGED}`);
      void discard(known.recording);
      return;
    }
    const asked = object.status?.clientSecrets?.includes(`${name}-client-${clientName}`);
    if (known || !asked || condition(object, 'Available')?.status !== 'True') return;
    const recording = record(this.environment, namespace, name, RATE);
    recording.catch(() => undefined);
    this.kept.set(uid, { object, recording, taken: false });
  }

  /** The recording of a cluster that is or was available, once; afterwards it is the caller's to verify and close. */
  async take(object: EtcdCluster): Promise<Recording | undefined> {
    const kept = await until(`${object.metadata.namespace}/${object.metadata.name} is recorded`, {
      within: 30_000,
      read: async () => {
        const { metadata } = await this.environment.kube.get(etcdClusters, object.metadata);
        return this.kept.get(metadata.uid ?? '');
      },
      holds: (found) => found !== undefined,
    });
    if (!kept || kept.taken) return undefined;
    kept.taken = true;
    return kept.recording;
  }

  /** Sentences on what is wrong with the clusters that no test has settled or taken, and on those that went before. */
  async problems(): Promise<string[]> {
    const open = [...this.kept.values()].filter(({ taken }) => !taken);
    const found = await Promise.all(open.map((kept) => this.judge(kept).catch((error: unknown) => [String(error)])));
    const wrong = found.flatMap((sentences, index) => {
      const { namespace, name } = open[index]?.object.metadata ?? {};
      return sentences.map((sentence) => `${namespace}/${name}: ${sentence}`);
    });
    return [...wrong, ...this.unjudged];
  }

  private async judge({ object, recording }: Kept): Promise<string[]> {
    const live = await this.environment.kube.find(etcdClusters, object.metadata);
    const there = live?.metadata.uid === object.metadata.uid && live?.metadata.deletionTimestamp === undefined;
    if (there) return judge(await recording);
    await discard(recording);
    return [UNJUDGED];
  }
}

async function discard(recording: Promise<Recording>): Promise<void> {
  await recording.then((started) => started.close()).catch(() => undefined);
}
