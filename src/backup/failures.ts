// SPDX-License-Identifier: Apache-2.0
// The one table of reasons for which a backup fails, each with what a person can do about it, as an order.

/** A run of the Job ended with this; it is what the conditions of an EtcdBackup say. */
export const REMEDIES = {
  BucketNotFound:
    'create the bucket, or correct spec.backup.store.s3.bucket of the cluster; then create a new EtcdBackup',
  AccessDenied:
    'allow the key s3:PutObject, s3:GetObject and s3:AbortMultipartUpload below the prefix (s3:DeleteObject lets it clean up after itself); then create a new EtcdBackup',
  CredentialsRejected:
    'correct accessKeyId and secretAccessKey in the credentials Secret; then create a new EtcdBackup',
  CredentialsUnreadable:
    'put accessKeyId and secretAccessKey into the credentials Secret; then create a new EtcdBackup',
  WrongRegion: 'set spec.backup.store.s3.region and endpoint to those of the bucket; then create a new EtcdBackup',
  ClockSkew: 'correct the clock of the node or of the store; then create a new EtcdBackup',
  StoreUnreachable:
    'check spec.backup.store.s3.endpoint, its DNS name, and that network policies let pods of this namespace reach it; then create a new EtcdBackup',
  StoreCertificateInvalid:
    "put the store's certificate authority into the Secret named by spec.backup.store.s3.caSecret, and use a name that its certificate carries; then create a new EtcdBackup",
  StoreUnavailable: 'look at the health of the store; then create a new EtcdBackup',
  StoreFull: 'make room in the store or raise its quota; then create a new EtcdBackup',
  StoreUnsupported: 'use a store with multipart uploads; then create a new EtcdBackup',
  StoreRejected:
    'compare the settings of the bucket (object lock, required encryption headers, policies) with what the Job sends: plain multipart uploads with SHA-256 checksums; then create a new EtcdBackup',
  EndpointForbidden:
    'use a name of the store that resolves to its own address: loopback, link-local, metadata and API server addresses are refused; then create a new EtcdBackup',
  KeyTaken:
    'look at what else writes below the prefix of this cluster, where every backup has names of its own; then create a new EtcdBackup',
  CorruptAlarm:
    'compare the members (etcdctl endpoint hashkv, with the endpoints of all), put right those that differ, and disarm the alarm; then create a new EtcdBackup',
  SourceUnavailable: "look at the cluster's members and the events of its pods; then create a new EtcdBackup",
  SourceStalled:
    "look at the load of the cluster's members and the network between them and the Job; then create a new EtcdBackup",
  StoreStalled: 'look at the network between the Job and the store; then create a new EtcdBackup',
  SnapshotCorrupt: 'look at the disk and the log of the member; then create a new EtcdBackup',
  ReadBackMismatch: 'look at the store, and remove the object if the key may not; then create a new EtcdBackup',
  InvalidConfiguration: 'install operator and image of one version; then create a new EtcdBackup',
  OutcomeUnknown:
    'look in the store for the manifest that the message names, with which the backup is complete; then create a new EtcdBackup',
  Interrupted: 'look at what stops the pods of the Job; then create a new EtcdBackup',
  OutOfMemory: 'report this with the log of the Job; then create a new EtcdBackup',
  DeadlineExceeded: 'look at the log of the Job and at the speed of the store; then create a new EtcdBackup',
  ClusterGone: 'make sure that the EtcdCluster of this name is the one to back up; then create a new EtcdBackup',
  JobLost: 'look at the events of the Job; then create a new EtcdBackup',
  Unexpected: 'look at the log of the Job and report it; then create a new EtcdBackup',
} as const;

export type FailureReason = keyof typeof REMEDIES;

/**
 * Attempts that ended so are repeated. `soon`: what stopped it is over by now. `later`: it may pass within minutes. For
 * everything else somebody has to act.
 */
export const REPEATED: Partial<Record<FailureReason, 'soon' | 'later'>> = {
  JobLost: 'soon',
  Interrupted: 'soon',
  StoreUnreachable: 'later',
  StoreUnavailable: 'later',
  OutcomeUnknown: 'later',
  StoreStalled: 'later',
  SourceUnavailable: 'later',
  SourceStalled: 'later',
};

export const isFailureReason = (s: string): s is FailureReason => Object.hasOwn(REMEDIES, s);

/** A failure with a name. Its message is made by us and never holds secrets or bytes that a server sent. */
export class BackupError extends Error {
  readonly reason: FailureReason;

  constructor(reason: FailureReason, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'BackupError';
    this.reason = reason;
  }

  get remedy(): string {
    return REMEDIES[this.reason];
  }
}

/** The request that completes a backup has left, and nobody knows whether the store took it: what it needs must stay. */
export class OutcomeUnknown extends BackupError {
  constructor(key: string, cause: unknown) {
    super('OutcomeUnknown', `the store never said whether it took ${key}: the backup may be complete`, { cause });
  }
}
