// SPDX-License-Identifier: Apache-2.0
// Tests of what is decided about an EtcdBackup.
import { describe, expect, it } from 'vitest';
import type { EtcdCluster } from '../api/cluster.ts';
import { backup, cluster, decided, expected, job, NOW, observed, pod, type Row, success } from './fixtures.ts';
import { backupStatus } from './status.ts';

const noStore = cluster();
delete noStore.spec.backup;
/** Half a minute before the test's now. */
const OLD = '2026-11-23T07:00:00Z';
const sibling = (name: string, created: string, running = false) => ({ name, created, running });

const unschedulable = pod({
  conditions: [{ type: 'PodScheduled', status: 'False', message: 'no room', lastTransitionTime: OLD }],
});

const begun = backup({ status: { clusterUID: cluster().metadata.uid, conditions: [] } });
const uncertified = { credentials: undefined, tls: false };
const withoutTls = (tls: string, stalled?: string, message = ''): EtcdCluster => {
  const subject = cluster();
  const conditions = [
    ...(subject.status?.conditions ?? []),
    { type: 'TLSReady', status: 'False', reason: tls, message: '' },
    ...(stalled === undefined ? [] : [{ type: 'Stalled', status: 'True', reason: stalled, message }]),
  ];
  return { ...subject, status: { ...subject.status, conditions } as NonNullable<EtcdCluster['status']> };
};

const rows: readonly Row[] = [
  [
    'starts when nothing stands in the way',
    {},
    { verdict: { kind: 'progress', reason: 'Running' }, step: { action: 'CreateJob', attempt: 1 } },
  ],
  [
    'reads the policy and the Secrets live before it starts',
    { secrets: undefined },
    { step: { action: 'ReadPolicy' } },
  ],
  [
    'waits for a cluster that is not there',
    { cluster: undefined, spec: undefined },
    { verdict: { kind: 'blocked', reason: 'ClusterNotFound' } },
  ],
  [
    'takes a cluster that is being deleted for gone',
    { cluster: { ...cluster(), metadata: { ...cluster().metadata, deletionTimestamp: 'x' } } },
    { verdict: { kind: 'blocked', reason: 'ClusterNotFound' } },
  ],
  [
    'looks live whether the cluster that it was begun for is gone',
    { backup: backup({ status: { clusterUID: 'another', conditions: [] } }) },
    { step: { action: 'ReadPolicy' } },
  ],
  [
    'that was begun for an earlier cluster of that name ends',
    { backup: backup({ status: { clusterUID: 'another', conditions: [] } }), clusterIsLive: true },
    { verdict: { kind: 'failed', reason: 'ClusterGone' } },
  ],
  [
    'that was begun for a cluster that is gone ends',
    { backup: begun, cluster: undefined, spec: undefined, secrets: undefined, clusterIsLive: true },
    { verdict: { kind: 'failed', reason: 'ClusterGone' } },
  ],
  [
    'waits while the cluster that it was begun for goes',
    { backup: begun, cluster: { ...cluster(), metadata: { ...cluster().metadata, deletionTimestamp: 'x' } } },
    { verdict: { kind: 'blocked', reason: 'ClusterNotFound' } },
  ],
  ['goes on with the cluster that it was begun for', { backup: begun }, { step: { action: 'CreateJob' } }],
  [
    'waits for a spec that can be meant',
    { spec: undefined },
    { verdict: { kind: 'blocked', reason: 'ClusterInvalid' } },
  ],
  ['waits for a store', observed({ cluster: noStore }), { verdict: { kind: 'blocked', reason: 'StoreNotConfigured' } }],
  [
    'waits for the operator to know its image',
    { settings: undefined },
    { verdict: { kind: 'blocked', reason: 'OperatorImageUnknown' } },
  ],
  [
    'waits until the cluster is Available',
    { cluster: cluster({ available: 'False' }) },
    { verdict: { kind: 'progress', reason: 'ClusterUnavailable' } },
  ],
  [
    'waits for an older backup',
    { siblings: [sibling('a', '2026-11-23T06:00:00Z')] },
    { verdict: { kind: 'progress', reason: 'Queued' } },
  ],
  [
    'waits for one of the same second by name',
    { siblings: [sibling('a', '2026-11-23T07:00:00Z')] },
    { verdict: { reason: 'Queued' } },
  ],
  [
    'goes before one of the same second by name',
    { siblings: [sibling('z', '2026-11-23T07:00:00Z')] },
    { step: { action: 'CreateJob' } },
  ],
  [
    'goes before a younger one',
    { siblings: [sibling('a', '2026-11-23T08:00:00Z')] },
    { step: { action: 'CreateJob' } },
  ],
  [
    'waits for a younger one that runs already',
    { siblings: [sibling('a', '2026-11-23T08:00:00Z', true)] },
    { verdict: { reason: 'Queued' } },
  ],
  [
    'waits for credentials, and looks again',
    { secrets: { credentials: { reason: 'CredentialsMissing', message: 'm' }, tls: true } },
    { verdict: { kind: 'blocked', reason: 'CredentialsMissing', lookAgainMs: 15_000 } },
  ],
  [
    'waits for its certificate',
    { secrets: uncertified },
    { verdict: { kind: 'progress', reason: 'CertificatesPending', lookAgainMs: 2_000 } },
  ],
  [
    'waits for its certificate while those of the cluster are about to be issued',
    { cluster: withoutTls('CertificateInvalid'), secrets: uncertified },
    { verdict: { kind: 'progress', reason: 'CertificatesPending', lookAgainMs: 2_000 } },
  ],
  [
    'also in a cluster that is stalled for something else',
    { cluster: withoutTls('CertificateInvalid', 'UnsupportedChange'), secrets: uncertified },
    { verdict: { kind: 'progress', reason: 'CertificatesPending', lookAgainMs: 2_000 } },
  ],
  [
    'tells that a paused cluster issues no certificate',
    { cluster: { ...cluster(), spec: { ...cluster().spec, paused: true } }, secrets: uncertified },
    {
      verdict: {
        kind: 'blocked',
        reason: 'CertificatesPending',
        message: expect.stringMatching(/spec\.paused.*set it to false/) as string,
        lookAgainMs: 15_000,
      },
    },
  ],
  [
    'goes on in a paused cluster that has issued it',
    { cluster: { ...cluster(), spec: { ...cluster().spec, paused: true } } },
    { step: { action: 'CreateJob' } },
  ],
  [
    'tells what keeps the certificate from being issued',
    { cluster: withoutTls('AuthorityLost', 'AuthorityLost', 'orders-ca-client is gone'), secrets: uncertified },
    {
      verdict: {
        kind: 'blocked',
        reason: 'CertificatesPending',
        message: expect.stringContaining('orders-ca-client is gone') as string,
        lookAgainMs: 15_000,
      },
    },
  ],
  [
    'tells what refuses its Secret',
    { cluster: withoutTls('CertificateInvalid', 'QuotaExceeded'), secrets: uncertified },
    { verdict: { kind: 'blocked', reason: 'CertificatesPending', lookAgainMs: 15_000 } },
  ],
  [
    'follows a Job without a pod',
    { jobs: [job(1, { created: '2026-11-23T07:00:20Z' })] },
    { verdict: { kind: 'progress', reason: 'Running' } },
  ],
  [
    'gives a pod a moment to get its image, and looks again',
    { jobs: [job(1)], pods: [pod({ waiting: { reason: 'ErrImagePull' } })] },
    { verdict: { kind: 'progress', reason: 'Running', lookAgainMs: 5_000 } },
  ],
  [
    'tells an image that does not come, and how Jobs get theirs',
    {
      jobs: [job(1)],
      pods: [pod({ created: OLD, waiting: { reason: 'ImagePullBackOff', message: 'no such image' } })],
    },
    {
      verdict: {
        kind: 'blocked',
        reason: 'ImageUnavailable',
        message: expect.stringMatching(/no such image.*spec\.image\.pullSecrets/) as string,
      },
    },
  ],
  [
    'tells a pod that finds no node',
    {
      jobs: [job(1)],
      pods: [unschedulable],
    },
    { verdict: { kind: 'blocked', reason: 'Unschedulable', message: expect.stringContaining('no room') as string } },
  ],
  [
    'tells a container that cannot be made',
    { jobs: [job(1)], pods: [pod({ created: OLD, waiting: { reason: 'CreateContainerConfigError' } })] },
    { verdict: { kind: 'blocked', reason: 'PodNotStarting' } },
  ],
  [
    'has patience with a pod that says nothing',
    { jobs: [job(1)], pods: [pod({ created: OLD, waiting: { reason: 'ContainerCreating' } })] },
    { verdict: { kind: 'progress', lookAgainMs: 270_000 } },
  ],
  [
    'tells a pod that says nothing for minutes',
    { jobs: [job(1)], pods: [pod({ created: '2026-11-23T06:55:00Z', waiting: { reason: 'ContainerCreating' } })] },
    { verdict: { kind: 'blocked', reason: 'PodNotStarting' } },
  ],
  [
    'asks why a Job has no pod',
    { jobs: [job(1, { created: OLD })] },
    { verdict: { kind: 'progress' }, step: { action: 'ReadPods' } },
  ],
  [
    'tells who refuses the pod of a Job',
    { jobs: [job(1, { created: OLD })], podsAreLive: true, refused: 'exceeded quota: few' },
    {
      verdict: {
        kind: 'blocked',
        reason: 'PodsRefused',
        message: expect.stringContaining('quota: few') as string,
        lookAgainMs: 60_000,
      },
    },
  ],
  [
    'looks again at the end of a Job, if that comes first',
    { jobs: [job(1, { created: '2026-11-22T18:50:40Z' })], podsAreLive: true },
    { verdict: { kind: 'blocked', reason: 'PodsRefused', lookAgainMs: 10_000 } },
  ],
  [
    'looks again at a pod that does not start when its Job is over at the latest',
    { jobs: [job(1, { created: OLD })], pods: [unschedulable] },
    { verdict: { kind: 'blocked', reason: 'Unschedulable', lookAgainMs: (12 * 3600 + 600 - 30) * 1000 } },
  ],
  [
    'does not take another condition of a pod for the want of a node',
    {
      jobs: [job(1)],
      pods: [
        pod({
          conditions: [
            { type: 'PodScheduled', status: 'True', lastTransitionTime: OLD },
            { type: 'Ready', status: 'False', lastTransitionTime: OLD },
          ],
        }),
      ],
    },
    { verdict: { kind: 'progress', reason: 'Running' } },
  ],
  [
    'reads the pods live before it replaces a Job that never began, when the spec has changed',
    { jobs: [job(1, { template: 'old' })], pods: [unschedulable] },
    { verdict: { kind: 'progress' }, step: { action: 'ReadPods' } },
  ],
  [
    'reads the policy live before it replaces it',
    { jobs: [job(1, { template: 'old' })], pods: [unschedulable], podsAreLive: true, secrets: undefined },
    { verdict: { kind: 'blocked', reason: 'Unschedulable' }, step: { action: 'ReadPolicy' } },
  ],
  [
    'replaces a Job that never began, when the spec has changed',
    { jobs: [job(1, { template: 'old' })], pods: [unschedulable], podsAreLive: true },
    { verdict: { kind: 'progress', reason: 'Retrying', replacesJob: true }, step: { action: 'ReplaceJob' } },
  ],
  [
    'keeps the last Job that can be, though the spec has changed',
    { jobs: [job(99, { template: 'old' })], pods: [unschedulable], podsAreLive: true },
    { verdict: { kind: 'blocked', reason: 'Unschedulable' } },
  ],
  [
    'gives a pod a moment also when the spec has changed',
    { jobs: [job(1, { template: 'old' })], pods: [pod({ waiting: { reason: 'ErrImagePull' } })], podsAreLive: true },
    { verdict: { kind: 'progress', reason: 'Running' } },
  ],
  [
    'does not replace a Job that began, whatever the spec is by now',
    { jobs: [job(1, { template: 'old', created: OLD })], pods: [pod({ phase: 'Running' })], podsAreLive: true },
    { verdict: { kind: 'progress', reason: 'Running' } },
  ],
  [
    'does not replace a Job for a spec that cannot be meant',
    { jobs: [job(1, { template: 'old' })], pods: [unschedulable], podsAreLive: true, spec: undefined },
    { verdict: { kind: 'blocked', reason: 'Unschedulable' } },
  ],
  [
    'has nothing to say against a pod that runs, however long',
    { jobs: [job(1, { created: OLD })], pods: [pod({ created: OLD, phase: 'Running' })] },
    { verdict: { kind: 'progress', reason: 'Running' } },
  ],
  [
    'is left alone once it is finished',
    { backup: backup({ status: { completionTime: 'x', conditions: [] } }), jobs: [job(1)] },
    {},
  ],
];

describe('a backup', () => {
  it.each(rows)('%s', (_, o, plan) => {
    expect(decided(o)).toMatchObject(expected(plan));
  });

  it.each([
    ['is told', [1], { replacesJob: true }, 2, [1, 2]],
    ['is told once, though the operator died before it was deleted', [1, 2], { replacesJob: true }, 2, [1, 2]],
    ['stays told when the next one follows', [1, 2], {}, 3, [1, 2]],
  ] as const)('whose Job is replaced %s', (_, told, replacing, attempt, replaced) => {
    const before = backup({ status: { attempts: 2, replaced: told, conditions: [] } });
    const status = backupStatus(
      before,
      { kind: 'progress', reason: 'R', message: 'm', ...replacing },
      job(attempt),
      NOW,
    );
    expect(status).toMatchObject({ attempts: attempt, replaced });
  });

  it('ends with everything about its object', () => {
    const status = backupStatus(backup(), { kind: 'done', result: success }, job(2), NOW);
    expect(status).toMatchObject({
      key: success.key,
      location: `s3://backups/${success.key}`,
      manifestKey: success.manifestKey,
      snapshotSha256: success.snapshotSha256,
      clusterUID: cluster().metadata.uid,
      size: '3Mi',
      revision: '42',
      attempts: 2,
      job: 'orders-now-0f9e8d7c-2',
      startTime: '2026-11-23T07:00:01Z',
      completionTime: success.completionTime,
    });
    expect(status.conditions.map((c) => [c.type, c.status, c.reason])).toEqual([['Ready', 'True', 'Completed']]);
  });

  it('tells also a member whose snapshot was corrupt, when another one served', () => {
    const result = { ...success, corrupt: ['orders-2'] };
    const [ready] = backupStatus(backup(), { kind: 'done', result }, job(1), NOW).conditions;
    expect(ready).toMatchObject({
      status: 'True',
      message: expect.stringMatching(/; the snapshot of orders-2 does not/),
    });
  });

  it.each([
    ['as its Job says', '2026-11-23T07:00:09Z', '2026-11-23T07:00:09Z'],
    ['now, if the clock of its node runs ahead', '2026-11-23T09:00:00Z', '2026-11-23T07:00:30Z'],
    ['when it began, if the clock of its node is behind', '2026-11-23T05:00:00Z', '2026-11-23T07:00:01Z'],
  ])('ended %s', (_, told, completionTime) => {
    const result = { ...success, completionTime: told };
    expect(backupStatus(backup(), { kind: 'done', result }, job(1), NOW)).toMatchObject({ completionTime });
  });
});
