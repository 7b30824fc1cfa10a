// SPDX-License-Identifier: Apache-2.0
// Wires the backup controllers into a manager; what the rest of the operator needs of this folder comes from here.
import type { EtcdCluster } from '../api/cluster.ts';
import { etcdBackups } from '../api/resources.ts';
import type { KubeClient } from '../runtime/client.ts';
import type { EventRecorder } from '../runtime/events.ts';
import type { Manager, WatchedStore } from '../runtime/manager.ts';
import { jobs as jobResource, type Pod } from '../runtime/resources.ts';
import { type ClusterBackupStatus, clusterBackupStatus } from './clusterstatus.ts';
import { BackupController } from './controller.ts';
import { BACKUP_SELECTOR, isOf } from './marks.ts';
import { ScheduleController } from './schedule/controller.ts';
import { ScheduleMemory } from './schedule/memory.ts';
import { apiServerAddresses } from './stores/egress.ts';

export type { ClusterBackupStatus } from './clusterstatus.ts';

export interface BackupDeps {
  readonly manager: Manager;
  readonly client: KubeClient;
  readonly events: EventRecorder;
  readonly clusters: WatchedStore<EtcdCluster>;
  /** Pods of backups among others: anything that selects the labels of children. */
  readonly pods: WatchedStore<Pod>;
  /** The operator's own image, which Jobs run too; without it backups wait with a condition. */
  readonly image: string | undefined;
  /** Where pods reach the API server, which stores must not be; absent outside of a cluster. */
  readonly apiServerHost: string | undefined;
}

export interface Backups {
  /** For the status of the cluster; `undefined` if it has no backup policy. */
  backupStatus(cluster: EtcdCluster): ClusterBackupStatus | undefined;
}

/** To be called before the manager runs. */
export function registerBackup(deps: BackupDeps): Backups {
  const { manager, client, events, clusters, pods } = deps;
  const backups = manager.watch(etcdBackups);
  const jobs = manager.watch(jobResource, { labelSelector: BACKUP_SELECTOR });
  const memory = new ScheduleMemory();
  const { image } = deps;
  const egress = { allow: [], refuse: apiServerAddresses(deps.apiServerHost) };
  const clusterChanged = (key: { namespace: string; name: string }): void => manager.enqueue('cluster', key);
  void new BackupController({
    manager,
    client,
    events,
    backups,
    clusters,
    jobs,
    pods,
    settings: image === undefined ? undefined : { image, egress },
    clusterChanged,
  });
  void new ScheduleController({ manager, client, events, backups, clusters, memory, clusterChanged });
  return {
    backupStatus: (cluster) => {
      const mine = backups.list(cluster.metadata.namespace).filter((b) => isOf(cluster, b));
      return clusterBackupStatus(cluster, mine, memory, new Date());
    },
  };
}
