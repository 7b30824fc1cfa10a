// SPDX-License-Identifier: Apache-2.0
// The last word of every scenario: the cluster is as its spec says, no write was lost, and the operator has nothing to do.
import type { EtcdCluster } from '../../../src/api/cluster.ts';
import { etcdClusters } from '../../../src/api/resources.ts';
import { conditionsProblem } from '../../../src/runtime/conditions.ts';
import { secrets } from '../../../src/runtime/resources.ts';
import { describeRequest, type ProxyListener } from '../../testbed/proxy/client.ts';
import type { Recording } from '../../testbed/recorder/client.ts';
import type { StoredText } from '../../testbed/recorder/protocol.ts';
import { clientName, waitAvailable } from './cluster.ts';
import type { Environment } from './environment.ts';
import { etcdctl } from './etcdctl.ts';
import type { Kube, WatchedEvent } from './kube.ts';
import { until } from './until.ts';

/** Collects every status that is written in these namespaces, and judges each. */
export class StatusWatch {
  private readonly stopped = new AbortController();
  private readonly found: string[] = [];
  private readonly namespaces: Set<string>;

  constructor(namespaces: string[]) {
    this.namespaces = new Set(namespaces);
  }

  /** `see` is told of every event too. */
  start(kube: Kube, see: (event: WatchedEvent<EtcdCluster>) => void): void {
    for (const namespace of this.namespaces) {
      const receive = (event: WatchedEvent<EtcdCluster>) => {
        if (event.type !== 'DELETED') this.judge(event.object);
        see(event);
      };
      void kube.watch(etcdClusters, namespace, receive, this.stopped.signal);
    }
  }

  stop(): void {
    this.stopped.abort();
  }

  /** Sentences on statuses that break the rules of kstatus and Flux. */
  problems(namespace?: string): string[] {
    return this.found.filter((sentence) => namespace === undefined || sentence.startsWith(`${namespace}/`));
  }

  private judge(object: EtcdCluster): void {
    const { namespace, name, resourceVersion } = object.metadata;
    const problem = conditionsProblem(object);
    if (problem) this.found.push(`${namespace}/${name} at ${resourceVersion}: ${problem}`);
  }
}

/** Starts a recording client against a cluster, with its issued client Secret. */
export async function record(environment: Environment, namespace: string, name: string, rate = 50): Promise<Recording> {
  const tls = await clientTls(environment, namespace, name);
  return environment.recorder.record({ namespace, cluster: name, tls, rate });
}

export interface ClientTls {
  ca: string;
  cert: string;
  key: string;
}

/** The PEM files of the issued client Secret; waits until it is there. */
export async function clientTls(environment: Environment, namespace: string, name: string): Promise<ClientTls> {
  const secret = await until(`the client Secret of ${namespace}/${name} is issued`, {
    within: 60_000,
    read: () => environment.kube.get(secrets, { namespace, name: `${name}-client-${clientName}` }),
    holds: ({ data }) => Boolean(data?.['ca.crt'] && data['tls.crt'] && data['tls.key']),
  });
  const pem = (key: string) => Buffer.from(secret.data?.[key] ?? '', 'base64').toString();
  return { ca: pem('ca.crt'), cert: pem('tls.crt'), key: pem('tls.key') };
}

export interface Settling {
  environment: Environment;
  statuses: StatusWatch;
  /** The operator's side of the proxy, if it has one: then it must also fall silent. */
  proxy?: ProxyListener;
  /** Those that ran during the scenario; without any a short one is made now. */
  recordings: Recording[];
  /** How long the operator must stay without a write, in milliseconds; default 5000. */
  idleMs?: number;
}

/** Throws unless: available, nothing acknowledged missing, all members equal, every status lawful, no more writes. */
export async function settle(namespace: string, name: string, settling: Settling): Promise<EtcdCluster> {
  const { environment, statuses, proxy, recordings, idleMs = 5000 } = settling;
  const seen = await waitAvailable(environment.kube, namespace, name);
  if (recordings.length === 0) recordings.push(await record(environment, namespace, name));
  await Promise.all(recordings.map((recording) => recording.acknowledged(5, 30_000)));
  const verdicts = await Promise.all(recordings.map(judge));
  const problems = [...verdicts.flat(), ...statuses.problems(namespace)];
  if (problems.length > 0) throw new Error(`${namespace}/${name} did not stay sound:\n${problems.join('\n')}`);
  if (proxy) await quiet(proxy, namespace, idleMs);
  return seen;
}

/** Ends a recording. Sentences on what is missing or differs; none if all is well. */
export async function judge(recording: Recording): Promise<string[]> {
  await recording.stop();
  const { problems } = await recording.verify();
  await recording.close();
  return problems;
}

/**
 * For clusters that lost members for good, whose hashes nobody can compare: ends the recording, and returns a sentence
 * unless the given members alone hold every key that was acknowledged, as it was written. `consistency`: `s` asks a member
 * for what it has itself.
 */
export async function survives(
  environment: Environment,
  object: EtcdCluster,
  recording: Recording,
  { members, consistency }: { members: readonly string[]; consistency: 'l' | 's' },
): Promise<true | string> {
  const { acknowledged } = await recording.stop();
  const args = ['get', `recorder/${recording.id}/`, '--prefix', '--write-out=json', `--consistency=${consistency}`];
  const { namespace = '', name } = object.metadata;
  const text = await etcdctl(environment, { namespace, name }, [...args, '--command-timeout=30s'], members);
  const problems = await recording.compare(storedIn(text));
  if (acknowledged === 0) problems.push('no write was ever acknowledged');
  return problems.length === 0 || `${members.join(', ')}: ${problems.join('; ')}`;
}

/** The keys in an answer of `etcdctl get --write-out=json`, which writes keys and values in base64. */
function storedIn(answer: string): StoredText[] {
  const { kvs = [] }: { kvs?: { key: string; value?: string; create_revision: number; mod_revision: number }[] } =
    JSON.parse(answer);
  const decoded = (base64 = '') => Buffer.from(base64, 'base64').toString();
  return kvs.map(({ key, value, create_revision, mod_revision }) => ({
    key: decoded(key),
    value: decoded(value),
    createRevision: String(create_revision),
    modRevision: String(mod_revision),
  }));
}

/** Waits until the operator has written nothing to a namespace for `idleMs` milliseconds. */
export async function quiet(proxy: ProxyListener, namespace: string, idleMs = 5000, within = 30_000): Promise<void> {
  await until(`the operator writes nothing to ${namespace} for ${idleMs} ms`, {
    within,
    read: async () => {
      const writes = await proxy.writes({ namespace });
      return writes.filter(({ startedAt }) => startedAt > Date.now() - idleMs).map((write) => describeRequest(write));
    },
    holds: (recent) => recent.length === 0 || `writes in the last ${idleMs} ms: ${recent.join(', ')}`,
  });
}
