// SPDX-License-Identifier: Apache-2.0
// Transition times, and the contract that kstatus, Flux and Argo CD rely on.
import { describe, expect, it } from 'vitest';
import { type Condition, conditionsProblem, mergeConditions } from './conditions.ts';

const at = new Date('2026-01-02T03:04:05.678Z');
const draft = (type: string, status: Condition['status'], reason = 'R') => ({
  type,
  status,
  reason,
  message: '',
  observedGeneration: 1,
});
const old = (type: string, status: Condition['status']): Condition => ({
  ...draft(type, status),
  lastTransitionTime: 'then',
});

describe('mergeConditions', () => {
  it('keeps the time while the status is the same, sets it when it changes, drops what is absent', () => {
    const merged = mergeConditions(
      [old('Ready', 'True'), old('Available', 'True'), old('Stalled', 'True')],
      [draft('Ready', 'False'), draft('Available', 'True', 'Other')],
      at,
    );
    expect(merged.map((c) => [c.type, c.reason, c.lastTransitionTime])).toEqual([
      ['Ready', 'R', '2026-01-02T03:04:05Z'],
      ['Available', 'Other', 'then'],
    ]);
  });

  it('makes one line of a message, whatever a pod wrote into it', () => {
    const [merged] = mergeConditions([], [{ ...draft('Ready', 'False'), message: 'it exits:\n\u001b[2Jok' }], at);
    expect(merged?.message).toBe('it exits: [2Jok');
  });
});

const rows: [string, Condition[], string | undefined][] = [
  ['ready', [old('Ready', 'True')], undefined],
  ['at work', [old('Ready', 'False'), old('Reconciling', 'True')], undefined],
  ['stuck', [old('Ready', 'False'), old('Stalled', 'True')], undefined],
  ['no Ready', [old('Available', 'True')], 'Ready is missing'],
  ['Stalled kept as False', [old('Ready', 'True'), old('Stalled', 'False')], 'Stalled is present but False'],
  [
    'both at once',
    [old('Ready', 'False'), old('Reconciling', 'True'), old('Stalled', 'True')],
    'Reconciling and Stalled at once',
  ],
  ['at work and ready', [old('Ready', 'True'), old('Reconciling', 'True')], 'Reconciling is True while Ready is True'],
  [
    'another reason than Ready',
    [old('Ready', 'False'), { ...old('Stalled', 'True'), reason: 'Other' }],
    'Stalled has reason Other, Ready R',
  ],
  [
    'another message than Ready',
    [old('Ready', 'False'), { ...old('Stalled', 'True'), message: 'm' }],
    'Stalled and Ready have different messages',
  ],
  ['ahead of itself', [{ ...old('Ready', 'False'), observedGeneration: 2 }], 'Ready is ahead of observedGeneration'],
  [
    'ready by an old condition',
    [old('Ready', 'True'), { ...old('Available', 'True'), observedGeneration: 0 }],
    'Ready is True while Available is of generation 0',
  ],
  ['unknown without work', [old('Ready', 'Unknown')], 'Ready is Unknown without Reconciling'],
];

describe('conditionsProblem', () => {
  for (const [sentence, conditions, expected] of rows) {
    it(sentence, () => {
      const o = { metadata: { name: 'x', generation: 1 }, status: { observedGeneration: 1, conditions } };
      expect(conditionsProblem(o)).toBe(expected);
    });
  }
});
