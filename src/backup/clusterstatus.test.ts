// SPDX-License-Identifier: Apache-2.0
// Tests of what backups say in the status of their cluster.
import { describe, expect, it } from 'vitest';
import { clusterBackupStatus } from './clusterstatus.ts';
import { backup, cluster, NOW, scheduled } from './fixtures.ts';
import { isOf } from './marks.ts';
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

const ahead = scheduled('a', '2026-11-23T05:00:00Z', 'True');

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
      'not healthy after a failure, though the one before says that it ended later',
      [
        scheduled('b', '2026-11-23T06:00:00Z', 'False'),
        { ...ahead, status: { ...ahead.status, completionTime: '2026-11-23T08:00:00Z' } as typeof ahead.status },
      ],
      'False',
      'BucketNotFound',
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
  it('name the last that succeeded, and by name among those of one second', () => {
    const at = '2026-11-23T06:00:00Z';
    const backups = [
      scheduled('a', '2026-11-23T05:00:00Z', 'True'),
      scheduled('c', at, 'True'),
      scheduled('b', at, 'True'),
      scheduled('d', '2026-11-23T06:30:00Z', 'False'),
    ];
    expect(of(backups)?.status).toEqual({ lastSuccessfulBackup: 'c', lastSuccessTime: at });
  });
  it('are not healthy by one that waits, unless it waits for somebody', () => {
    const queued = backup({ status: { conditions: [{ type: 'Ready', status: 'False', reason: 'Queued' }] } });
    expect(of([scheduled('a', '2026-11-23T06:00:00Z', 'True'), queued])?.healthy).toMatchObject({ status: 'True' });
  });
  it('are healthy after a success, though an earlier one failed for good', () => {
    const failed = scheduled('a', '2026-11-23T05:00:00Z', 'False');
    const conditions = [...(failed.status?.conditions ?? []), { type: 'Stalled', status: 'True' }];
    const stopped = { ...failed, status: { ...failed.status, conditions } } as typeof failed;
    expect(of([stopped, scheduled('b', '2026-11-23T06:00:00Z', 'True')])?.healthy).toMatchObject({ status: 'True' });
  });
  it('are nothing without a policy', () => {
    const subject = cluster();
    delete subject.spec.backup;
    expect(of([], subject)).toBeUndefined();
  });
  it('remember the last success when its object is gone', () => {
    const subject = cluster({
      status: { backup: { lastSuccessfulBackup: 'old', lastSuccessTime: '2026-11-22T00:00:00Z' } },
    });
    expect(of([], subject)?.status).toEqual({ lastSuccessfulBackup: 'old', lastSuccessTime: '2026-11-22T00:00:00Z' });
    expect(of([scheduled('older', '2026-11-21T06:00:00Z', 'True')], subject)?.status).toMatchObject({
      lastSuccessfulBackup: 'old',
      lastSuccessTime: '2026-11-22T00:00:00Z',
    });
    expect(of([scheduled('new', '2026-11-23T06:00:00Z', 'True')], subject)?.status).toEqual({
      lastSuccessfulBackup: 'new',
      lastSuccessTime: '2026-11-23T06:00:00Z',
    });
  });
  it('do not remember a success of the future', () => {
    const subject = cluster({
      status: { backup: { lastSuccessfulBackup: 'old', lastSuccessTime: '2026-11-24T00:00:00Z' } },
    });
    expect(of([scheduled('new', '2026-11-23T06:00:00Z', 'True')], subject)?.status).toMatchObject({
      lastSuccessfulBackup: 'new',
    });
  });
  describe('of a schedule', () => {
    const policy = {
      store: { s3: { bucket: 'backups', credentialsSecret: { name: 's3' } } },
      schedules: [{ name: 'hourly', schedule: '0 * * * *' }],
    };
    const done = scheduled('a', '2026-11-23T05:00:09Z', 'True');
    const hanging = (at: string) => {
      const run = scheduled('b', at, 'False');
      delete run.status?.completionTime;
      return run;
    };
    const health = (
      backups: Parameters<typeof clusterBackupStatus>[1],
      o: { memory?: ScheduleMemory; told?: string; suspend?: boolean; promised?: string } = {},
    ) => {
      const overdue = { reason: 'BackupOverdue', message: 'told before', lastTransitionTime: o.told };
      const conditions = o.told === undefined ? [] : [{ type: 'BackupHealthy', status: 'False', ...overdue }];
      const schedules = policy.schedules.map((s) => ({ ...s, suspend: o.suspend === true }));
      const promise = { schedules: [{ name: 'hourly', nextScheduleTime: o.promised }] };
      const subject = cluster({ backup: { ...policy, schedules }, status: { conditions, backup: promise } });
      return clusterBackupStatus(subject, backups, o.memory ?? new ScheduleMemory(), NOW)?.healthy;
    };
    const leftOut = (at: string) => {
      const memory = new ScheduleMemory();
      memory.set(cluster().metadata.uid as string, 'hourly', new Date(at), 'left out');
      return memory;
    };

    it('are healthy while a run is at work', () => {
      expect(health([done, hanging('2026-11-23T07:00:00Z')])).toMatchObject({ status: 'True' });
    });
    it('are overdue when a run that is due is not made for minutes, also when the next one is due by then', () => {
      expect(health([done], { promised: '2026-11-23T07:00:00Z' })).toMatchObject({ status: 'True' });
      expect(health([done], { promised: '2026-11-23T06:55:31Z' })).toMatchObject({ status: 'True' });
      expect(health([done], { promised: '2026-11-23T06:55:30Z' })).toMatchObject({ reason: 'BackupOverdue' });
      expect(health([done], { promised: '2026-11-23T06:00:00Z' })).toMatchObject({
        status: 'False',
        reason: 'BackupOverdue',
        message: expect.stringMatching(/^the run of hourly has been due since 2026-11-23T06:00:00Z/) as string,
      });
    });
    it('are overdue when a run is not finished at the time of the next', () => {
      expect(health([done, hanging('2026-11-23T06:00:00Z')])).toMatchObject({
        status: 'False',
        reason: 'BackupOverdue',
        message: expect.stringMatching(/^b of the schedule hourly .* 2026-11-23T07:00:00Z/) as string,
      });
    });
    it('are overdue when the latest run was left out, and no more once a backup has finished after it', () => {
      const memory = leftOut('2026-11-23T06:00:00Z');
      expect(health([done], { memory })).toMatchObject({ reason: 'BackupOverdue', message: 'left out' });
      expect(health([done, scheduled('c', '2026-11-23T06:30:00Z', 'True')], { memory })).toMatchObject({
        status: 'True',
      });
    });
    it('stay overdue for an operator that was restarted, until a backup has finished since', () => {
      const told = '2026-11-23T06:00:01Z';
      expect(health([done], { told })).toMatchObject({ reason: 'BackupOverdue', message: 'told before' });
      expect(health([done, scheduled('c', '2026-11-23T06:30:00Z', 'True')], { told })).toMatchObject({
        status: 'True',
      });
    });
    it('are not overdue by what another condition says, or this one of something else', () => {
      const told = (type: string, reason: string) => {
        const conditions = [
          { type, reason, status: 'False', message: 'm', lastTransitionTime: '2026-11-23T06:00:01Z' },
        ];
        const subject = cluster({ backup: policy, status: { conditions } });
        return clusterBackupStatus(subject, [done], new ScheduleMemory(), NOW)?.healthy;
      };
      expect(told('BackupHealthy', 'BackupOverdue')).toMatchObject({ status: 'False' });
      expect(told('BackupHealthy', 'BucketNotFound')).toMatchObject({ status: 'True' });
      expect(told('Available', 'BackupOverdue')).toMatchObject({ status: 'True' });
    });
    it('are not overdue while the schedule is suspended', () => {
      const o = { memory: leftOut('2026-11-23T06:00:00Z'), told: '2026-11-23T06:00:01Z', suspend: true };
      expect(health([done, hanging('2026-11-23T06:00:00Z')], o)).toMatchObject({ status: 'True' });
    });
  });
  it('are not those of an earlier cluster of the same name', () => {
    const subject = cluster();
    const uid = subject.metadata.uid as string;
    const made = (clusterUID?: string) => backup({ status: { conditions: [], clusterUID } });
    expect([made(uid), made(), made('another')].map((b) => isOf(subject, b))).toEqual([true, true, false]);
    const ofAnother = { ...made(uid), spec: { clusterName: 'others' } };
    expect([ofAnother, { ...ofAnother, status: undefined } as never].map((b) => isOf(subject, b))).toEqual([
      false,
      false,
    ]);
  });
  it('tell a schedule that never comes', () => {
    const store = { s3: { bucket: 'backups', credentialsSecret: { name: 's3' } } };
    const subject = cluster({ backup: { store, schedules: [{ name: 'x', schedule: '0 0 30 2 *' }] } });
    expect(of([], subject)?.healthy).toMatchObject({ status: 'False', reason: 'InvalidSchedule' });
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
