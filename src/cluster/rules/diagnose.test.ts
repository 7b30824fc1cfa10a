// SPDX-License-Identifier: Apache-2.0
// Pods that the API server refuses: the same trouble is the same text, with its own remedy.
import { describe, expect, it } from 'vitest';
import { observed } from '../fixtures.ts';
import { diagnose } from './diagnose.ts';

const failed = (pod: string, why: string) =>
  `create Pod ${pod} in StatefulSet orders failed error: pods "${pod}" is forbidden: ${why}`;
const said = (podsRefused: string) => diagnose(observed({ podsRefused }))?.message;

describe('pods that are refused', () => {
  it.each([
    ['exceeded quota: q, used: pods=0', /^pods cannot be created: exceeded quota: q, used: pods=0; raise the quota/],
    ['no PriorityClass with name x was found', /no PriorityClass with name x was found; create the PriorityClass/],
    ['violates PodSecurity "restricted:latest"', /; change the policy/],
  ])('%s', (why, says) => {
    expect(said(failed('orders-0', why))).toMatch(says);
    expect(said(failed('orders-2', why)), 'whichever pod it was').toBe(said(failed('orders-0', why)));
  });
});
