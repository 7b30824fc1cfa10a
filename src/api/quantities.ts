// SPDX-License-Identifier: Apache-2.0
// Reads Kubernetes quantities and Go durations.

/** Units in billionths, the finest that Kubernetes keeps. */
const NANO: Record<string, bigint> = {
  n: 1n,
  u: 1000n,
  m: 1000n ** 2n,
  '': 1000n ** 3n,
  k: 1000n ** 4n,
  M: 1000n ** 5n,
  G: 1000n ** 6n,
  T: 1000n ** 7n,
  P: 1000n ** 8n,
  E: 1000n ** 9n,
  Ki: 1000n ** 3n * 1024n,
  Mi: 1000n ** 3n * 1024n ** 2n,
  Gi: 1000n ** 3n * 1024n ** 3n,
  Ti: 1000n ** 3n * 1024n ** 4n,
  Pi: 1000n ** 3n * 1024n ** 5n,
  Ei: 1000n ** 3n * 1024n ** 6n,
};

/** In billionths, rounded up; every form that the API server writes, which rewrites `1.1Gi` as `1181116006400m`. */
export function quantityNanos(text: string): bigint | undefined {
  const form = /^([0-9]{1,30})(?:\.([0-9]{1,9}))?(?:([A-Za-z]{0,2})|[eE]([+-]?[0-9]{1,2}))$/;
  const [, whole, decimals = '', unit = '', exponent] = form.exec(text) ?? [];
  if (whole === undefined) return undefined;
  const power = 9 + Number(exponent ?? 0);
  const scale = exponent === undefined ? NANO[unit] : power < 0 ? undefined : 10n ** BigInt(power);
  if (scale === undefined) return undefined;
  return (BigInt(whole + decimals.padEnd(9, '0')) * scale + 999_999_999n) / 1_000_000_000n;
}

/** Bytes as a spec may write them: a number with at most three decimals and a unit. RE2-safe. */
export const QUANTITY_PATTERN = '^[0-9]{1,15}(\\.[0-9]{1,3})?(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$';
const QUANTITY = new RegExp(QUANTITY_PATTERN);

/** Whole bytes, rounded up as Kubernetes does. Throws RangeError on anything that is not such a quantity. */
export function quantityBytes(text: string): bigint {
  const nanos = QUANTITY.test(text) ? quantityNanos(text) : undefined;
  if (nanos === undefined) throw new RangeError(`${text} is not a quantity such as 512Mi or 10Gi`);
  return (nanos + 999_999_999n) / 1_000_000_000n;
}

const MILLISECONDS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/**
 * Durations of whole milliseconds such as `100ms`, `1.5s`, `5m`, `1h30m`; as many digits as keep four terms within Go's
 * 64 bits of nanoseconds. RE2-safe.
 */
export const DURATION_PATTERN =
  '^([0-9]{1,9}ms|[0-9]{1,9}(\\.[0-9]{1,3})?s|[0-9]{1,7}(\\.[0-9]{1,3})?m|[0-9]{1,5}(\\.[0-9]{1,3})?h){1,4}$';
const DURATION = new RegExp(DURATION_PATTERN);

/** Whole milliseconds. Throws RangeError on anything that is not such a duration. */
export function durationMs(text: string): number {
  if (!DURATION.test(text)) throw new RangeError(`${text} is not a duration such as 100ms, 5s or 1h30m`);
  let total = 0;
  for (const [, number, unit] of text.matchAll(/([0-9.]+)(ms|s|m|h)/g)) {
    total += Number(number) * (MILLISECONDS[unit as string] as number);
  }
  return Math.round(total);
}
