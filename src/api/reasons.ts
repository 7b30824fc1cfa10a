// SPDX-License-Identifier: Apache-2.0
// Every reason that a condition of ours can carry: when it is set, and what a person does about it.

export interface ReasonDoc {
  readonly reason: string;
  readonly conditions: string;
  readonly when: string;
  readonly remedy: string;
}

const reason = (reasonName: string, conditions: string, when: string, remedy: string): ReasonDoc => ({
  reason: reasonName,
  conditions,
  when,
  remedy,
});

export const REASONS: readonly ReasonDoc[] = [
  reason('Ready', 'Ready', 'The spec is applied and every member serves.', ''),
  reason(
    'Bootstrapping',
    'Ready, Reconciling, Available',
    'Members start for the first time.',
    'Wait; the message says what for.',
  ),
  reason(
    'Sealing',
    'Ready, Reconciling',
    'All members have started; their files are being sealed against starting empty.',
    'Wait.',
  ),
  reason(
    'DataAdopted',
    'Ready, Reconciling',
    'Claims of an earlier cluster of this name are taken over with their data.',
    'Wait.',
  ),
  reason(
    'MemberUnhealthy',
    'Ready, Reconciling',
    'A member does not serve; the others do.',
    'Wait; if it lasts, look at the pod that the message names.',
  ),
  reason(
    'MemberDataLost',
    'Ready, Stalled',
    'A member has lost its data directory and may not start empty.',
    'Bring its volume back, or restore the cluster from a backup.',
  ),
  reason(
    'QuorumLost',
    'Ready, Available, QuorumLost, Stalled',
    'No linearizable read succeeds.',
    'Bring the members or their volumes back; nothing is changed by itself meanwhile.',
  ),
  reason(
    'InvalidSpec',
    'Ready, Stalled',
    'The spec asks for a combination that cannot work.',
    'Correct the field that the message names.',
  ),
  reason(
    'UnsupportedChange',
    'Ready, Stalled, UpdatePending',
    'An edit that this version cannot carry out on a running cluster.',
    'Set the old value again; the cluster goes on as it was formed.',
  ),
  reason(
    'NameConflict',
    'Ready, Stalled',
    'An object of a name that the cluster needs exists and is not its own.',
    'Rename or delete that object, or name the cluster otherwise.',
  ),
  reason(
    'WaitingForDeletion',
    'Ready, Reconciling',
    'Objects of a deleted cluster of the same name are still there.',
    'Wait.',
  ),
  reason(
    'StorageUnavailable',
    'Ready, Stalled',
    'A volume cannot be had.',
    'Create the StorageClass, free storage, or correct spec.storage.',
  ),
  reason('Unschedulable', 'Ready, Stalled', 'A pod finds no node.', 'Free or add capacity, or correct spec.pods.'),
  reason(
    'ImageUnavailable',
    'Ready, Stalled',
    'The image cannot be pulled.',
    'Correct spec.image or spec.version, or load the image.',
  ),
  reason('MemberCrashing', 'Ready, Stalled', 'A member exits at every start.', 'The message holds its last words.'),
  reason(
    'PodsRefused',
    'Ready, Stalled',
    'The API server refuses the pods (quota, Pod Security, a policy).',
    'Change the policy or quota, or spec.pods.resources.',
  ),
  reason('Refused', 'Ready, Stalled', 'The operator lacks a permission.', 'Apply the roles of the chart again.'),
  reason(
    'Invalid',
    'Ready, Stalled',
    'The API server refuses an object that the operator makes.',
    'Read the message; often a value under spec.pods.',
  ),
  reason(
    'AuthorityLost',
    'Ready, Stalled, TLSReady',
    'The Secret of a certificate authority is gone.',
    'Restore it from a backup. Running members and clients go on.',
  ),
  reason(
    'AuthorityReplaced',
    'Ready, Stalled, TLSReady',
    'The Secret of a certificate authority holds another one than the members trust.',
    'Restore the old one.',
  ),
  reason(
    'AuthorityUnreadable',
    'Ready, Stalled, TLSReady',
    'The Secret of a certificate authority cannot be read.',
    'Delete it to have one issued, or correct it.',
  ),
  reason(
    'ClaimLost',
    'Ready, Stalled',
    'The claim of a member is gone or being deleted.',
    'Bring it back, or restore the cluster from a backup.',
  ),
  reason(
    'MixedData',
    'Ready, Stalled',
    'The claims of this name hold data of different clusters.',
    'Keep those of one cluster.',
  ),
  reason(
    'IdentityLost',
    'Ready, Stalled',
    'Neither the ConfigMap nor the claims say which data belongs to the cluster.',
    'Restore the ConfigMap or the claims.',
  ),
  reason('Paused', 'Ready, Paused', 'spec.paused is true and there is something to do.', 'Set spec.paused to false.'),
  reason('QuorumServes', 'Available', 'A linearizable read succeeds and the client certificates are issued.', ''),
  reason('CertificatesPending', 'Available', 'A client Secret is not there yet.', 'Wait.'),
  reason('Advised', 'VersionCurrent', 'The version has a known fault that does not cost data.', 'Plan an upgrade.'),
]; // prettier-ignore
