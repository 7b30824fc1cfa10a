// SPDX-License-Identifier: Apache-2.0
// Pods that the API server refuses: the same trouble is the same text, with its own remedy.
import { describe, expect, it } from 'vitest';
import type { Pod } from '../../runtime/resources.ts';
import { claimOf, now, observed, pod } from '../fixtures.ts';
import { diagnose, lastLine } from './diagnose.ts';

const failed = (name: string, why: string) =>
  `create Pod ${name} in StatefulSet orders failed error: pods "${name}" is forbidden: ${why}`;
const refused = (podsRefused: string) => diagnose(observed({ podsRefused }))?.message;

describe('pods that are refused', () => {
  it.each([
    ['exceeded quota: q, used: pods=0', /^pods cannot be created: exceeded quota: q, used: pods=0; raise the quota/],
    ['no PriorityClass with name x was found', /no PriorityClass with name x was found; create the PriorityClass/],
    ['violates PodSecurity "restricted:latest"', /; change the policy/],
  ])('%s', (why, says) => {
    expect(refused(failed('orders-0', why))).toMatch(says);
    expect(refused(failed('orders-2', why)), 'whichever pod it was').toBe(refused(failed('orders-0', why)));
  });
});

const ago = (seconds: number) => new Date(now.getTime() - seconds * 1000).toISOString();

/** Pod 1 of that age, in this state. */
function starting(seconds: number, o: { conditions?: object[]; container?: object } = {}): Pod {
  const { metadata } = pod(1);
  const status = { conditions: o.conditions ?? [], containerStatuses: o.container === undefined ? [] : [o.container] };
  return { metadata: { ...metadata, creationTimestamp: ago(seconds) }, status, spec: { nodeName: 'n1' } } as never;
}
const unscheduled = (seconds: number, message: string) =>
  starting(99, { conditions: [{ type: 'PodScheduled', status: 'False', message, lastTransitionTime: ago(seconds) }] });
const scheduled = (seconds: number, container?: object) =>
  starting(99, {
    conditions: [
      { type: 'Ready', status: 'False', lastTransitionTime: ago(999) },
      { type: 'PodScheduled', status: 'True', lastTransitionTime: ago(seconds) },
    ],
    ...(container === undefined ? {} : { container }),
  });
const waiting = (seconds: number, reason: string, rest: object = {}) =>
  starting(seconds, { container: { image: 'etcd:v9', state: { waiting: { reason } }, ...rest } });

describe('a pod that does not start', () => {
  const said = (p: Pod, claims = [claimOf('a', false)]) => diagnose(observed({ pods: [p], claims }));

  it.each<[string, Pod, string | undefined, RegExp]>([
    [
      'finds no node yet',
      unscheduled(15, 'no cpu'),
      'progress Unschedulable',
      /^pod orders-1 cannot be scheduled: no cpu;/,
    ],
    ['finds no node', unscheduled(15.001, 'no cpu'), 'blocked Unschedulable', /no cpu; free or add capacity/],
    [
      'waits for its claim',
      unscheduled(16, 'pod has unbound immediate PersistentVolumeClaims'),
      'blocked StorageUnavailable',
      /; not bound: data-orders-0 \(StorageClass gone\); create the StorageClass/,
    ],
    [
      'is about to get its image',
      waiting(15, 'ErrImagePull'),
      'progress ImageUnavailable',
      /^pod orders-1 cannot get its/,
    ],
    [
      'gets no image',
      waiting(16, 'ImagePullBackOff'),
      'blocked ImageUnavailable',
      /image etcd:v9: ImagePullBackOff; correct/,
    ],
    ['has no image that may be', waiting(16, 'InvalidImageName'), 'blocked ImageUnavailable', /InvalidImageName/],
    ['may not pull its image', waiting(16, 'ErrImageNeverPull'), 'blocked ImageUnavailable', /ErrImageNeverPull/],
    [
      'exits again and again',
      waiting(16, 'CrashLoopBackOff', { lastState: { terminated: { message: 'a\n{"msg":"b","error":"c"}\n' } } }),
      'blocked MemberCrashing',
      /^pod orders-1 does not stay up: b: c$/,
    ],
    [
      'cannot be run',
      waiting(16, 'RunContainerError'),
      'blocked MemberCrashing',
      /does not stay up: RunContainerError$/,
    ],
    ['lacks what it mounts', waiting(16, 'CreateContainerConfigError'), 'blocked MemberCrashing', /ConfigError$/],
    ['is being made', waiting(999, 'ContainerCreating'), undefined, /./],
    ['has had its node for less than a minute', scheduled(59.999), undefined, /./],
    [
      'has had its node for a minute',
      scheduled(60),
      'blocked PodStuck',
      /has not been created on node n1; `kubectl describe/,
    ],
    ['runs', scheduled(999, { state: { running: {} } }), undefined, /./],
    ['has just ended', scheduled(999, { state: { terminated: {} } }), undefined, /./],
    ['is between two runs', scheduled(999, { state: {}, lastState: { terminated: {} } }), undefined, /./],
    ['has no node, and nobody says why', starting(999), undefined, /./],
  ])('since it %s', (_sentence, p, found, says) => {
    const finding = said(p);
    expect(finding && `${finding.kind} ${finding.reason}`).toBe(found);
    if (finding !== undefined) expect(finding.message).toMatch(says);
  });

  it('for want of a claim, though none is waiting, or one asks for no class', () => {
    const p = unscheduled(16, 'volume node affinity conflict');
    const { spec: _, ...classless } = claimOf('a', false);
    expect(said(p, [])?.message).toMatch(/affinity conflict; create the StorageClass/);
    expect(said(p, [{ ...claimOf('a', false), status: { phase: 'Bound' } }])?.message).not.toContain('not bound');
    expect(said(p, [classless])?.message).toContain('not bound: data-orders-0 (no StorageClass)');
  });

  it('for a reason of any length is told shortly', () => {
    expect(said(unscheduled(16, 'x'.repeat(9_000)))?.message.length).toBeLessThan(600);
  });

  it('is told of the first by name, whatever their order', () => {
    const second = { ...waiting(16, 'ErrImagePull'), metadata: { name: 'orders-2', creationTimestamp: ago(16) } };
    expect(diagnose(observed({ pods: [second, unscheduled(16, 'no cpu')] }))?.reason).toBe('Unschedulable');
  });
});

describe('the last words of etcd', () => {
  it.each([
    ['{"msg":"a"}\n{"msg":"discovery failed","error":"x"}\n', 'discovery failed: x'],
    ['{"level":"fatal","error":"x"}', 'x'],
    ['{"msg":"no error"}', 'no error'],
    ['{"level":"fatal"}', '{"level":"fatal"}'],
    ['plain\ntext', 'text'],
    ['', ''],
  ])('%j are %j', (text, words) => {
    expect(lastLine(text)).toBe(words);
  });
});
