// SPDX-License-Identifier: Apache-2.0
// Reads Kubernetes quantities and Go durations.

const UNITS: Record<string, bigint> = {
  '': 1n,
  k: 1000n,
  M: 1000n ** 2n,
  G: 1000n ** 3n,
  T: 1000n ** 4n,
  P: 1000n ** 5n,
  E: 1000n ** 6n,
  Ki: 1024n,
  Mi: 1024n ** 2n,
  Gi: 1024n ** 3n,
  Ti: 1024n ** 4n,
  Pi: 1024n ** 5n,
  Ei: 1024n ** 6n,
}; // prettier-ignore

/** Quantities of whole bytes that a spec may name: a number with at most three decimals and a unit. RE2-safe. */
export const QUANTITY_PATTERN = '^[0-9]{1,18}(\\.[0-9]{1,3})?(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$';

/** Bytes, rounded up. Throws RangeError on anything that is not a quantity. */
export function quantityBytes(text: string | number): bigint {
  const m = /^([0-9]{1,18})(?:\.([0-9]{1,3}))?([A-Za-z]*)$/.exec(String(text));
  const unit = m === null ? undefined : UNITS[m[3] ?? ''];
  if (m === null || unit === undefined) throw new RangeError(`${text} is not a quantity such as 512Mi or 10Gi`);
  const thousandths = BigInt(m[1] as string) * 1000n + BigInt((m[2] ?? '').padEnd(3, '0') || '0');
  return (thousandths * unit + 999n) / 1000n;
}

const DURATIONS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Durations such as `100ms`, `1.5s`, `5m`, `1h30m`. RE2-safe. */
export const DURATION_PATTERN = '^([0-9]{1,9}(\\.[0-9]{1,3})?(ms|s|m|h)){1,4}$';

/** Whole milliseconds. Throws RangeError on anything that is not a duration. */
export function durationMs(text: string): number {
  if (!new RegExp(DURATION_PATTERN).test(text))
    throw new RangeError(`${text} is not a duration such as 100ms, 5s or 1h30m`);
  let total = 0;
  for (const [, number, unit] of text.matchAll(/([0-9.]+)(ms|s|m|h)/g))
    total += Number(number) * (DURATIONS[unit as string] as number);
  return Math.round(total);
}
