// SPDX-License-Identifier: Apache-2.0
// Every reason that a condition or an Event of ours can carry: when it is set, and what a person does about it.

export interface ReasonDoc {
  /** Condition types, Event, or log: as `reason` of a line. */
  readonly on: string;
  readonly when: string;
  /** Empty where there is nothing to do. */
  readonly remedy: string;
}

const r = (on: string, when: string, remedy = ''): ReasonDoc => ({ on, when, remedy });

const GOOD = {
  Ready: r('Ready, Event', 'The spec is applied and every member serves.'),
  QuorumServes: r('Available', 'A linearizable read succeeds.'),
  AllServe: r('MembersHealthy', 'Every member serves.'),
  Issued: r('TLSReady', 'Every certificate is valid.'),
  Current: r('VersionCurrent', 'Nothing is known against the version.'),
};

const PROGRESS = {
  Bootstrapping: r(
    'Ready, Reconciling, Stalled, Available, MembersHealthy, Event',
    'Members start for the first time.',
    'Wait; the message says what for. Stalled after two minutes: look at the pods that it names.',
  ),
  Sealing: r(
    'log, Ready, Reconciling, Stalled',
    'Members have started; their files are being sealed against starting empty.',
    'Wait. Stalled after two minutes: look at the pods, and the way from the operator to their port 2379.',
  ),
  DataAdopted: r('log, Event', 'Claims of an earlier cluster of this name are taken over with their data.', 'Wait.'),
  WaitingForDeletion: r(
    'Ready, Reconciling',
    'Objects of a deleted cluster of the same name are still there.',
    'Wait.',
  ),
  CertificatesPending: r(
    'Available (EtcdCluster), Ready, Reconciling, Stalled (EtcdBackup)',
    'A client certificate is not there yet; a cluster waits for it only the first time.',
    'Wait. Stalled: do what the message says, such as to set spec.paused to false or to bring back an authority.',
  ),
  Pending: r('TLSReady', 'Certificates are not issued yet.', 'Wait.'),
};

const MEMBERS = {
  MemberUnhealthy: r(
    'Ready, Reconciling, Stalled',
    'A member does not serve; the others do.',
    'Wait. Stalled after two minutes: look at the pod that the message names.',
  ),
  MemberDown: r('MembersHealthy', 'Members do not answer.', 'Look at the pods that the message names.'),
  MemberCrashing: r(
    'Ready, Reconciling, Stalled',
    'A member exits at every start.',
    "The message holds its last words; the pod's log has more.",
  ),
  PodStuck: r(
    'Ready, Stalled',
    'A pod has a node, but for a minute no container has been created.',
    'Look at the Events of the pod: a volume that does not attach, a network, a node that does not answer.',
  ),
  MemberDataLost: r(
    'Ready, Stalled',
    'A member has lost its data directory and may not start empty.',
    'Bring its volume back, or restore the cluster from a backup.',
  ),
  QuorumLost: r(
    'Ready, Reconciling, Stalled, Available, QuorumLost',
    'No linearizable read succeeds.',
    'Bring the members or their volumes back; nothing is changed by itself meanwhile.',
  ),
  CannotVerify: r(
    'Ready, Stalled, Available, MembersHealthy',
    'The operator has no valid certificate of its own, or no readable record of who the members are, so it cannot ask them whether they serve.',
    'Restore the authority, or the record, that the message names; members and clients do not depend on the operator.',
  ),
  AlarmRaised: r(
    'Ready, Stalled',
    'A member raised an alarm: its database is full (NOSPACE), or its data differs from that of the others (CORRUPT).',
    'NOSPACE: delete keys, compact, defragment, disarm. CORRUPT: find out who is right, or restore from a backup.',
  ),
  VersionMismatch: r(
    'Ready, Stalled',
    'Members run another version of etcd than spec.version says; before the cluster is formed, it is not formed.',
    'Correct spec.image or spec.version; often the digest is that of another version.',
  ),
  Unschedulable: r(
    'Ready, Reconciling, Stalled',
    'A pod finds no node.',
    'Free or add capacity, or correct spec.pods.',
  ),
  ImageUnavailable: r(
    'Ready, Reconciling, Stalled',
    'The image of a member, or of a backup Job, cannot be pulled.',
    "Correct spec.image or spec.version, or load the image. Backup Jobs run the operator's image with spec.image.pullSecrets.",
  ),
  PodsRefused: r(
    'Ready, Stalled',
    'The API server refuses the pods of the members or of a backup Job (quota, Pod Security, a policy, a PriorityClass that is missing).',
    'Do what the message says: change the policy or the quota, or spec.pods.',
  ),
};

const SPEC = {
  InvalidSpec: r(
    'Ready, Stalled, Available, MembersHealthy, BackupHealthy',
    'The spec asks for a combination that cannot work; a formed cluster goes on as it was formed.',
    'Correct the field that the message names.',
  ),
  UnsupportedChange: r(
    'Ready, Stalled, UpdatePending',
    'An edit that this version cannot carry out on a running cluster.',
    'Set the old value again, or wait for a version that can; the cluster goes on as it was formed.',
  ),
  Paused: r(
    'Ready, Paused',
    'spec.paused is true; Ready says so only when there is something to do.',
    'Set spec.paused to false.',
  ),
  Advised: r('VersionCurrent', 'The version has a known fault that an upgrade mends.', 'Plan the upgrade.'),
  Invalid: r(
    'Ready, Stalled',
    'The API server refuses an object that the operator makes, or drops a field of it.',
    'Read the message: often a value under spec.pods or spec.service.',
  ),
  ReconcileFailed: r(
    'Ready, Stalled, Available, MembersHealthy, BackupHealthy (EtcdCluster), Ready, Stalled (EtcdBackup)',
    'The operator meets something that it cannot read or may not do, or a mistake of its own; it tries again with back-off.',
    "Read the message: apply the chart's roles again where a right is missing; else look at the object that it points to, and report it with the log of the operator.",
  ),
  Refused: r(
    'Ready, Stalled, Available, MembersHealthy, BackupHealthy',
    'The operator lacks a permission.',
    'Apply the roles of the chart again.',
  ),
  QuotaExceeded: r(
    'Ready, Stalled',
    'A ResourceQuota or a LimitRange of the namespace stands against an object of the cluster.',
    'Raise it, or ask for less.',
  ),
  AdmissionDenied: r(
    'Ready, Stalled, Available, MembersHealthy, BackupHealthy',
    'An admission webhook, policy or plugin refuses an object of the cluster.',
    'Change it, or exempt the objects of the cluster.',
  ),
  NameConflict: r(
    'Ready, Stalled',
    'An object of a name that the cluster needs exists and is not its own.',
    'Do what the message says: rename or delete that object, or give the cluster another name; but never delete what it says to keep. Until the cluster is formed everything waits, later only what depends on it.',
  ),
  Deleting: r(
    'Ready, Reconciling, Available, MembersHealthy, BackupHealthy',
    'The cluster is being deleted; the message names what keeps it.',
    'Wait; a claim goes when no pod uses it, a finalizer when its owner takes it off. Where it waits for spec.paused, set that to false.',
  ),
};

const DATA = {
  StorageUnavailable: r(
    'Ready, Reconciling, Stalled',
    'No volume can be provisioned.',
    'Create the StorageClass, free storage, or correct spec.storage.',
  ),
  ClaimLost: r(
    'Ready, Stalled',
    'The claim of a member is gone, being deleted, or not the one that the cluster was formed with.',
    'Bring it back as [operations.md](operations.md#bringing-a-claim-back) says, or restore the cluster from a backup.',
  ),
  ClaimUnfit: r(
    'Ready, Stalled',
    'Before the cluster is formed: a claim of its name was not made for it, has a volume, and is not as spec.storage asks.',
    'Delete the claim if nothing on its volume is needed, or ask for the storage that it has.',
  ),
  MixedData: r(
    'Ready, Stalled',
    'The claims of this name hold data of different clusters.',
    'Keep those of one cluster.',
  ),
  IdentityLost: r(
    'Ready, Stalled',
    'Neither the ConfigMap nor the claims say which data belongs to the cluster.',
    'Restore the ConfigMap or the claims.',
  ),
};

const TLS = {
  AuthorityLost: r(
    'Ready, Stalled, TLSReady',
    'The Secret of a certificate authority is gone.',
    'Restore the Secret from a backup. Running members and clients go on.',
  ),
  AuthorityReplaced: r(
    'Ready, Stalled, TLSReady',
    'The Secret of a certificate authority holds another one than the members trust.',
    'Restore the old one.',
  ),
  AuthorityUnreadable: r(
    'Ready, Stalled, TLSReady',
    'The Secret of a certificate authority cannot be read, or its key is not that of the certificate.',
    'Do what the message says: restore the Secret, or delete it where nothing is signed with it yet.',
  ),
  AuthorityExpired: r(
    'Ready, Stalled, TLSReady',
    'A certificate authority has expired, and with it all it has signed.',
    'This version cannot renew one: restore the cluster from a backup into a new one.',
  ),
  CertificateInvalid: r('TLSReady', 'A certificate is not usable; it is issued again.', 'Wait.'),
};

const STEPS = {
  AuthoritiesIssued: r('log', 'The certificate authorities are being made.', 'Wait.'),
  AuthoritiesRecorded: r(
    'log',
    'The record of the cluster learns its authorities; the first certificates and the Services are made with it.',
    'Wait.',
  ),
  CertificatesIssued: r('log, Event', 'Certificates are being made.', 'Wait.'),
  ChildrenCreated: r('log', 'Objects of the cluster are being made.', 'Wait.'),
  ChildrenRestored: r(
    'log, Event',
    'Somebody deleted or edited objects of the cluster; they are put back.',
    'Find out who: two tools on one object fight for ever.',
  ),
  Undone: r(
    'Ready, Stalled',
    'What the operator writes is changed back at once.',
    'Find out who: most often an admission policy that rewrites images or labels; exempt the objects of the cluster.',
  ),
  ChildrenRemoved: r('log, Event', 'Objects that the spec no longer asks for are deleted.', 'Wait.'),
  ClaimsReplaced: r(
    'log, Event',
    'The cluster is formed anew: claims of the earlier attempt, which hold nothing acknowledged, go.',
    'Wait.',
  ),
  KubeletsNudged: r(
    'log',
    'The kubelets are asked to look at pods of members again: at new files, or at a pod that they have not begun with.',
    'Wait.',
  ),
  PodsMissing: r('log', 'A pod is missing: the StatefulSet controller is asked to look again.', 'Wait.'),
  PodsReplaced: r('log', 'Pods that still have old files are made again.', 'Wait.'),
  StatefulSetReplaced: r(
    'log, Event',
    'A part of the StatefulSet that cannot be edited was to change: it is made again around its pods.',
    'Wait.',
  ),
  Formed: r('log, Event', 'From now on no member starts without its data.', 'Wait.'),
};

/** Of an EtcdBackup; reasons of failure are in the backup's own table of remedies. */
const BACKUPS = {
  Completed: r('Ready (EtcdBackup)', 'The backup is stored, was read back, and has its manifest.'),
  Running: r('Ready, Reconciling (EtcdBackup)', 'The Job is at work.', 'Wait.'),
  Queued: r('Ready, Reconciling (EtcdBackup)', 'Another backup of the cluster comes first.', 'Wait.'),
  Retrying: r(
    'Ready, Reconciling (EtcdBackup)',
    'An attempt was lost or ended by what may pass, or a Job that never began is replaced; another Job follows.',
    'Wait, or put right what the message names: the next Job goes by the spec as it is then.',
  ),
  ClusterUnavailable: r(
    'Ready, Reconciling (EtcdBackup)',
    'The cluster is not Available.',
    'Look at the conditions of the EtcdCluster.',
  ),
  ClusterNotFound: r(
    'Ready, Stalled (EtcdBackup)',
    'There is no EtcdCluster of that name in the namespace.',
    'Create it, or delete the EtcdBackup.',
  ),
  ClusterInvalid: r('Ready, Stalled (EtcdBackup)', 'The spec of the cluster is refused.', 'Correct the EtcdCluster.'),
  StoreNotConfigured: r('Ready, Stalled (EtcdBackup)', 'The cluster has no spec.backup.', 'Set spec.backup.store.'),
  CredentialsMissing: r('Ready, Stalled (EtcdBackup)', 'A Secret of the store does not exist.', 'Create it.'),
  CredentialsInvalid: r('Ready, Stalled (EtcdBackup)', 'A Secret of the store lacks a key.', 'Add the key.'),
  JobRefused: r(
    'Ready, Stalled (EtcdBackup)',
    'The API server refuses the Job itself, or its deletion (a quota of Jobs, a policy, a missing role), or its name is taken.',
    "Read the message, which is the API server's answer.",
  ),
  OperatorImageUnknown: r(
    'Ready, Stalled (EtcdBackup)',
    'The operator does not know the image of its Jobs.',
    'Start it with --image, as the chart does.',
  ),
  PodNotStarting: r(
    'Ready, Stalled (EtcdBackup)',
    'The pod of the Job has a node and its image, and does not start.',
    'Look at the events of the pod; most often a Secret that it mounts is missing.',
  ),
  Started: r('Event (EtcdBackup)', 'The first Job of a backup is made.'),
  Retried: r('Event (EtcdBackup)', 'Another Job is made, after a lost attempt or in place of one that never began.'),
  LastBackupSucceeded: r('BackupHealthy', 'The newest backup is complete.'),
  NoBackupYet: r('BackupHealthy', 'No backup has been made.', 'Wait for a schedule, or create an EtcdBackup.'),
  BackupOverdue: r(
    'BackupHealthy',
    'The run of a schedule is not finished when the next one is due, the latest run was left out, or one that is due could not be made for five minutes.',
    'Look at the EtcdBackup that the message names, and at the Events of the cluster; the condition clears when a backup has finished.',
  ),
  InvalidSchedule: r('BackupHealthy', 'A schedule cannot be read, or never comes.', 'Correct the field that is named.'),
  BackupRefused: r(
    'Event',
    'The EtcdBackup of a run cannot be made; it is tried again for an hour.',
    "Read the message, which is the API server's answer: a quota, a policy, a lost role.",
  ),
  BackupSkipped: r('Event', 'A run is left out, because the one before is not finished.', 'Run it less often.'),
  BackupMissed: r('Event', 'A run was missed by more than an hour, for instance while the operator was away.'),
};

/** In the order of the reference. */
export const REASONS: Readonly<Record<string, ReasonDoc>> = {
  ...GOOD,
  ...PROGRESS,
  ...SPEC,
  ...MEMBERS,
  ...DATA,
  ...TLS,
  ...STEPS,
  ...BACKUPS,
};
