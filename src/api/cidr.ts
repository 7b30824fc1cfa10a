// SPDX-License-Identifier: Apache-2.0
// Ranges of addresses, as a network policy names them; no looser than the API server will be with new policies.
import { isIP } from 'node:net';
import { z } from 'zod';
import { type CelRule, celText, rules } from './fields.ts';

const FORM = '^([0-9.]{7,15}|[0-9A-Fa-f:]{2,39})/(0|[1-9][0-9]{0,2})$';
const SAYS = 'must be a range of addresses without host bits, such as 203.0.113.0/24 or 2001:db8::/64';

interface Range {
  readonly first: bigint;
  readonly bits: number;
  /** Of an address: 32 or 128. */
  readonly width: number;
}

/** Of an address that `isIP` has found right. */
function numberOf(address: string): bigint {
  if (!address.includes(':')) return address.split('.').reduce((n, part) => n * 256n + BigInt(part), 0n);
  const [left, right] = address.split('::').map((half) => half.split(':').filter((group) => group !== ''));
  const zeros = Array.from({ length: 8 - (left?.length ?? 0) - (right?.length ?? 0) }, () => '0');
  return [...(left ?? []), ...zeros, ...(right ?? [])].reduce((n, group) => n * 65_536n + BigInt(`0x${group}`), 0n);
}

/** Undefined for anything that is not a range, and for one with host bits. */
export function parseCidr(text: string): Range | undefined {
  const [address = '', length] = text.split('/');
  const [version, bits] = [isIP(address), Number(length)];
  const width = version === 4 ? 32 : 128;
  if (!new RegExp(FORM).test(text) || version === 0 || bits > width) return undefined;
  const first = numberOf(address);
  return first % 2n ** BigInt(width - bits) === 0n ? { first, bits, width } : undefined;
}

const isPartOf = (part: Range, whole: Range): boolean =>
  part.width === whole.width &&
  part.bits > whole.bits &&
  part.first >> BigInt(whole.width - whole.bits) === whole.first >> BigInt(whole.width - whole.bits);

const isRange: CelRule = {
  rule: `!self.matches(${celText(FORM)}) || (isCIDR(self) && cidr(self) == cidr(self).masked())`,
  message: SAYS,
  reason: 'FieldValueInvalid',
};
const cidr = () =>
  z
    .string()
    .min(1)
    .max(43)
    .regex(new RegExp(FORM), SAYS)
    .refine((text) => parseCidr(text) !== undefined, SAYS)
    .meta({ 'x-quorate-says': SAYS, ...rules(isRange) });

/** By first addresses and lengths: `containsCIDR` answers wrongly in Kubernetes 1.31. */
const exceptions: CelRule = {
  rule: '!isCIDR(self.cidr) || !has(self.except) || self.except.all(e, !isCIDR(e) || (cidr(self.cidr).containsIP(cidr(e).ip()) && cidr(e).prefixLength() > cidr(self.cidr).prefixLength()))',
  message: 'except must hold only ranges within cidr, and smaller than it',
  reason: 'FieldValueInvalid',
};

/** Kubernetes' IPBlock. */
export const ipBlock = () =>
  z
    .object({
      cidr: cidr().describe('Range of addresses, such as 203.0.113.0/24.'),
      except: z.array(cidr()).max(16).optional().describe('Ranges within it that are left out.'),
    })
    .refine(({ cidr: text, except = [] }) => {
      const whole = parseCidr(text);
      const parts = except.map(parseCidr);
      return parts.every((part) => whole === undefined || part === undefined || isPartOf(part, whole));
    }, exceptions.message)
    .meta(rules(exceptions));
