// SPDX-License-Identifier: Apache-2.0
// Tests that a cron expression which the API server takes is one that the scheduler reads.
import { Cron } from 'croner';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CRON_PATTERN } from './cron.ts';

const form = new RegExp(CRON_PATTERN);

describe('a cron expression', () => {
  it.each([
    '* * * * *',
    '0 2 * * *',
    '*/15 * * * *',
    '0 0 1,15 * *',
    '30 4 * JAN-MAR MON',
    '5-10/2 0-23 31 12 0-7',
    '0 0 * * sun,Sat',
  ])('may be %s, and croner reads it', (expression) => {
    expect(expression).toMatch(form);
    expect(new Cron(expression, { paused: true }).nextRun()).toBeInstanceOf(Date);
  });
  it.each([
    '',
    '* * * *',
    '* * * * * *',
    '60 * * * *',
    '* 24 * * *',
    '* * 0 * *',
    '* * 32 * *',
    '* * * 13 *',
    '* * * * 8',
    '*/0 * * * *',
    '-1 * * * *',
    '@hourly',
    '* * * * FOO',
    '0  2 * * *',
    '0 2 * * *\n',
    '$(x) * * * *',
  ])('is not %j', (expression) => {
    expect(expression).not.toMatch(form);
  });
  it('is judged in time that grows with its length only', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[0-9*,/-]{0,128}$/), (text) => {
        const before = performance.now();
        form.test(text);
        expect(performance.now() - before).toBeLessThan(50);
      }),
      { numRuns: 2000 },
    );
  });
});
