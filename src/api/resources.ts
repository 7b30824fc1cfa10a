// SPDX-License-Identifier: Apache-2.0
// Where our own kinds are served.
import type { Resource } from '../runtime/resources.ts';
import type { EtcdBackup } from './backup.ts';
import type { EtcdCluster } from './cluster.ts';
import { GROUP, VERSION } from './names.ts';

export const etcdClusters: Resource<EtcdCluster> = {
  group: GROUP,
  version: VERSION,
  plural: 'etcdclusters',
  kind: 'EtcdCluster',
  namespaced: true,
};
export const etcdBackups: Resource<EtcdBackup> = {
  group: GROUP,
  version: VERSION,
  plural: 'etcdbackups',
  kind: 'EtcdBackup',
  namespaced: true,
};
