// SPDX-License-Identifier: Apache-2.0
// Decides which addresses a backup may connect to: never this machine, its neighbours on the link, or the metadata services.
import { lookup as dnsLookup, type LookupAddress } from 'node:dns';
import { BlockList, isIP, isIPv4, type LookupFunction } from 'node:net';
import { BackupError } from '../failures.ts';

const REFUSED: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['192.0.0.0', 24],
  ['224.0.0.0', 3],
  ['100.100.100.200', 32],
  ['168.63.129.16', 32],
  ['::', 127],
  ['fe80::', 10],
  ['ff00::', 8],
  ['fd00:ec2::', 32],
  ['fd20:ce::', 32],
];

export class EgressGuard {
  readonly #refused = new BlockList();
  readonly #allowed = new BlockList();

  /**
   * `allow`: CIDRs that are permitted in spite of the list; the operator sets none, tests on loopback do.
   * `refuse`: more addresses, such as the API server's. Throws RangeError for what is no address.
   */
  constructor(o: { allow?: readonly string[]; refuse?: readonly string[] } = {}) {
    for (const [address, bits] of REFUSED) this.#refused.addSubnet(address, bits, family(address));
    for (const cidr of o.refuse ?? []) add(this.#refused, cidr);
    for (const cidr of o.allow ?? []) add(this.#allowed, cidr);
  }

  allows(address: string): boolean {
    return embedded(address).every((a) => this.#allowed.check(a, family(a)) || !this.#refused.check(a, family(a)));
  }

  /** For hosts that are addresses already, which are never looked up. Throws BackupError. */
  checkHost(host: string): void {
    const bare = host.replace(/^\[|\]$/g, '');
    if (isIP(bare) !== 0 && !this.allows(bare)) throw forbidden(bare);
  }

  /** Used for the connection itself: what was judged is what is connected to, so a name cannot rebind in between. */
  readonly lookup: LookupFunction = (hostname, options, callback) => {
    dnsLookup(hostname, { ...options, all: true }, (error, addresses: LookupAddress[]) => {
      if (error !== null) return callback(error, '');
      const bad = addresses.find((a) => !this.allows(a.address));
      if (bad !== undefined) return callback(Object.assign(forbidden(hostname), { code: 'EFORBIDDEN' }), '');
      if (options.all === true) return callback(null, addresses);
      const first = addresses[0] as LookupAddress;
      return callback(null, first.address, first.family);
    });
  };
}

/** Almost always an address. A name, as some platforms set, is left alone: it may stand for others than the API server. */
export const apiServerAddresses = (host: string | undefined): string[] =>
  host === undefined || isIP(host) === 0 ? [] : [host];

const forbidden = (host: string): BackupError =>
  new BackupError(
    'EndpointForbidden',
    `the endpoint ${host} is, or resolves to, an address that backups may not connect to`,
  );

const family = (address: string): 'ipv4' | 'ipv6' => (isIPv4(address) ? 'ipv4' : 'ipv6');

function add(list: BlockList, cidr: string): void {
  const [address = '', bits] = cidr.split('/');
  if (isIP(address) === 0 || (bits !== undefined && !/^\d{1,3}$/.test(bits)))
    throw new RangeError(`${cidr} is no address range`);
  list.addSubnet(address, bits === undefined ? (isIPv4(address) ? 32 : 128) : Number(bits), family(address));
}

const v4 = (hi: number, lo: number): string => [hi >> 8, hi & 255, lo >> 8, lo & 255].join('.');

/** The address, and the IPv4 address inside it if it is one of the forms that carry one (mapped, NAT64, 6to4). */
function embedded(address: string): string[] {
  if (isIPv4(address)) return [address];
  const zone = address.indexOf('%');
  const groups = expand(zone < 0 ? address : address.slice(0, zone));
  if (groups === undefined) return ['0.0.0.0'];
  const full = groups.map((g) => g.toString(16)).join(':');
  const [a = 0, b = 0, c = 0, , , f = 0, g = 0, h = 0] = groups;
  if (groups.slice(0, 5).every((x) => x === 0) && f === 0xffff) return [v4(g, h)];
  if (groups.slice(0, 6).every((x) => x === 0) && g !== 0) return [full, v4(g, h)];
  if (a === 0x64 && b === 0xff9b) return [full, v4(g, h)];
  if (a === 0x2002) return [full, v4(b, c)];
  return [full];
}

const parseGroups = (s: string): number[] => (s === '' ? [] : s.split(':').map((x) => Number.parseInt(x, 16)));

function expand(address: string): number[] | undefined {
  let text = address;
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  if (dotted !== null) {
    const [, head = '', ...bytes] = dotted;
    const [p = 0, q = 0, r = 0, s = 0] = bytes.map(Number);
    text = `${head}${((p << 8) | q).toString(16)}:${((r << 8) | s).toString(16)}`;
  }
  const [left = '', right] = text.split('::');
  const [head, tail] = [parseGroups(left), parseGroups(right ?? '')];
  const middle = right === undefined ? [] : Array<number>(Math.max(0, 8 - head.length - tail.length)).fill(0);
  const groups = [...head, ...middle, ...tail];
  return groups.length === 8 && groups.every((n) => n >= 0 && n <= 0xffff) ? groups : undefined;
}
