// SPDX-License-Identifier: Apache-2.0
// Tests of what is decided about an EtcdBackup whose Job has ended: done, failed for good, or repeated, and when.
import { expect, it } from 'vitest';
import type { FailureReason } from './failures.ts';
import { backup, cluster, decided, expected, job, pod, type Row, success } from './fixtures.ts';
import { encodeResult } from './result.ts';

const said = (message: string, exitCode = 0) => pod({ phase: 'Succeeded', terminated: { exitCode, message } });
const failure = (reason: FailureReason) => encodeResult({ ok: false, reason, message: 'why' });

const allBut = (attempt: number) => Array.from({ length: 99 }, (_, i) => i + 1).filter((n) => n !== attempt);

const atDeadline = (attempt: number) => job(attempt, { end: 'Failed', reason: 'DeadlineExceeded' });
const saying = (reason: string, replaced?: number[]) =>
  backup({ status: { attempts: 1, replaced, conditions: [{ type: 'Ready', status: 'False', reason, message: 'm' }] } });

const rows: readonly Row[] = [
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
    'repeats what may be complete, when the store has had time to come back',
    { jobs: [job(1, { end: 'Failed', at: '2026-11-23T06:59:30Z' })], pods: [said(failure('OutcomeUnknown'), 1)] },
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
    'is looked for once more when the deadline met it at its last request',
    {
      jobs: [job(1, { end: 'Failed', reason: 'DeadlineExceeded' })],
      pods: [said(failure('OutcomeUnknown'), 1)],
      podsAreLive: true,
    },
    { verdict: { kind: 'progress', reason: 'Retrying' } },
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
  ...['PodsRefused', 'Unschedulable', 'ImageUnavailable', 'PodNotStarting'].map(
    (reason): Row => [
      `replaces a Job at the deadline that never began (${reason})`,
      { backup: saying(reason), jobs: [atDeadline(1)], podsAreLive: true },
      { verdict: { kind: 'progress', reason: 'Retrying', replacesJob: true }, step: { action: 'ReplaceJob' } },
    ],
  ),
  [
    'replaces such a Job also when that was announced, and its deletion refused',
    { backup: saying('JobRefused', [1]), jobs: [atDeadline(1)], podsAreLive: true },
    { verdict: { reason: 'Retrying', replacesJob: true }, step: { action: 'ReplaceJob' } },
  ],
  [
    'looks for the pod live before it replaces such a Job',
    { backup: saying('Unschedulable'), jobs: [atDeadline(1)] },
    { step: { action: 'ReadPods' } },
  ],
  [
    'fails for good at the deadline of a Job that was to be replaced and began before it was deleted',
    { backup: saying('Running', [1]), jobs: [atDeadline(1)], podsAreLive: true },
    { verdict: { kind: 'failed', reason: 'DeadlineExceeded' } },
  ],
  [
    'fails for good at the deadline of a Job whose predecessor was replaced',
    { backup: saying('Running', [1]), jobs: [atDeadline(2)], podsAreLive: true },
    { verdict: { kind: 'failed', reason: 'DeadlineExceeded' } },
  ],
  [
    'fails for good at the deadline when there is no number left for another Job',
    { backup: saying('Unschedulable'), jobs: [atDeadline(99)], podsAreLive: true },
    { verdict: { kind: 'failed', reason: 'DeadlineExceeded' } },
  ],
  [
    'ends instead of a repetition when its cluster is gone, and another one has the name',
    {
      backup: backup({ status: { attempts: 1, clusterUID: 'another', conditions: [] } }),
      jobs: [job(1, { end: 'Failed' })],
      podsAreLive: true,
      clusterIsLive: true,
    },
    { verdict: { kind: 'failed', reason: 'ClusterGone' } },
  ],
  [
    'follows its Job to the end, though its cluster is gone',
    {
      backup: backup({ status: { attempts: 1, clusterUID: 'another', conditions: [] } }),
      jobs: [job(1)],
      pods: [pod({ phase: 'Running' })],
      clusterIsLive: true,
    },
    { verdict: { kind: 'progress', reason: 'Running' } },
  ],
  [
    'holds a repetition until the cluster is Available again',
    { jobs: [job(1, { end: 'Failed' })], podsAreLive: true, cluster: cluster({ available: 'False' }) },
    { verdict: { reason: 'ClusterUnavailable' } },
  ],
  [
    'starts the next attempt at once when its Job was replaced, however often before',
    { backup: backup({ status: { attempts: 4, replaced: [1, 2, 3, 4], conditions: [] } }) },
    { step: { action: 'CreateJob', attempt: 5 } },
  ],
  [
    'counts attempts without the Jobs that were replaced',
    {
      backup: backup({ status: { attempts: 4, replaced: [1, 3], conditions: [] } }),
      jobs: [job(2, { end: 'Failed' }), job(4, { end: 'Failed', at: '2026-11-23T07:00:20Z' })],
      podsAreLive: true,
    },
    { verdict: { reason: 'Retrying', message: expect.stringMatching(/attempt 3 of 3 follows$/) as string } },
  ],
  [
    'gives up after three, without the Jobs that were replaced',
    {
      backup: backup({ status: { attempts: 5, replaced: [1, 3], conditions: [] } }),
      jobs: [job(5, { end: 'Failed' })],
      podsAreLive: true,
    },
    { verdict: { kind: 'failed', reason: 'JobLost' } },
  ],
  [
    'counts a Job that was to be replaced and began before it was deleted',
    {
      backup: backup({ status: { attempts: 3, replaced: [3], conditions: [] } }),
      jobs: [job(3, { end: 'Failed' })],
      podsAreLive: true,
    },
    {
      verdict: { kind: 'failed', reason: 'JobLost', message: expect.stringContaining('last of 3 attempts') as string },
    },
  ],
  [
    'gives up when there is no number left for another Job',
    { backup: backup({ status: { attempts: 99, replaced: allBut(98), conditions: [] } }) },
    { verdict: { kind: 'failed', reason: 'JobLost', message: expect.stringContaining('last of 99 Jobs') as string } },
  ],
];

it.each(rows)('a backup %s', (_, o, plan) => {
  expect(decided(o)).toMatchObject(expected(plan));
});
