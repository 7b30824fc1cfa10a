// SPDX-License-Identifier: Apache-2.0
// What is told of a step that failed, and whether the rest of the pass goes on after it.
import { describe, expect, it } from 'vitest';
import { KubeError } from '../runtime/errors.ts';
import { failureAmong, failureOf, heldBy, isAnswered } from './held.ts';
import type { Step } from './rules/rule.ts';

const step = (message: string): Step => ({ action: 'PutChildren', children: [], reason: 'ChildrenRestored', message });

describe('a step that failed', () => {
  it.each<[string, unknown, number | undefined, string | undefined, boolean]>([
    ['refused', new KubeError('Forbidden', 'no', { status: 403 }), undefined, 'AdmissionDenied', true],
    ['whose field the server drops', new KubeError('Invalid', 'keeps nothing of x'), undefined, 'Invalid', true],
    ['by a webhook that is down', new KubeError('Unavailable', 'x', { status: 500 }), undefined, undefined, true],
    ['by it for long', new KubeError('Unavailable', 'x', { status: 500 }), 15_000, 'ReconcileFailed', true],
    ['without an answer', new KubeError('Timeout', 'x'), 15_000, 'ReconcileFailed', false],
    ['for a conflict', new KubeError('Conflict', 'x', { status: 409 }), 15_000, undefined, false],
    ['for a conflict for long', new KubeError('Conflict', 'x', { status: 409 }), 60_000, 'ReconcileFailed', false],
    ['for want of the lease', new KubeError('Fenced', 'x'), 60_000, undefined, false],
    ['for a mistake of ours', new Error('x'), 60_000, undefined, false],
  ])('%s', (_sentence, error, forMs, reason, answered) => {
    expect(failureOf(step('putting back'), error, forMs)?.reason).toBe(reason);
    expect(isAnswered(error)).toBe(answered);
  });

  it('is held by what it does, and the first failure is the one to be tried again', () => {
    const [first, second] = [new Error('first'), new Error('second')];
    const held = [{ step: step('a') }, { step: step('b'), error: first }, { step: step('c'), error: second }];
    expect(['a', 'b', 'd'].map((message) => heldBy(held)(step(message)))).toEqual([true, true, false]);
    expect(failureAmong(held)).toBe(first);
    expect(failureAmong([])).toBeUndefined();
  });
});
