// SPDX-License-Identifier: Apache-2.0
// Tests of what is decided about an EtcdBackup.
import { describe, expect, it } from 'vitest';
import { conditionsProblem } from '../runtime/conditions.ts';
import type { FailureReason } from './failures.ts';
import { backup, cluster, job, NOW, observed, pod, success } from './fixtures.ts';
import type { ObservedBackup } from './observed.ts';
import { planBackup } from './plan.ts';
import { encodeResult } from './result.ts';
import { backupStatus } from './status.ts';

const said = (message: string, exitCode = 0) => pod({ phase: 'Succeeded', terminated: { exitCode, message } });
const failure = (reason: FailureReason) => encodeResult({ ok: false, reason, message: 'why' });
const noStore = cluster();
delete noStore.spec.backup;
/** Half a minute before the test's now. */
const OLD = '2026-11-23T07:00:00Z';
const sibling = (name: string, created: string, running = false) => ({ name, created, running });

const unschedulable = pod({
  conditions: [{ type: 'PodScheduled', status: 'False', message: 'no room', lastTransitionTime: OLD }],
});

interface Expected {
  verdict?: object;
  step?: object;
}
const cases: readonly [string, Partial<ObservedBackup>, Expected][] = [
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
    { secrets: { credentials: undefined, tls: false } },
    { verdict: { kind: 'progress', reason: 'CertificatesPending' } },
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
    { verdict: { kind: 'blocked', reason: 'PodsRefused', message: expect.stringContaining('quota: few') as string } },
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
    'starts the next attempt when its Job was replaced, however often before',
    { backup: backup({ status: { attempts: 7, replaced: 7, conditions: [] } }) },
    { step: { action: 'CreateJob', attempt: 8 } },
  ],
  [
    'counts attempts without the Jobs that were replaced',
    {
      backup: backup({ status: { attempts: 4, replaced: 2, conditions: [] } }),
      jobs: [job(4, { end: 'Failed', at: '2026-11-23T07:00:20Z' })],
      podsAreLive: true,
    },
    { verdict: { reason: 'Retrying', message: expect.stringMatching(/attempt 3 of 3 follows$/) as string } },
  ],
  [
    'gives up after three, without the Jobs that were replaced',
    {
      backup: backup({ status: { attempts: 5, replaced: 2, conditions: [] } }),
      jobs: [job(5, { end: 'Failed' })],
      podsAreLive: true,
    },
    { verdict: { kind: 'failed', reason: 'JobLost' } },
  ],
  [
    'has nothing to say against a pod that runs, however long',
    { jobs: [job(1, { created: OLD })], pods: [pod({ created: OLD, phase: 'Running' })] },
    { verdict: { kind: 'progress', reason: 'Running' } },
  ],
  [
    'is done when the pod says so, even before its Job does',
    { jobs: [job(1)], pods: [said(encodeResult(success))] },
    { verdict: { kind: 'done', result: success } },
  ],
  [
    'does not believe a success from a process that failed',
    { jobs: [job(1, { end: 'Failed' })], pods: [said(encodeResult(success), 1)], podsAreLive: true },
    { verdict: { kind: 'progress', reason: 'Running' }, step: { action: 'CreateJob', attempt: 2 } },
  ],
  [
    'fails for good with the reason of the Job',
    { jobs: [job(1, { end: 'Failed' })], pods: [said(failure('BucketNotFound'), 1)] },
    { verdict: { kind: 'failed', reason: 'BucketNotFound' } },
  ],
  [
    'repeats what was interrupted',
    { jobs: [job(1, { end: 'Failed', at: '2026-11-23T07:00:20Z' })], pods: [said(failure('Interrupted'), 1)] },
    { step: { action: 'CreateJob', attempt: 2 } },
  ],
  [
    'repeats what a store that is away for a moment ended, after a minute',
    {
      jobs: [job(1, { end: 'Failed', at: '2026-11-23T07:00:20Z' })],
      pods: [said(failure('StoreUnreachable'), 1)],
    },
    {
      verdict: {
        kind: 'progress',
        reason: 'Retrying',
        message: 'StoreUnreachable: why; attempt 2 of 3 follows',
        lookAgainMs: 50_000,
      },
    },
  ],
  [
    'pauses also when the pod has its last word before its Job has failed',
    { jobs: [job(1)], pods: [said(failure('SourceStalled'), 1)] },
    { verdict: { reason: 'Retrying', lookAgainMs: 60_000 } },
  ],
  [
    'goes on after that minute',
    { jobs: [job(1, { end: 'Failed', at: '2026-11-23T06:59:30Z' })], pods: [said(failure('StoreUnavailable'), 1)] },
    { step: { action: 'CreateJob', attempt: 2 } },
  ],
  [
    'gives what does not pass within a minute five',
    { jobs: [job(2, { end: 'Failed', at: '2026-11-23T06:59:30Z' })], pods: [said(failure('StoreStalled'), 1)] },
    { verdict: { reason: 'Retrying', lookAgainMs: 240_000 } },
  ],
  [
    'fails for good with what does not pass',
    { jobs: [job(3, { end: 'Failed' })], pods: [said(failure('SourceUnavailable'), 1)] },
    { verdict: { kind: 'failed', reason: 'SourceUnavailable' } },
  ],
  [
    'looks for the pod live before a Job is lost',
    { jobs: [job(1, { end: 'Failed' })] },
    { step: { action: 'ReadPods' } },
  ],
  [
    'repeats a lost Job',
    { jobs: [job(1, { end: 'Failed' })], podsAreLive: true },
    { step: { action: 'CreateJob', attempt: 2 } },
  ],
  [
    'repeats a Job that ended well without a word: the store knows',
    { jobs: [job(1, { end: 'Complete' })], podsAreLive: true },
    { step: { action: 'CreateJob', attempt: 2 } },
  ],
  [
    'repeats after an eviction',
    { jobs: [job(1, { end: 'Failed' })], pods: [pod({ phase: 'Failed', reason: 'Evicted' })], podsAreLive: true },
    { step: { action: 'CreateJob', attempt: 2 } },
  ],
  [
    'pauses before it repeats',
    { jobs: [job(1, { end: 'Failed', at: '2026-11-23T07:00:28Z' })], podsAreLive: true },
    { verdict: { kind: 'progress', reason: 'Retrying', lookAgainMs: 8_000 } },
  ],
  [
    'pauses no longer than that when the clock was set back',
    { jobs: [job(1, { end: 'Failed', at: '2027-11-23T07:00:28Z' })], podsAreLive: true },
    { verdict: { reason: 'Retrying', lookAgainMs: 10_000 } },
  ],
  [
    'gives up after three',
    { jobs: [job(1), job(3, { end: 'Failed' })], podsAreLive: true },
    { verdict: { kind: 'failed', reason: 'JobLost' } },
  ],
  [
    'repeats a Job that somebody deleted',
    { backup: backup({ status: { attempts: 1, conditions: [] } }) },
    { step: { action: 'CreateJob', attempt: 2 } },
  ],
  [
    'does not repeat it for ever',
    { backup: backup({ status: { attempts: 3, conditions: [] } }) },
    { verdict: { kind: 'failed', reason: 'JobLost' } },
  ],
  [
    'fails for good when memory ran out',
    {
      jobs: [job(1, { end: 'Failed' })],
      pods: [pod({ terminated: { exitCode: 137, reason: 'OOMKilled' } })],
      podsAreLive: true,
    },
    { verdict: { kind: 'failed', reason: 'OutOfMemory' } },
  ],
  [
    'fails for good at the deadline',
    { jobs: [job(1, { end: 'Failed', reason: 'DeadlineExceeded' })], podsAreLive: true },
    { verdict: { kind: 'failed', reason: 'DeadlineExceeded' } },
  ],
  [
    'fails for good at the deadline, though its pod says that it was interrupted',
    {
      jobs: [job(1, { end: 'Failed', reason: 'DeadlineExceeded' })],
      pods: [said(failure('Interrupted'), 1)],
      podsAreLive: true,
    },
    { verdict: { kind: 'failed', reason: 'DeadlineExceeded' } },
  ],
  [
    'fails for good while the deadline still stops its pod',
    {
      jobs: [job(1, { end: 'FailureTarget', reason: 'DeadlineExceeded' })],
      pods: [said(failure('Interrupted'), 1)],
      podsAreLive: true,
    },
    { verdict: { kind: 'failed', reason: 'DeadlineExceeded' } },
  ],
  [
    'is done if it was so just before its deadline',
    { jobs: [job(1, { end: 'Failed', reason: 'DeadlineExceeded' })], pods: [said(encodeResult(success))] },
    { verdict: { kind: 'done' } },
  ],
  [
    'repeats a Job that is to fail, though a node that does not answer keeps its pod',
    {
      jobs: [job(1, { end: 'FailureTarget', reason: 'BackoffLimitExceeded' })],
      pods: [pod({ phase: 'Running', deleted: '2026-11-23T06:59:30Z' })],
      podsAreLive: true,
    },
    { step: { action: 'CreateJob', attempt: 2 } },
  ],
  [
    'gives the pod of a Job that is to fail the time to stop',
    {
      jobs: [job(1, { end: 'FailureTarget', reason: 'BackoffLimitExceeded' })],
      pods: [pod({ phase: 'Running', deleted: '2026-11-23T06:59:31Z' })],
    },
    { verdict: { kind: 'progress', reason: 'Running', lookAgainMs: 1_000 } },
  ],
  [
    'does not take a Job that is to fail for over while its pod runs',
    { jobs: [job(1, { end: 'FailureTarget' })], pods: [pod({ phase: 'Running' })] },
    { verdict: { kind: 'progress', reason: 'Running' } },
  ],
  [
    'repeats a Job that is to fail as soon as its pod has ended without a word',
    { jobs: [job(1, { end: 'FailureTarget' })], pods: [pod({ phase: 'Failed' })], podsAreLive: true },
    { step: { action: 'CreateJob', attempt: 2 } },
  ],
  [
    'fails for good at the deadline, though a node that does not answer keeps its pod',
    {
      jobs: [job(1, { end: 'FailureTarget', reason: 'DeadlineExceeded' })],
      pods: [pod({ phase: 'Running', deleted: '2026-11-23T06:59:30Z' })],
      podsAreLive: true,
    },
    { verdict: { kind: 'failed', reason: 'DeadlineExceeded' } },
  ],
  [
    'fails for good well past its deadline, whatever Kubernetes says',
    { jobs: [job(1, { created: '2026-11-22T18:50:00Z' })], pods: [pod({ phase: 'Running' })], podsAreLive: true },
    { verdict: { kind: 'failed', reason: 'DeadlineExceeded' } },
  ],
  [
    'holds a repetition until the cluster is Available again',
    { jobs: [job(1, { end: 'Failed' })], podsAreLive: true, cluster: cluster({ available: 'False' }) },
    { verdict: { reason: 'ClusterUnavailable' } },
  ],
  [
    'is left alone once it is finished',
    { backup: backup({ status: { completionTime: 'x', conditions: [] } }), jobs: [job(1)] },
    {},
  ],
];

describe('a backup', () => {
  it.each(cases)('%s', (_, o, expected) => {
    const base = observed(o.cluster === undefined ? {} : { cluster: o.cluster });
    const planned = planBackup({ ...base, ...o });
    expect(planned).toMatchObject(expected);
    expect(planned.step === undefined).toBe(expected.step === undefined);
    if (planned.verdict === undefined) return;
    const subject = backup();
    subject.status = backupStatus(subject, planned.verdict, undefined, NOW);
    expect(conditionsProblem(subject)).toBeUndefined();
  });

  it('counts a Job that is replaced, as one that was no attempt', () => {
    const verdict = { kind: 'progress', reason: 'Retrying', message: 'm', replacesJob: true } as const;
    const before = backup({ status: { attempts: 2, replaced: 1, conditions: [] } });
    expect(backupStatus(before, verdict, job(2), NOW)).toMatchObject({ attempts: 2, replaced: 2 });
    expect(backupStatus(before, { kind: 'progress', reason: 'Running', message: 'm' }, job(3), NOW)).toMatchObject({
      attempts: 3,
      replaced: 1,
    });
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
