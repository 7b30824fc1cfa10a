// SPDX-License-Identifier: Apache-2.0
// Tests of which other backups of a cluster are seen as running.
import { expect, it } from 'vitest';
import type { Job, Pod } from '../runtime/resources.ts';
import { backup, cluster, job, pod } from './fixtures.ts';
import { type ObserveDeps, observe } from './observe.ts';

const other = backup({ name: 'other', metadata: { uid: 'other' } });
const failing = job(1, { end: 'FailureTarget', reason: 'BackoffLimitExceeded', created: new Date().toISOString() });

const owned = (j: Job): Job => {
  const owner = { apiVersion: 'v', kind: 'EtcdBackup', name: 'other', uid: 'other', controller: true };
  return { ...j, metadata: { ...j.metadata, ownerReferences: [owner] } };
};

it.each([
  ['runs while its Job does', owned({ ...failing, status: {} }), [pod({ phase: 'Running' })], true],
  ['runs while the pod of its failing Job does', owned(failing), [pod({ phase: 'Running' })], true],
  [
    'runs no more when a node that does not answer keeps the pod of its failing Job',
    owned(failing),
    [pod({ phase: 'Running', deleted: new Date(Date.now() - 120_000).toISOString() })],
    false,
  ],
  ['runs no more when its Job is over', owned(job(1, { end: 'Complete' })), [], false],
] satisfies [string, Job, Pod[], boolean][])('another backup %s', async (_, itsJob, pods, running) => {
  const stores = {
    backups: { list: () => [backup(), other] },
    clusters: { get: () => cluster() },
    jobs: { list: () => [itsJob] },
    pods: { list: () => pods },
  };
  const deps = { stores } as unknown as ObserveDeps;
  const { siblings } = await observe(deps, backup(), new AbortController().signal);
  expect(siblings).toMatchObject([{ name: 'other', running }]);
});
