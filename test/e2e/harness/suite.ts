// SPDX-License-Identifier: Apache-2.0
// The set-up of an e2e file: its own namespaces, its own operator instance, and nothing left afterwards.
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';
import type { EtcdCluster } from '../../../src/api/cluster.ts';
import { etcdClusters } from '../../../src/api/resources.ts';
import { persistentVolumeClaims } from '../../../src/runtime/resources.ts';
import type { ProxyListener } from '../../testbed/proxy/client.ts';
import type { Recording } from '../../testbed/recorder/client.ts';
import { waitAvailable } from './cluster.ts';
import { connect, disconnect, type Environment } from './environment.ts';
import { keepEvidence } from './failures.ts';
import type { Kube } from './kube.ts';
import { Operator, type OperatorOptions } from './operator.ts';
import { record, StatusWatch, settle } from './oracle.ts';
import { Recordings } from './recordings.ts';
import { e2eLabel } from './release.ts';
import { namespaces as namespaceKind } from './resources.ts';

const setUpMs = 180_000;

/** What a test file works with; filled before its first test. */
export interface Suite {
  readonly kube: Kube;
  readonly environment: Environment;
  readonly operator: Operator;
  /** Same as `operator.proxy`. */
  readonly proxy: ProxyListener;
  /** The namespaces of this file; hand them out to tests that run at the same time. */
  readonly namespaces: string[];
  /** Creates the cluster and waits until it is available. */
  available(object: EtcdCluster, within?: number): Promise<EtcdCluster>;
  /** Starts a recording client beside the slow one that every available cluster has. */
  record(object: EtcdCluster, rate?: number): Promise<Recording>;
  /** The recording that began when the cluster became available; from now on the test answers for the cluster. */
  handOver(object: EtcdCluster): Promise<Recording>;
  /** The final oracle. What no test settles or is handed over is judged after the last test of the file. */
  settle(object: EtcdCluster, recording?: Recording): Promise<EtcdCluster>;
  /** The final oracle, and then nothing is left of the cluster: the nodes have room for so many. */
  dismiss(object: EtcdCluster, recording?: Recording): Promise<void>;
  /** Deletes the cluster with its claims, without waiting for the end. */
  remove(object: EtcdCluster): Promise<void>;
}

/** Call once at the top of a file. Each file gets an operator of its own; files may run at the same time. */
export function useOperator(options: OperatorOptions = {}): Suite {
  const suite = new RunningSuite(options);
  beforeAll(() => suite.start(fileSlug()), setUpMs);
  beforeEach(({ task, onTestFailed }) => {
    onTestFailed(async () => {
      const folder = await keepEvidence(suite.environment, suite.operator, task.name);
      process.stderr.write(`evidence of "${task.name}": ${path.relative(process.cwd(), folder)}\n`);
    }, 60_000);
  });
  afterAll(() => suite.stop(), setUpMs);
  return suite;
}

function fileSlug(): string {
  const file = path.basename(expect.getState().testPath ?? 'e2e', '.test.ts');
  return `${file.replace(/[^a-z0-9]+/gi, '-').slice(0, 24)}-${randomBytes(2).toString('hex')}`.toLowerCase();
}

class RunningSuite implements Suite {
  namespaces: string[] = [];
  private readonly options: OperatorOptions;
  private running:
    | {
        environment: Environment;
        operator: Operator;
        statuses: StatusWatch;
        recordings: Recordings;
        listener?: ProxyListener;
      }
    | undefined;

  constructor(options: OperatorOptions) {
    this.options = options;
  }

  get environment(): Environment {
    return this.parts.environment;
  }

  get kube(): Kube {
    return this.parts.environment.kube;
  }

  get operator(): Operator {
    return this.parts.operator;
  }

  get proxy(): ProxyListener {
    return this.parts.operator.proxy;
  }

  async available(object: EtcdCluster, within?: number): Promise<EtcdCluster> {
    const { namespace = '', name } = object.metadata;
    await this.kube.create(etcdClusters, object);
    return waitAvailable(this.kube, namespace, name, within);
  }

  record(object: EtcdCluster, rate?: number): Promise<Recording> {
    return record(this.environment, object.metadata.namespace ?? '', object.metadata.name, rate);
  }

  async handOver(object: EtcdCluster): Promise<Recording> {
    const recording = await this.parts.recordings.take(object);
    if (!recording) throw new Error(`the recording of ${object.metadata.name} was taken before`);
    return recording;
  }

  async settle(object: EtcdCluster, recording?: Recording): Promise<EtcdCluster> {
    const { environment: env, statuses, recordings, listener } = this.parts;
    const { namespace = '', name } = object.metadata;
    await waitAvailable(env.kube, namespace, name);
    return settle(namespace, name, {
      environment: env,
      statuses,
      recordings: [await recordings.take(object), recording].filter((found) => found !== undefined),
      ...(listener ? { proxy: listener } : {}),
    });
  }

  async dismiss(object: EtcdCluster, recording?: Recording): Promise<void> {
    await this.settle(object, recording);
    await this.remove(object);
  }

  async remove({ metadata }: EtcdCluster): Promise<void> {
    await this.kube.delete(etcdClusters, metadata);
    const selector = `etcd.quorate.dev/cluster=${metadata.name}`;
    const claims = await this.kube.list(persistentVolumeClaims, metadata.namespace ?? '', selector);
    await Promise.all(claims.map((claim) => this.kube.delete(persistentVolumeClaims, claim.metadata)));
  }

  async start(slug: string): Promise<void> {
    const env = await connect();
    this.namespaces = Array.from({ length: this.options.namespaces ?? 1 }, (_, index) => `${slug}-${index}`);
    await Promise.all(this.namespaces.map((name) => createNamespace(env.kube, name)));
    await createNamespace(env.kube, `${slug}-system`);
    const listener = this.options.proxy ? await env.proxy.listen(slug, { bodies: true }) : undefined;
    const operator = new Operator(env, slug, this.namespaces, this.options, listener);
    const statuses = new StatusWatch(this.namespaces);
    const recordings = new Recordings(env);
    this.running = { environment: env, operator, statuses, recordings, ...(listener ? { listener } : {}) };
    statuses.start(env.kube, (event) => recordings.see(event));
    await operator.install();
  }

  async stop(): Promise<void> {
    if (!this.running) return;
    const { environment: env, operator, statuses, recordings, listener } = this.running;
    await listener?.clearRules();
    await listener?.up();
    const problems = await recordings.problems();
    statuses.stop();
    // The operator stays until its clusters are gone: one that deletes claims has a finalizer.
    const names = this.namespaces.map((name) => deleteClusters(env.kube, name));
    await Promise.allSettled(names);
    await operator.uninstall();
    await listener?.close();
    await Promise.all([...this.namespaces, operator.namespace].map((name) => env.kube.delete(namespaceKind, { name })));
    await disconnect(env);
    if (problems.length > 0) throw new Error(`not sound after the last test:\n${problems.join('\n')}`);
  }

  private get parts() {
    if (!this.running) throw new Error('the suite has not been started: use it inside a test');
    return this.running;
  }
}

async function createNamespace(kube: Kube, name: string): Promise<void> {
  const labels = { [e2eLabel]: process.env.QUORATE_E2E_RUN ?? '0', 'pod-security.kubernetes.io/enforce': 'restricted' };
  await kube.create(namespaceKind, { metadata: { name, labels } });
}

/** Deletes every cluster; a finalizer that nobody serves any more is taken off. */
async function deleteClusters(kube: Kube, namespace: string): Promise<void> {
  for (const { metadata } of await kube.list(etcdClusters, namespace)) {
    await kube.delete(etcdClusters, metadata);
    if (metadata.finalizers?.length)
      await kube.patch(etcdClusters, metadata, { metadata: { finalizers: null } }).catch(() => undefined);
  }
}
