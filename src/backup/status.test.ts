// SPDX-License-Identifier: Apache-2.0
// The status of a backup: when it is finished, what of an earlier status stays, and how sizes are told.
import { describe, expect, it } from 'vitest';
import { backup, job, NOW, success } from './fixtures.ts';
import type { Verdict } from './plan.ts';
import { backupStatus } from './status.ts';

const progress: Verdict = { kind: 'progress', reason: 'Running', message: 'm' };
const blocked: Verdict = { kind: 'blocked', reason: 'JobRefused', message: 'm' };
const failed: Verdict = { kind: 'failed', reason: 'BucketNotFound', message: 'm' };
const done: Verdict = { kind: 'done', result: success };

describe('a backup', () => {
  it.each<[string, Verdict, string | undefined, string[]]>([
    ['at work is not finished', progress, undefined, ['Ready False Running', 'Reconciling True Running']],
    ['that waits for somebody is not', blocked, undefined, ['Ready False JobRefused', 'Stalled True JobRefused']],
    ['that failed is', failed, '2026-11-23T07:00:30Z', ['Ready False BucketNotFound', 'Stalled True BucketNotFound']],
    ['that is done is', done, '2026-11-23T07:00:09Z', ['Ready True Completed']],
  ])('%s', (_sentence, verdict, completionTime, conditions) => {
    const status = backupStatus(backup(), verdict, job(1), NOW);
    expect(status.completionTime).toBe(completionTime);
    expect(status.conditions.map((c) => `${c.type} ${c.status} ${c.reason}`)).toEqual(conditions);
    expect(status.observedGeneration).toBe(1);
  });

  it('without a Job keeps what was said of the last one', () => {
    const before = { job: 'j', clusterUID: 'u', attempts: 2, startTime: '2026-11-23T06:00:00Z', conditions: [] };
    expect(backupStatus(backup({ status: before }), progress, undefined, NOW)).toMatchObject({
      ...before,
      conditions: [{}, {}],
    });
  });

  it('began with its first Job, and names the last', () => {
    const before = { startTime: '2026-11-23T06:00:00Z', attempts: 1, conditions: [] };
    expect(backupStatus(backup({ status: before }), progress, job(2), NOW)).toMatchObject({
      startTime: '2026-11-23T06:00:00Z',
      attempts: 2,
      job: 'orders-now-0f9e8d7c-2',
    });
  });

  it('that has not begun says nothing of a Job', () => {
    const { conditions: _, observedGeneration: __, ...rest } = backupStatus(backup(), blocked, undefined, NOW);
    expect(rest).toEqual({});
  });

  it('counts the attempts that were made, also when the Job of the last one is gone', () => {
    const before = backup({ status: { attempts: 3, conditions: [] } });
    expect(backupStatus(before, progress, job(2), NOW).attempts).toBe(3);
  });

  it.each([
    [1023, '1.0 KiB', '1Mi'],
    [2 ** 20 - 1, '1024.0 KiB', '1Mi'],
    [2 ** 20, '1.0 MiB', '1Mi'],
    [2 ** 20 + 1, '1.0 MiB', '2Mi'],
    [5.5 * 2 ** 20, '5.5 MiB', '6Mi'],
  ])('of %d bytes has %s', (size, said, quantity) => {
    const status = backupStatus(backup(), { kind: 'done', result: { ...success, size } }, job(1), NOW);
    expect(status.conditions[0]?.message).toContain(`${said} as 1.0 MiB`);
    expect([status.size, status.compressedSize]).toEqual([quantity, '1Mi']);
  });
});
