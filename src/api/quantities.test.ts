// SPDX-License-Identifier: Apache-2.0
// Tests of quantities and durations.
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DURATION_PATTERN, durationMs, QUANTITY_PATTERN, quantityBytes, quantityNanos } from './quantities.ts';

describe('a quantity', () => {
  it.each([
    ['a plain number', '0', 0n],
    ['a plain number', '1536', 1536n],
    ['binary', '1Ki', 1024n],
    ['binary', '2Gi', 2n ** 31n],
    ['decimal', '1k', 1000n],
    ['decimal', '10G', 10_000_000_000n],
    ['with decimals', '1.5Gi', 1_610_612_736n],
    ['with decimals that do not come out even, rounded up', '0.001Ki', 2n],
    ['larger than a double holds exactly', '999999999999999Pi', 999_999_999_999_999n * 2n ** 50n],
  ])('%s: %s', (_, text, bytes) => {
    expect(quantityBytes(text)).toBe(bytes);
  });
  it.each([
    '',
    ' ',
    '-1',
    '+1',
    '1 Gi',
    '1gi',
    '1GiB',
    'Gi',
    '1e3',
    '0x10',
    '1,5Gi',
    '1.Gi',
    '.5Gi',
    '1.0001Gi',
    '1Gi\n',
    '１',
    'NaN',
  ])('is not %j', (text) => {
    expect(() => quantityBytes(text)).toThrow(RangeError);
  });
  it('grows with its number, whatever the unit', () => {
    const unit = fc.constantFrom('', 'k', 'M', 'G', 'T', 'P', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi');
    const number = fc.integer({ min: 0, max: 999_999_999 });
    fc.assert(
      fc.property(number, unit, (n, u) => {
        expect(quantityBytes(`${n}${u}`)).toBeLessThan(quantityBytes(`${n + 1}${u}`));
        expect(quantityBytes(`${n}${u}`)).toBe(quantityBytes(`${n}.000${u}`));
      }),
    );
  });
  it('is either read or refused, for any text, and as its pattern says', () => {
    const form = new RegExp(QUANTITY_PATTERN);
    fc.assert(
      fc.property(fc.string(), (text) => {
        if (form.test(text)) return quantityBytes(text) >= 0n;
        expect(() => quantityBytes(text)).toThrow(RangeError);
        return true;
      }),
    );
  });
});

describe('a quantity of a live object', () => {
  const same = (a: string, b: string) => expect([a, quantityNanos(a)]).toEqual([a, quantityNanos(b)]);
  it.each([
    ['1181116006400m', '1.1Gi'],
    ['100m', '0.1'],
    ['1u', '0.000001'],
    ['1n', '0.000000001'],
    ['1e3', '1k'],
    ['12E3', '12k'],
    ['15e-1', '1500m'],
    ['1E', '1000P'],
    ['2Ei', '2048Pi'],
    ['1024Mi', '1Gi'],
    ['134217728', '128Mi'],
  ])('%s is %s', same);
  it.each(['', 'x', '-1', '1 Gi', '1GiB', '1e', '1e999', '.5', '1.', 'NaN', '0x10', '1ei'])('is not %j', (text) => {
    expect(quantityNanos(text)).toBeUndefined();
  });
});

describe('a duration', () => {
  it.each([
    ['0s', 0],
    ['100ms', 100],
    ['1s', 1000],
    ['1.5s', 1500],
    ['5m', 300_000],
    ['1h30m', 5_400_000],
    ['1h1m1s1ms', 3_661_001],
    ['0.001s', 1],
  ])('%s', (text, ms) => {
    expect(durationMs(text)).toBe(ms);
  });
  it.each([
    '',
    '1',
    '-1s',
    '1d',
    '1 s',
    '1.5ms',
    '1us',
    '1ns',
    '0.0001s',
    '1s ',
    's',
    '1h30',
    '1sm',
    '9999999999s',
    '1s1s1s1s1s',
  ])('is not %j', (text) => {
    expect(() => durationMs(text)).toThrow(RangeError);
  });
  it('adds up', () => {
    const part = fc.integer({ min: 0, max: 9999 });
    fc.assert(
      fc.property(part, part, part, part, (h, m, s, ms) => {
        expect(durationMs(`${h}h${m}m${s}s${ms}ms`)).toBe(h * 3_600_000 + m * 60_000 + s * 1000 + ms);
      }),
    );
  });
  it('stays within what Go can hold', () => {
    const most = durationMs('99999.999h99999.999h99999.999h99999.999h');
    expect(BigInt(most) * 1_000_000n).toBeLessThan(2n ** 63n);
    expect(BigInt(durationMs('999999999s999999999s999999999s999999999s')) * 1_000_000n).toBeLessThan(2n ** 63n);
  });
  it('is either read or refused, for any text, and as its pattern says', () => {
    const form = new RegExp(DURATION_PATTERN);
    fc.assert(
      fc.property(fc.string(), (text) => {
        if (form.test(text)) expect(Number.isSafeInteger(durationMs(text))).toBe(true);
        else expect(() => durationMs(text)).toThrow(RangeError);
      }),
    );
  });
});
