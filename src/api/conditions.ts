// SPDX-License-Identifier: Apache-2.0
// The condition types of our resources: what each one means, and when it is there at all.

interface ConditionDoc {
  readonly kinds: string;
  readonly presence: 'always' | 'only while True' | 'with spec.backup';
  readonly meaning: string;
}

export const CONDITIONS = {
  Ready: {
    kinds: 'EtcdCluster, EtcdBackup',
    presence: 'always',
    meaning:
      'The spec is fully applied and every member serves; the backup is complete. Repeats the worst reason if not.',
  },
  Reconciling: {
    kinds: 'EtcdCluster, EtcdBackup',
    presence: 'only while True',
    meaning: 'The operator is at work, or waits for something that comes by itself.',
  },
  Stalled: {
    kinds: 'EtcdCluster, EtcdBackup',
    presence: 'only while True',
    meaning:
      'Somebody has to act; the message says what to do. It heals by itself once the cause is gone; only an EtcdBackup that has failed (`status.completionTime`) stays so.',
  },
  Available: {
    kinds: 'EtcdCluster',
    presence: 'always',
    meaning: 'A linearizable read succeeds on a quorum. The first time clients have what they need to connect, too.',
  },
  MembersHealthy: {
    kinds: 'EtcdCluster',
    presence: 'always',
    meaning: 'Every member answers, and none complains of an alarm or a missing leader.',
  },
  TLSReady: { kinds: 'EtcdCluster', presence: 'always', meaning: 'Every certificate is there and valid.' },
  VersionCurrent: {
    kinds: 'EtcdCluster',
    presence: 'always',
    meaning: 'The version of etcd has no fault that an upgrade within its minor mends.',
  },
  BackupHealthy: {
    kinds: 'EtcdCluster',
    presence: 'with spec.backup',
    meaning:
      'Schedules make backups in time, and the newest one succeeded. False with the reason of the backup that failed or is Stalled, if there is one. Never changes Ready.',
  },
  QuorumLost: {
    kinds: 'EtcdCluster',
    presence: 'only while True',
    meaning: 'No linearizable read succeeds, and this lasts; nothing is changed by itself.',
  },
  Paused: { kinds: 'EtcdCluster', presence: 'only while True', meaning: '`spec.paused` is true.' },
  UpdatePending: {
    kinds: 'EtcdCluster',
    presence: 'only while True',
    meaning: 'An edit of the spec is not in effect; the message names the fields.',
  },
} as const satisfies Record<string, ConditionDoc>;
