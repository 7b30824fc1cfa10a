// SPDX-License-Identifier: Apache-2.0
// Tests that a cron expression which the API server takes is one that the scheduler reads.
import { Cron } from 'croner';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CRON_PATTERN } from './cron.ts';

const form = new RegExp(CRON_PATTERN);

const FIELDS = [
  [0, 59],
  [0, 23],
  [1, 31],
  [1, 12],
  [0, 7],
] as const;

/** Lists of what may stand in a field and of what may not: steps after anything and beyond every bound. */
function fieldOf([min, max]: readonly [number, number]) {
  const value = fc.integer({ min: Math.max(0, min - 1), max: max + 1 });
  const range = fc.tuple(value, value).map(([a, b]) => `${Math.min(a, b)}-${Math.max(a, b)}`);
  const base = fc.oneof(fc.constant('*'), value.map(String), range);
  const step = fc.option(fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 0, max: 99 })), { nil: undefined });
  const part = fc.tuple(base, step).map(([b, s]) => (s === undefined ? b : `${b}/${s}`));
  return fc.array(part, { minLength: 1, maxLength: 2 }).map((parts) => parts.join(','));
}

describe('a cron expression', () => {
  it.each([
    '* * * * *',
    '0 2 * * *',
    '*/15 * * * *',
    '0 0 1,15 * *',
    '30 4 * JAN-MAR MON',
    '5-10/2 0-23 31 12 0-7',
    '0 0 * * sun,Sat',
    '*/59 */23 */31 */12 */7',
    '0-59/59 0-23/23 1-31/31 JAN-DEC/12 0-7/7',
    '00-05 05 01 01 MON-FRI/2',
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
    '0/15 * * * *',
    '*/70 * * * *',
    '* */24 * * *',
    '* * */32 * *',
    '* * * */13 *',
    '* * * JAN/2 *',
    '* * * * */8',
    '* * * * 1/2',
    '-1 * * * *',
    '@hourly',
    '* * * * FOO',
    '0  2 * * *',
    '0 2 * * *\n',
    '$(x) * * * *',
  ])('is not %j', (expression) => {
    expect(expression).not.toMatch(form);
  });
  it('is read by croner whenever the pattern admits it, unless a range runs backwards', () => {
    const form5 = fc.tuple(...FIELDS.map(fieldOf)).map((fields) => fields.join(' '));
    fc.assert(
      fc.property(form5, (expression) => {
        if (!form.test(expression)) return;
        expect(() => new Cron(expression, { paused: true, mode: '5-part' })).not.toThrow();
      }),
      { numRuns: 3000 },
    );
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
