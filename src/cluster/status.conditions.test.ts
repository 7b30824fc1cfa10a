// SPDX-License-Identifier: Apache-2.0
// Tables for the conditions: what is seen and found of a cluster, and what its conditions say.
import { describe, expect, it } from 'vitest';
import type { EtcdClusterStatus } from '../api/cluster.ts';
import { conditionsProblem } from '../runtime/conditions.ts';
import { KubeError } from '../runtime/errors.ts';
import { deletingStatus, failedStatus, invalidStatus, unseenStatus } from './heldstatus.ts';
import type { Observed } from './observed.ts';
import type { Finding } from './rules/rule.ts';
import { deriveStatus } from './status.ts';
import {
  away,
  before,
  cluster,
  earlier,
  identity,
  issued,
  last,
  now,
  observed,
  spec,
  specFailure,
  unreadable,
} from './statusfixtures.ts';

const quorumLost: Finding = { kind: 'blocked', reason: 'QuorumLost', message: 'bring them back' };

const saying = (type: string, status: 'True' | 'False', reason: string): Partial<Observed> =>
  before({
    conditions: [{ type, status, reason, message: '', observedGeneration: 4, lastTransitionTime: earlier }],
  });
const clientless: Partial<Observed> = {
  secrets: [issued('orders-client-app', { secret: undefined, problem: 'missing' }, 'app')],
};

type Row = [sentence: string, over: Partial<Observed>, findings: Finding[], want: Record<string, string | undefined>];

/** Type → `status reason`; undefined: the type is absent. */
const rows: Row[] = [
  [
    'all is well',
    {},
    [],
    {
      Ready: 'True Ready',
      Available: 'True QuorumServes',
      MembersHealthy: 'True AllServe',
      TLSReady: 'True Issued',
      VersionCurrent: 'True Current',
      Reconciling: undefined,
      Stalled: undefined,
      QuorumLost: undefined,
      UpdatePending: undefined,
      Paused: undefined,
    },
  ],
  [
    'a lost quorum has a condition of its own, and nothing is available',
    away,
    [quorumLost],
    {
      Ready: 'False QuorumLost',
      Stalled: 'True QuorumLost',
      QuorumLost: 'True QuorumLost',
      Available: 'False QuorumLost',
      MembersHealthy: 'False MemberDown',
    },
  ],
  [
    'a quorum that is away for a moment is progress, and not called lost',
    away,
    [{ ...quorumLost, kind: 'progress' }],
    { Reconciling: 'True QuorumLost', Stalled: undefined, QuorumLost: undefined, Available: 'False QuorumLost' },
  ],
  [
    'a version that is advised against is not current',
    { identity: { ...identity, formation: { ...identity.formation, version: '3.6.11' } } },
    [],
    { Ready: 'True Ready', VersionCurrent: 'False Advised' },
  ],
  ['without certificates TLS is not ready', { secrets: [] }, [], { TLSReady: 'False Pending' }],
  [
    'a certificate that cannot be used is named',
    { secrets: [issued('orders-tls-server', { problem: 'expired' })] },
    [],
    { TLSReady: 'False CertificateInvalid' },
  ],
  [
    'a lost authority counts more than its leaves',
    { secrets: [issued('orders-tls-server', { problem: 'expired' })] },
    [{ kind: 'blocked', reason: 'AuthorityLost', message: 'gone' }],
    { TLSReady: 'False AuthorityLost', Ready: 'False AuthorityLost' },
  ],
  [
    'until a cluster is available for the first time its clients need their Secrets',
    { ...clientless, ...saying('Available', 'False', 'Bootstrapping') },
    [],
    { Available: 'False CertificatesPending' },
  ],
  [
    'and for as long as one is waited for',
    { ...clientless, ...saying('Available', 'False', 'CertificatesPending') },
    [],
    { Available: 'False CertificatesPending' },
  ],
  [
    'a client more does not make a cluster that serves unavailable',
    { ...clientless, ...saying('Available', 'True', 'QuorumServes') },
    [],
    { Available: 'True QuorumServes', TLSReady: 'False CertificateInvalid' },
  ],
  [
    'nor does it after a quorum that was away',
    { ...clientless, ...saying('Available', 'False', 'QuorumLost') },
    [],
    { Available: 'True QuorumServes' },
  ],
  [
    'a formed cluster that nobody can tell the members of may serve or not',
    { ...before(last), ...unreadable, known: undefined, members: [], secrets: [] },
    [{ kind: 'blocked', reason: 'IdentityLost', message: 'gone' }],
    { Ready: 'False IdentityLost', Available: 'Unknown CannotVerify', MembersHealthy: 'Unknown CannotVerify' },
  ],
  [
    'one whose record cannot be read is looked at all the same',
    { ...before(last), ...unreadable, known: identity },
    [{ kind: 'blocked', reason: 'NameConflict', message: 'not ours' }],
    { Ready: 'False NameConflict', Available: 'True QuorumServes', MembersHealthy: 'True AllServe' },
  ],
  [
    'a spec that cannot be meant is told beside what is seen',
    { ...saying('BackupHealthy', 'True', 'LastBackupSucceeded'), specFailure },
    [{ kind: 'blocked', reason: 'InvalidSpec', message: 'spec.x' }],
    {
      Stalled: 'True InvalidSpec',
      Available: 'True QuorumServes',
      MembersHealthy: 'True AllServe',
      BackupHealthy: 'Unknown InvalidSpec',
    },
  ],
  [
    'a cluster without backups says nothing of them, also while its spec cannot be meant',
    { ...saying('Available', 'True', 'QuorumServes'), specFailure },
    [{ kind: 'blocked', reason: 'InvalidSpec', message: 'spec.x' }],
    { BackupHealthy: undefined },
  ],
  [
    'a cluster that has no backups any more says nothing of them',
    saying('BackupHealthy', 'True', 'LastBackupSucceeded'),
    [],
    { BackupHealthy: undefined },
  ],
  [
    'a cluster that cannot be asked for want of our own certificate may serve or not',
    { ...away, secrets: [issued('orders-tls-operator', { secret: undefined, problem: 'missing' })] },
    [{ kind: 'blocked', reason: 'CannotVerify', message: 'blind' }],
    { Available: 'Unknown CannotVerify', MembersHealthy: 'Unknown CannotVerify' },
  ],
  [
    'one that answers all the same serves',
    { secrets: [issued('orders-tls-operator', { secret: undefined, problem: 'missing' })] },
    [],
    { Available: 'True QuorumServes', MembersHealthy: 'True AllServe' },
  ],
  [
    'what else is blocked is no lost quorum, and an authority is told where it is not the worst',
    {},
    [
      { kind: 'blocked', reason: 'ClaimLost', message: 'gone' },
      { kind: 'blocked', reason: 'AuthorityLost', message: 'gone' },
      { kind: 'blocked', reason: 'UnsupportedChange', message: 'spec.replicas' },
    ],
    {
      Ready: 'False ClaimLost',
      QuorumLost: undefined,
      TLSReady: 'False AuthorityLost',
      UpdatePending: 'True UnsupportedChange',
    },
  ],
  [
    'a Secret that is no client’s keeps nobody from being served',
    {
      ...saying('Available', 'False', 'Bootstrapping'),
      secrets: [issued('orders-tls-peer', { secret: undefined }), issued('orders-client-app', {}, 'app')],
    },
    [],
    { Available: 'True QuorumServes' },
  ],
  [
    'a cluster that is not formed is not available, whatever its members say',
    { identity: { ...identity, phase: 'Forming' } },
    [{ kind: 'progress', reason: 'Sealing', message: 'waiting' }],
    { Available: 'False Bootstrapping', MembersHealthy: 'False Bootstrapping', Reconciling: 'True Sealing' },
  ],
  [
    'an edit that is not built yet is pending',
    {},
    [{ kind: 'blocked', reason: 'UnsupportedChange', message: 'spec.replicas' }],
    { UpdatePending: 'True UnsupportedChange', Available: 'True QuorumServes', Ready: 'False UnsupportedChange' },
  ],
  [
    'a pause is told, and a pause with nothing to do is ready',
    { spec: { ...spec, paused: true } },
    [],
    { Paused: 'True Paused', Ready: 'True Ready' },
  ],
];

const saidOf = (status: EtcdClusterStatus, type: string): string | undefined => {
  const found = status.conditions.find((c) => c.type === type);
  return found && `${found.status} ${found.reason}`;
};

describe('conditions', () => {
  it.each(rows)('%s', (_sentence, over, findings, want) => {
    const status = deriveStatus(observed(over), findings, undefined);
    expect(Object.fromEntries(Object.keys(want).map((type) => [type, saidOf(status, type)]))).toEqual(want);
    expect(conditionsProblem({ ...cluster, status })).toBeUndefined();
  });

  it('what backups have to say is said of them, whatever else there is', () => {
    const healthy = { status: 'False', reason: 'BackupOverdue', message: 'late' } as const;
    const over = { ...saying('BackupHealthy', 'True', 'LastBackupSucceeded'), specFailure };
    const status = deriveStatus(observed(over), [], { status: { lastSuccessfulBackup: 'b' }, healthy });
    expect(saidOf(status, 'BackupHealthy')).toBe('False BackupOverdue');
    expect(status.backup).toEqual({ lastSuccessfulBackup: 'b' });
  });

  it('what is down is named with its reason, and what is wrong with a certificate too', () => {
    const over = { ...away, secrets: [issued('orders-tls-server', { problem: 'expired' })] };
    const { conditions } = deriveStatus(observed(over), [], undefined);
    const message = (type: string) => conditions.find((c) => c.type === type)?.message;
    expect(message('MembersHealthy')).toBe('orders-1: refused; orders-2: refused');
    expect(message('TLSReady')).toBe('orders-tls-server: expired');
  });

  it('a transition time is that of the last change of status', () => {
    const old = { type: 'Available', reason: 'x', message: 'x', observedGeneration: 3, lastTransitionTime: earlier };
    const at = (status: 'True' | 'False') =>
      deriveStatus(observed(before({ conditions: [{ ...old, status }] })), [], undefined).conditions.find(
        (c) => c.type === 'Available',
      )?.lastTransitionTime;
    expect([at('True'), at('False')]).toEqual([earlier, '2026-11-23T10:00:00Z']);
  });

  const unseen = { ...cluster, status: deriveStatus(observed(), [], undefined) };
  it.each<[string, EtcdClusterStatus, string, string, RegExp]>([
    [
      'a spec that cannot be meant',
      invalidStatus(unseen, specFailure, now),
      'Stalled',
      'InvalidSpec',
      /^spec\.x: is wrong$/,
    ],
    [
      'a cluster that cannot be looked at',
      failedStatus(unseen, new Error('odd'), now),
      'Stalled',
      'ReconcileFailed',
      /tries again: odd$/,
    ],
    [
      'an object that may not be read',
      failedStatus(
        unseen,
        new KubeError('Forbidden', 'secrets "a" is forbidden: User "x" cannot get resource "secrets"'),
        now,
      ),
      'Stalled',
      'Refused',
      /cannot get resource "secrets"; apply the chart's roles/,
    ],
    [
      'what a policy forbids',
      failedStatus(
        unseen,
        new KubeError('Invalid', 'claims "a" is forbidden: ValidatingAdmissionPolicy "p" denied request: kept'),
        now,
      ),
      'Stalled',
      'AdmissionDenied',
      /denied request: kept; change the policy/,
    ],
    [
      'a namespace that may not be seen',
      unseenStatus(unseen, 'pods is forbidden: User "x" cannot list resource "pods"', now),
      'Stalled',
      'Refused',
      /cannot list resource "pods"; apply the chart's roles/,
    ],
    [
      'a deletion that does not end',
      deletingStatus(unseen, 'the claims data-orders-0 to go', now),
      'Reconciling',
      'Deleting',
      /waiting for the claims data-orders-0 to go$/,
    ],
  ])('%s is told; members stay as they were seen, and nobody claims that they still serve', (_, status, ...said) => {
    const [type, reason, message] = said;
    expect(['Ready', type, 'Available'].map((t) => saidOf(status, t))).toEqual([
      `False ${reason}`,
      `True ${reason}`,
      `Unknown ${reason}`,
    ]);
    expect(status.conditions[0]?.message).toMatch(message);
    expect(status.members).toEqual(unseen.status.members);
    expect(conditionsProblem({ ...cluster, status })).toBeUndefined();
  });
});
