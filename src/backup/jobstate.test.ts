// SPDX-License-Identifier: Apache-2.0
// What the status of a Job and its own pods say of it, and what they do not.
import { describe, expect, it } from 'vitest';
import type { Job, Pod } from '../runtime/resources.ts';
import { job, NOW, pod, success } from './fixtures.ts';
import { isOver, jobState } from './jobstate.ts';
import { encodeResult } from './result.ts';

const said = (message: string, exitCode = 0) => pod({ phase: 'Succeeded', terminated: { exitCode, message } });
const done = said(encodeResult(success));
const ofAnother = (p: Pod): Pod => ({ ...p, metadata: { ...p.metadata, ownerReferences: [] } });
const inContainer = (p: Pod, name: string): Pod => {
  const containerStatuses = p.status?.containerStatuses?.map((c) => ({ ...c, name }));
  return { ...p, status: { ...p.status, containerStatuses } };
};
/** As it would be with these conditions, begun at that time, and with that many seconds at most. */
const jobOf = (o: { conditions?: object[]; startTime?: string; seconds?: number; created?: string }): Job => {
  const { metadata, ...rest } = job(1, o.created === undefined ? {} : { created: o.created });
  const status = { conditions: o.conditions ?? [], ...(o.startTime === undefined ? {} : { startTime: o.startTime }) };
  const spec = o.seconds === undefined ? {} : { spec: { activeDeadlineSeconds: o.seconds } };
  return { ...rest, ...spec, metadata, status } as Job;
};
const at = '2026-11-23T07:00:00Z';
const condition = (type: string, status: string, reason = '') => ({ type, status, reason, lastTransitionTime: at });

describe('a Job', () => {
  it.each<[string, Job, Pod[], object]>([
    ['is done by the word of its own pod', job(1), [done], { kind: 'result', result: success }],
    ['is not done by the word of a pod that is not its own', job(1), [ofAnother(done)], { kind: 'running' }],
    ['is not done by the word of another container', job(1), [inContainer(done, 'sidecar')], { kind: 'running' }],
    ['is done by whichever of its pods tells', job(1), [pod({ phase: 'Failed' }), done], { kind: 'result' }],
    [
      'that is not to fail after all runs',
      jobOf({ conditions: [condition('Failed', 'False')] }),
      [],
      { kind: 'running' },
    ],
    [
      'that is complete is over, whatever else it says first',
      jobOf({ conditions: [condition('SuccessCriteriaMet', 'True'), condition('Complete', 'True')] }),
      [],
      {
        kind: 'ended',
        reason: 'JobLost',
        endedAt: new Date(at),
        message: expect.stringContaining('its pod is gone') as string,
      },
    ],
    [
      'that is to fail is so by that condition, whatever else it says first',
      jobOf({ conditions: [condition('Suspended', 'True'), condition('FailureTarget', 'True', 'DeadlineExceeded')] }),
      [],
      { kind: 'ended', reason: 'DeadlineExceeded' },
    ],
    [
      'is lost with the exit code of its pod',
      job(1, { end: 'Failed' }),
      [pod({ phase: 'Failed' }), pod({ phase: 'Failed', terminated: { exitCode: 3 } })],
      { kind: 'ended', reason: 'JobLost', message: expect.stringContaining('exit code 3') as string },
    ],
    [
      'is lost with what the pod says of its end',
      job(1, { end: 'Failed' }),
      [pod({ phase: 'Failed' }), pod({ phase: 'Failed', reason: 'Evicted' })],
      { kind: 'ended', reason: 'JobLost', message: expect.stringContaining('Evicted') as string },
    ],
    [
      'is lost with a node that does not answer',
      job(1, { end: 'FailureTarget' }),
      [pod({ phase: 'Succeeded' }), pod({ phase: 'Running', deleted: '2026-11-23T06:59:30Z' })],
      { kind: 'ended', reason: 'JobLost', message: expect.stringContaining('does not answer') as string },
    ],
  ])('%s', (_sentence, subject, pods, state) => {
    expect(jobState(subject, pods, NOW)).toMatchObject(state);
  });

  it.each<[string, Job, number]>([
    ['by its own deadline, from its start', jobOf({ startTime: at, seconds: 60 }), 60 + 600 - 30],
    ['from when it was made, before it has started', jobOf({ created: at, seconds: 60 }), 60 + 600 - 30],
    ['by ours, where it has none', jobOf({ startTime: at }), 12 * 3600 + 600 - 30],
    ['not after its start, however long it waited', jobOf({ created: '2026-11-22T07:00:00Z', startTime: at }), 43_770],
  ])('is over at last, %s, and ten minutes', (_sentence, subject, seconds) => {
    expect(jobState(subject, [], NOW)).toEqual({ kind: 'running', leftMs: seconds * 1000 });
    const then = (ms: number) => new Date(NOW.getTime() + seconds * 1000 + ms);
    expect([isOver(subject, [], then(-1)), isOver(subject, [], then(0))]).toEqual([false, true]);
    expect(jobState(subject, [], then(0))).toMatchObject({ kind: 'ended', reason: 'DeadlineExceeded' });
  });

  it('that is to fail is not over while a pod of its own runs, whatever others do', () => {
    const failing = job(1, { end: 'FailureTarget' });
    expect(isOver(failing, [pod({ phase: 'Running' })], NOW)).toBe(false);
    expect(isOver(failing, [ofAnother(pod({ phase: 'Running' }))], NOW)).toBe(true);
  });
});
