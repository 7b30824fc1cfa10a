// SPDX-License-Identifier: Apache-2.0
// Tests of what backups say in the status of their cluster.
import { describe, expect, it } from 'vitest';
import { clusterBackupStatus } from './clusterstatus.ts';
import { backup, cluster, NOW, scheduled } from './fixtures.ts';
import { ScheduleMemory } from './schedule/memory.ts';

const of = (backups: Parameters<typeof clusterBackupStatus>[1], subject = cluster()) =>
  clusterBackupStatus(subject, backups, new ScheduleMemory(), NOW);
const stalled = backup({
  status: {
    conditions: [
      { type: 'Ready', status: 'False', reason: 'CredentialsMissing', message: 'm' },
      { type: 'Stalled', status: 'True' },
    ],
  },
});

describe('the backups of a cluster', () => {
  it.each([
    ['unknown before the first', [], 'Unknown', 'NoBackupYet'],
    ['healthy after a success', [scheduled('a', '2026-11-23T06:00:00Z', 'True')], 'True', 'LastBackupSucceeded'],
    [
      'not healthy after a failure',
      [scheduled('a', '2026-11-23T05:00:00Z', 'True'), scheduled('b', '2026-11-23T06:00:00Z', 'False')],
      'False',
      'BucketNotFound',
    ],
    [
      'healthy again after the next success',
      [scheduled('b', '2026-11-23T05:00:00Z', 'False'), scheduled('a', '2026-11-23T06:00:00Z', 'True')],
      'True',
      'LastBackupSucceeded',
    ],
    [
      'not healthy while one waits for somebody',
      [scheduled('a', '2026-11-23T06:00:00Z', 'True'), stalled],
      'False',
      'CredentialsMissing',
    ],
  ])('are %s', (_, backups, status, reason) => {
    expect(of(backups)?.healthy).toMatchObject({ status, reason });
  });
  it('are nothing without a policy', () => {
    const subject = cluster();
    delete subject.spec.backup;
    expect(of([], subject)).toBeUndefined();
  });
  it('remember the last success when its object is gone', () => {
    const subject = cluster({ status: { backup: { lastBackup: 'old', lastSuccessTime: '2026-11-22T00:00:00Z' } } });
    expect(of([], subject)?.status).toEqual({ lastBackup: 'old', lastSuccessTime: '2026-11-22T00:00:00Z' });
    expect(of([scheduled('new', '2026-11-23T06:00:00Z', 'True')], subject)?.status).toEqual({
      lastBackup: 'new',
      lastSuccessTime: '2026-11-23T06:00:00Z',
    });
  });
  it('tell a schedule that cannot be read', () => {
    const store = { s3: { bucket: 'backups', credentialsSecret: { name: 's3' } } };
    const subject = cluster({
      backup: { store, schedules: [{ name: 'x', schedule: '0 * * * *', timeZone: 'Mars/Olympus' }] },
    });
    expect(of([scheduled('a', '2026-11-23T06:00:00Z', 'True')], subject)?.healthy).toMatchObject({
      status: 'False',
      reason: 'InvalidSchedule',
    });
  });
});
