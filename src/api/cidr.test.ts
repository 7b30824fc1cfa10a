// SPDX-License-Identifier: Apache-2.0
// Tests of ranges of addresses.
import { describe, expect, it } from 'vitest';
import { ipBlock, parseCidr } from './cidr.ts';

describe('a range of addresses', () => {
  it.each([
    ['0.0.0.0/0', 0n, 0],
    ['203.0.113.0/24', 0xcb007100n, 24],
    ['10.0.0.7/32', 0x0a000007n, 32],
    ['::/0', 0n, 0],
    ['2001:db8::/32', 0x20010db8n << 96n, 32],
    ['2001:db8:0:1::/64', (0x20010db8n << 96n) + (1n << 64n), 64],
    ['1:2:3:4:5:6:7:8/128', 0x00010002000300040005000600070008n, 128],
    ['::1/128', 1n, 128],
    ['fe80::/10', 0xfe80n << 112n, 10],
  ])('%s', (text, first, bits) => {
    expect(parseCidr(text)).toMatchObject({ first, bits });
  });
  it.each([
    '',
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.1/8',
    '010.0.0.0/8',
    '10.0.0/8',
    '256.0.0.0/8',
    '2001:db8::1/64',
    '2001:db8::/129',
    '::ffff:10.0.0.0/104',
    'fe80::%eth0/64',
    '10.0.0.0/8\n',
    'example.com/8',
  ])('is not %j', (text) => {
    expect(parseCidr(text)).toBeUndefined();
  });
});

describe('a block with exceptions', () => {
  it.each<[string, string, string[], boolean]>([
    ['a part', '10.0.0.0/8', ['10.1.0.0/16', '10.255.255.255/32'], true],
    ['none', '10.0.0.0/8', [], true],
    ['a part of the other family of addresses', '10.0.0.0/8', ['2001:db8::/32'], false],
    ['all of it', '10.0.0.0/8', ['10.0.0.0/8'], false],
    ['what is beside it', '10.0.0.0/8', ['11.0.0.0/16'], false],
    ['what is around it', '10.0.0.0/16', ['10.0.0.0/8'], false],
    ['a part of IPv6', '2001:db8::/32', ['2001:db8:7::/48'], true],
    ['nothing that can be read', '10.0.0.0/8', ['x'], false],
  ])('%s is taken or refused', (_, cidr, except, taken) => {
    expect(ipBlock().safeParse({ cidr, except }).success).toBe(taken);
  });
});
