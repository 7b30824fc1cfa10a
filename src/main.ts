// SPDX-License-Identifier: Apache-2.0
// Entry point of the image: `operator` runs the controllers, `backup` runs one backup Job. The only reader of process.env.
import { parseArgs } from 'node:util';
import { etcdClusters } from './api/resources.ts';
import { registerBackup } from './backup/index.ts';
import { runBackupJob } from './backup/job/main.ts';
import { CHILD_SELECTOR, ClusterController } from './cluster/controller.ts';
import { ClientPool } from './etcd/pool.ts';
import { loadAuth } from './runtime/auth.ts';
import { KubeClient } from './runtime/client.ts';
import { EventRecorder } from './runtime/events.ts';
import { Manager } from './runtime/manager.ts';
import { pods } from './runtime/resources.ts';
import { createLogger } from './telemetry/log.ts';
import { Metrics } from './telemetry/metrics.ts';
import { KeyPool } from './tls/keys.ts';

const USAGE = `usage: quorate operator [--namespaces a,b] [--lease-namespace ns] [--image image] [--log-level info] [--health-port 8081]
       quorate backup`;

async function operator(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      namespaces: { type: 'string', default: '' },
      'lease-namespace': { type: 'string' },
      image: { type: 'string' },
      'log-level': { type: 'string', default: 'info' },
      'health-port': { type: 'string', default: '8081' },
    },
  });
  const namespace = process.env.POD_NAMESPACE ?? values['lease-namespace'] ?? 'quorate-system';
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
  const log = createLogger(values['log-level']);
  const metrics = new Metrics();
  const client = new KubeClient({ auth: loadAuth(), log, metrics });
  const manager = new Manager({
    client,
    namespaces: values.namespaces.split(',').filter((n) => n !== ''),
    log,
    metrics,
    identity: process.env.POD_NAME ?? `quorate-${process.pid}`,
    lease: { namespace: values['lease-namespace'] ?? namespace, name: 'quorate' },
    healthPort: Number(values['health-port']),
    signal: stop.signal,
  });
  const events = new EventRecorder({ client, log, controller: 'quorate', instance: process.env.POD_NAME ?? 'quorate' });
  const etcd = new ClientPool();
  const clusters = manager.watch(etcdClusters);
  const watchedPods = manager.watch(pods, { labelSelector: CHILD_SELECTOR });
  const backups = registerBackup({
    manager,
    client,
    events,
    clusters,
    pods: watchedPods,
    image: values.image,
    // Backup Jobs would hand whatever answers there to a tenant's bucket.
    apiServerHost: process.env.KUBERNETES_SERVICE_HOST,
  });
  // Enough for ten clusters at once.
  const keys = new KeyPool({ ready: { 2048: 40, 3072: 20 } });
  void new ClusterController({
    manager,
    client,
    events,
    etcd,
    keys,
    clusters,
    pods: watchedPods,
    operatorNamespace: namespace,
    ...backups,
  });
  await manager.run();
  etcd.close();
}

const [command, ...rest] = process.argv.slice(2);
switch (command) {
  case 'operator':
    await operator(rest);
    break;
  case 'backup':
    process.exitCode = await runBackupJob();
    break;
  default:
    process.stderr.write(`${USAGE}\n`);
    process.exitCode = 2;
}
