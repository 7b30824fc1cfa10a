// SPDX-License-Identifier: Apache-2.0
// Entry point of the image: `operator` runs the controllers, `backup` runs one backup Job. The only reader of process.env.
import { etcdClusters } from './api/resources.ts';
import { registerBackup } from './backup/index.ts';
import { ClusterController } from './cluster/controller.ts';
import { CHILD_SELECTOR } from './cluster/watches.ts';
import { ClientPool } from './etcd/pool.ts';
import { type Flags, parseFlags, USAGE } from './flags.ts';
import { loadAuth } from './runtime/auth.ts';
import { KubeClient } from './runtime/client.ts';
import { identityOf } from './runtime/election.ts';
import { KubeError } from './runtime/errors.ts';
import { EventRecorder } from './runtime/events.ts';
import { Manager } from './runtime/manager.ts';
import { collectGarbage } from './runtime/memory.ts';
import { pods } from './runtime/resources.ts';
import { createLogger } from './telemetry/log.ts';
import { Metrics } from './telemetry/metrics.ts';
import { KeyPool } from './tls/keys.ts';

async function operator(asked: Flags): Promise<void> {
  const namespace = process.env.POD_NAMESPACE ?? asked.leaseNamespace ?? 'quorate-system';
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
  const log = createLogger(asked.logLevel);
  const metrics = new Metrics();
  const client = new KubeClient({ auth: loadAuth(), log, metrics });
  const identity = identityOf(process.env.POD_NAME);
  const manager = new Manager({
    client,
    namespaces: asked.namespaces,
    log,
    metrics,
    identity,
    lease: { namespace: asked.leaseNamespace ?? namespace, name: asked.leaseName },
    healthPort: asked.healthPort,
    signal: stop.signal,
  });
  const events = new EventRecorder({ client, log, controller: 'quorate', instance: identity, signal: stop.signal });
  const etcd = new ClientPool();
  const clusters = manager.watch(etcdClusters);
  const watchedPods = manager.watch(pods, { labelSelector: CHILD_SELECTOR });
  const backups = registerBackup({
    manager,
    client,
    events,
    clusters,
    pods: watchedPods,
    image: asked.image,
    // Backup Jobs would hand whatever answers there to a tenant's bucket.
    apiServerHost: process.env.KUBERNETES_SERVICE_HOST,
  });
  // A cluster has two authorities; its members have three certificates, the operator and one client one each.
  const keys = new KeyPool({ ready: { 2048: 5 * asked.spareKeys, 3072: 2 * asked.spareKeys } });
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
  collectGarbage(stop.signal);
  try {
    await manager.run();
  } catch (e) {
    if (!(e instanceof KubeError && e.code === 'Fenced')) throw e;
    log.fatal('leadership was lost: the process ends, so that nothing that it began can go on');
    process.exit(1);
  }
  etcd.close();
  // An Event on its way must not keep the process beyond its time.
  await client.close();
}

/** The flags, or one line and the usage: a stack would hide what is wrong. */
function flagsOf(args: string[]): Flags | undefined {
  try {
    return parseFlags(args);
  } catch (error) {
    process.stderr.write(`quorate: ${error instanceof Error ? error.message : String(error)}\n`);
    return undefined;
  }
}

const [command, ...rest] = process.argv.slice(2);
const flags = command === 'operator' && !rest.includes('--help') ? flagsOf(rest) : undefined;
if (flags !== undefined) await operator(flags);
else if (command === 'backup') {
  const { runBackupJob } = await import('./backup/job/main.ts');
  process.exitCode = await runBackupJob();
} else {
  const asked = command === '--help' || rest.includes('--help');
  process[asked ? 'stdout' : 'stderr'].write(`${USAGE}\n`);
  process.exitCode = asked ? 0 : 2;
}
