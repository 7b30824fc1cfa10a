// SPDX-License-Identifier: Apache-2.0
// One operator instance of a test file: installed by the chart, seen and killed from outside.
import { leases, type Pod, pods } from '../../../src/runtime/resources.ts';
import type { ProxyListener } from '../../testbed/proxy/client.ts';
import type { Environment } from './environment.ts';
import { uninstall, upgrade } from './helm.ts';
import { loadedImage } from './release.ts';
import { until } from './until.ts';

export interface OperatorOptions {
  /** Number of namespaces that the instance watches and the tests may use; default 1. */
  namespaces?: number;
  /** Put the fault proxy between this instance and the API server; default false. */
  proxy?: boolean;
  /** Default `debug`. */
  logLevel?: 'trace' | 'debug' | 'info' | 'warn' | 'error';
  /** Default 1. */
  replicas?: number;
  /** Further values of the chart. */
  values?: object;
}

export type Signal = 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT';

export class Operator {
  readonly release: string;
  /** The instance's own namespace. */
  readonly namespace: string;
  readonly watched: string[];
  private readonly environment: Environment;
  private readonly options: OperatorOptions;
  private readonly listener: ProxyListener | undefined;

  constructor(
    environment: Environment,
    release: string,
    watched: string[],
    options: OperatorOptions,
    listener?: ProxyListener,
  ) {
    this.environment = environment;
    this.release = release;
    this.namespace = `${release}-system`;
    this.watched = watched;
    this.options = options;
    this.listener = listener;
  }

  /** This instance's side of the fault proxy. */
  get proxy(): ProxyListener {
    if (!this.listener) throw new Error('this operator does not go through the fault proxy');
    return this.listener;
  }

  /** Installs the chart, or changes what is installed. */
  async install(values: object = {}): Promise<void> {
    const { proxyAddress } = this.environment;
    const image = await loadedImage();
    const extraEnv = this.listener
      ? [
          { name: 'KUBERNETES_SERVICE_HOST', value: proxyAddress },
          { name: 'KUBERNETES_SERVICE_PORT', value: String(this.listener.port) },
          { name: 'KUBERNETES_SERVICE_PORT_HTTPS', value: String(this.listener.port) },
        ]
      : [];
    await upgrade(this.environment, this.release, this.namespace, {
      image,
      replicaCount: this.options.replicas ?? 1,
      logLevel: this.options.logLevel ?? 'debug',
      crds: { enabled: false },
      rbac: { aggregateClusterRoles: false },
      watch: { scope: 'Namespaces', namespaces: this.watched },
      extraEnv,
      // Ten seconds of a processor at every start, for a few clusters: three files at once would hardly get on.
      extraArgs: ['--spare-keys=1'],
      ...this.options.values,
      ...values,
    });
  }

  async uninstall(): Promise<void> {
    await uninstall(this.environment, this.release, this.namespace);
  }

  /** The instance's pods, oldest first. */
  async pods(): Promise<Pod[]> {
    const selector = `app.kubernetes.io/instance=${this.release}`;
    const found = await this.environment.kube.list(pods, this.namespace, selector);
    return found.toSorted((a, b) =>
      (a.metadata.creationTimestamp ?? '').localeCompare(b.metadata.creationTimestamp ?? ''),
    );
  }

  /** Sends a signal to the operator's process in its node, behind the kubelet's back; default all replicas. */
  async kill(signal: Signal, pod?: Pod): Promise<void> {
    for (const each of pod ? [pod] : await this.pods()) {
      const node = each.spec?.nodeName;
      const container = each.status?.containerStatuses?.[0]?.containerID?.split('//')[1];
      if (!node || !container) throw new Error(`${each.metadata.name} has no running container`);
      // A signal that reaches nobody must not look like one that changes nothing.
      const script = `hit=1; for p in /proc/[0-9]*; do grep -q ${container} $p/cgroup 2>/dev/null && kill -s ${signal.slice(3)} \${p#/proc/} && hit=0; done; exit $hit`;
      await this.environment.exec(node, ['sh', '-c', script]);
    }
  }

  /**
   * Kills the process and waits for a successor that is ready. The pod is replaced and the Lease deleted, so that
   * neither the kubelet's back-off nor the dead leader's lease make repeated crashes slow.
   */
  async crash(): Promise<void> {
    const { kube } = this.environment;
    const dead = await this.pods();
    await this.kill('SIGKILL');
    for (const { metadata } of dead) await kube.delete(pods, metadata, { gracePeriodSeconds: 0 });
    for (const { metadata } of await kube.list(leases, this.namespace)) await kube.delete(leases, metadata);
    await until(`operator ${this.release} has a successor`, {
      within: 60_000,
      read: () => this.pods(),
      holds: (found) =>
        found.length === dead.length &&
        found.every(
          ({ metadata, status }) => dead.every((old) => old.metadata.uid !== metadata.uid) && isReady(status),
        ),
    });
  }

  /** Waits until every replica has started more often than `before` and is ready. */
  async restarted(before: number, within = 60_000): Promise<void> {
    await until(`operator ${this.release} is running again`, {
      within,
      read: () => this.pods(),
      holds: (found) =>
        sumRestarts(found) > before &&
        found.every((pod) => pod.status?.containerStatuses?.every(({ ready }) => ready) === true),
    });
  }

  /** How often containers of this instance were started again. */
  async restarts(): Promise<number> {
    return sumRestarts(await this.pods());
  }

  /** Holder of the leader election's Lease, `''` if there is none. */
  async holder(): Promise<string> {
    const found = await this.environment.kube.list(leases, this.namespace);
    return found.map((lease) => lease.spec?.holderIdentity ?? '').find((identity) => identity !== '') ?? '';
  }

  /** The replica that leads. */
  async leader(): Promise<Pod> {
    const holder = await this.holder();
    const found = (await this.pods()).find((pod) => holder.startsWith(pod.metadata.name));
    if (!found) throw new Error(`no pod of ${this.release} holds the lease; holder is "${holder}"`);
    return found;
  }

  async logs(tailLines = 500): Promise<string> {
    const parts: string[] = [];
    for (const pod of await this.pods()) {
      for (const previous of [true, false]) {
        const text = await this.environment.kube
          .logs(this.namespace, pod.metadata.name, { tailLines, previous })
          .catch(() => '');
        if (text !== '') parts.push(`--- ${pod.metadata.name}${previous ? ' (previous)' : ''}\n${text}`);
      }
    }
    return parts.join('\n');
  }
}

function isReady(status: Pod['status']): boolean {
  return status?.containerStatuses?.every(({ ready }) => ready) === true;
}

function sumRestarts(found: Pod[]): number {
  return found.reduce((sum, pod) => sum + (pod.status?.containerStatuses?.[0]?.restartCount ?? 0), 0);
}
