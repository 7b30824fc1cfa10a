// SPDX-License-Identifier: Apache-2.0
// The place of all measurements: a namespace, an operator of its own that watches only that, and the measuring program.
import { setTimeout as delay } from 'node:timers/promises';
import { etcdBackups, etcdClusters } from '../../src/api/resources.ts';
import type { KubeObject } from '../../src/runtime/json.ts';
import { type Pod, persistentVolumeClaims, pods, type Resource } from '../../src/runtime/resources.ts';
import { bin, kubeconfigFile } from '../e2e/harness/files.ts';
import { uninstall, upgrade } from '../e2e/harness/helm.ts';
import { Kube } from '../e2e/harness/kube.ts';
import { loadedImage, rest, wake } from '../e2e/harness/release.ts';
import { deployments, namespaces } from '../e2e/harness/resources.ts';
import { until } from '../e2e/harness/until.ts';
import { audit, auditMark } from '../testbed/audit.ts';
import type { Progress } from '../testbed/progress.ts';
import { BenchAgent } from './agent/container.ts';

const helm = { helm: `${bin}/helm`, kubeconfig: kubeconfigFile };
const release = 'bench';
const WRITES = ['create', 'update', 'patch', 'delete', 'deletecollection'];

export class Bench {
  /** Where clusters are made. */
  readonly namespace = 'bench';
  readonly operatorNamespace = 'bench-system';
  readonly kube: Kube;
  readonly agent: BenchAgent;
  readonly progress: Progress;
  readonly image: string;
  readonly #wasResting: boolean;

  private constructor(parts: { kube: Kube; agent: BenchAgent; progress: Progress; image: string; resting: boolean }) {
    this.kube = parts.kube;
    this.agent = parts.agent;
    this.progress = parts.progress;
    this.image = parts.image;
    this.#wasResting = parts.resting;
  }

  /** `values`: further values of the chart. Needs a running testbed that has the operator's image and custom resource definitions. */
  static async open(progress: Progress, values: object = {}): Promise<Bench> {
    const kube = await Kube.fromKubeconfig(kubeconfigFile);
    const installed = await kube.find(deployments, { namespace: 'quorate-system', name: 'quorate' });
    const agent = await progress.step('start the measuring program', () => BenchAgent.start());
    const { repository, tag } = await loadedImage();
    const resting = installed?.spec?.replicas === 0;
    const bench = new Bench({ kube, agent, progress, image: `${repository}:${tag}`, resting });
    await progress.step('install an operator for the measurements', () => bench.#install(values));
    return bench;
  }

  /**
   * Two operators on one namespace would fight, so the installed one sleeps. Somebody may wake it meanwhile: what
   * `work` measured then is void, and it is done again, up to three times.
   */
  async alone<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      await rest(this.kube);
      const since = await auditMark();
      const result = await work();
      const others = await audit({ since, user: /^system:serviceaccount:/, namespace: this.namespace, verbs: WRITES });
      const other = others.find(({ user }) => !/:(kube-system|bench-system):/.test(user));
      if (other === undefined) return result;
      const what = `${other.user} made a ${other.verb} of ${other.resource} ${other.name}`;
      if (attempt === 3) throw new Error(`another operator is at work on the measured clusters: ${what}`);
      this.progress.note(`void, once more: ${what}`);
    }
  }

  /** Leaves nothing of the measurements. */
  async close(): Promise<void> {
    await this.clear().catch((error: unknown) => this.progress.note(String(error)));
    await uninstall(helm, release, this.operatorNamespace);
    const names = [this.namespace, this.operatorNamespace];
    for (const name of names) await this.kube.delete(namespaces, { name });
    await this.#ended(names);
    if (!this.#wasResting) await wake(this.kube);
    await this.agent.stop();
    await this.kube.close();
  }

  /** Deletes all clusters of the namespace with their volumes and backups, and waits until they are gone. */
  async clear(): Promise<void> {
    const { kube, namespace } = this;
    for (const { metadata } of await kube.list(etcdBackups, namespace)) await kube.delete(etcdBackups, metadata);
    for (const { metadata } of await kube.list(etcdClusters, namespace)) await kube.delete(etcdClusters, metadata);
    await until('the measured clusters are gone', {
      within: 180_000,
      read: async () => [
        ...(await kube.list(etcdClusters, namespace)),
        ...(await kube.list(pods, namespace)),
        ...(await kube.list(persistentVolumeClaims, namespace)),
        ...(await this.#volumes()),
      ],
      holds: (left) => left.length === 0 || `left: ${left.map((o) => o.metadata.name).join(', ')}`,
    });
    // Unmounts and deleted pods' last status updates still run: the next measurement does not pay for them.
    await delay(1_000);
  }

  /** Deletes objects of one kind by label, 404 and emptiness included. */
  async deleteAll<T extends KubeObject>(kind: Resource<T>, labelSelector: string): Promise<void> {
    for (const { metadata } of await this.kube.list(kind, this.namespace, labelSelector))
      await this.kube.delete(kind, metadata, { propagationPolicy: 'Background' });
  }

  /** The operator's pod, running. */
  operatorPod(): Promise<Pod> {
    return until('the operator of the measurements runs', {
      within: 60_000,
      read: () => this.kube.list(pods, this.operatorNamespace, `app.kubernetes.io/instance=${release}`),
      holds: (found) => found.length === 1 && found[0]?.status?.containerStatuses?.[0]?.ready === true,
    }).then(([pod]) => pod as Pod);
  }

  /** Changes the number of the operator's replicas, and waits until its pods are as many. */
  async scaleOperator(replicas: 0 | 1): Promise<void> {
    const [deployment] = await this.kube.list(deployments, this.operatorNamespace);
    if (deployment === undefined) throw new Error('the operator of the measurements is not installed');
    await this.kube.patch(deployments, deployment.metadata, { spec: { replicas } });
    if (replicas === 1) return void (await this.operatorPod());
    await until('the operator of the measurements is gone', {
      within: 60_000,
      read: () => this.kube.list(pods, this.operatorNamespace, `app.kubernetes.io/instance=${release}`),
      holds: (found) => found.length === 0,
    });
  }

  /** Lines of the operator's log, parsed, of the present pod. */
  async operatorLog(): Promise<LogLine[]> {
    const { metadata } = await this.operatorPod();
    const text = await this.kube.logs(this.operatorNamespace, metadata.name, { tailLines: 20_000 });
    return text.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as LogLine] : []));
  }

  async #install(values: object): Promise<void> {
    await rest(this.kube);
    const labels = { 'pod-security.kubernetes.io/enforce': 'restricted' };
    const names = [this.namespace, this.operatorNamespace];
    // A run that was killed leaves them; they are taken over, unless they are about to go.
    const found = await Promise.all(names.map((name) => this.kube.find(namespaces, { name })));
    await this.#ended(names.filter((_, i) => found[i]?.metadata.deletionTimestamp !== undefined));
    for (const name of names) {
      const known = await this.kube.find(namespaces, { name });
      if (known === undefined) await this.kube.create(namespaces, { metadata: { name, labels } });
    }
    const [repository, tag] = this.image.split(':');
    await upgrade(helm, release, this.operatorNamespace, {
      image: { repository, tag },
      crds: { enabled: false },
      rbac: { aggregateClusterRoles: false },
      watch: { scope: 'Namespaces', namespaces: [this.namespace] },
      ...values,
    });
    await this.clear();
  }

  async #ended(names: readonly string[]): Promise<void> {
    await until('the namespaces of the measurements are gone', {
      within: 120_000,
      read: async () => (await Promise.all(names.map((name) => this.kube.find(namespaces, { name })))).filter(Boolean),
      holds: (left) => left.length === 0,
    });
  }

  async #volumes(): Promise<KubeObject[]> {
    const { items } = await this.kube.call<{ items: (KubeObject & { spec: { claimRef?: { namespace: string } } })[] }>(
      'GET',
      '/api/v1/persistentvolumes',
    );
    return items.filter(({ spec }) => spec.claimRef?.namespace === this.namespace);
  }
}

export interface LogLine {
  time: string;
  msg: string;
  name?: string;
  step?: string;
  controller?: string;
}
