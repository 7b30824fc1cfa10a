// SPDX-License-Identifier: Apache-2.0
// Tests of the addresses that a backup may connect to.
import { describe, expect, it } from 'vitest';
import { apiServerAddresses, EgressGuard } from './egress.ts';

describe('the egress guard', () => {
  const guard = new EgressGuard({ refuse: ['10.96.0.1'] });
  it.each([
    ['loopback', '127.0.0.1'],
    ['the rest of loopback', '127.9.9.9'],
    ['loopback in IPv6', '::1'],
    ['unspecified', '0.0.0.0'],
    ['unspecified in IPv6', '::'],
    ['the metadata service', '169.254.169.254'],
    ['the metadata service in IPv6', 'fd00:ec2::254'],
    ['link-local in IPv6', 'fe80::1'],
    ['link-local with a zone', 'fe80::1%eth0'],
    ['metadata, mapped', '::ffff:169.254.169.254'],
    ['metadata, mapped in hex', '::ffff:a9fe:a9fe'],
    ['loopback, compatible', '::127.0.0.1'],
    ['metadata through NAT64', '64:ff9b::a9fe:a9fe'],
    ['loopback through 6to4', '2002:7f00:1::'],
    ['multicast', '224.0.0.1'],
    ['broadcast', '255.255.255.255'],
    ['the API server', '10.96.0.1'],
    ['a cloud metadata address', '100.100.100.200'],
    ['not an address', 'fe80:::1:'],
  ])('refuses %s', (_, address) => {
    expect(guard.allows(address)).toBe(false);
  });
  it.each([
    '10.0.0.7',
    '192.168.1.1',
    '198.18.16.9',
    '52.95.110.1',
    '2600:1f00::1',
    '2600:7f00:1::',
    '64:7f00::7f00:1',
    '64:ff9b::a00:7',
    'fd12:3456::1',
    '::ffff:10.0.0.7',
    '1:2:3:4:5:6:7:8',
  ])('allows %s', (address) => {
    expect(guard.allows(address)).toBe(true);
  });
  it('refuses a range, in both families', () => {
    const ranges = new EgressGuard({ refuse: ['10.96.0.0/12', 'fd00:10:96::/112'] });
    const given = ['10.96.0.1', '10.111.255.255', '10.112.0.0', 'fd00:10:96::1', 'fd00:10:96::1:1'];
    expect(given.map((address) => ranges.allows(address))).toEqual([false, false, true, false, true]);
  });
  it('refuses what an address carries inside, though the address itself is none of those', () => {
    const own = new EgressGuard({ refuse: ['10.96.0.1'] });
    for (const address of ['::ffff:10.96.0.1', '::10.96.0.1', '64:ff9b::10.96.0.1', '2002:a60:1::'])
      expect(own.allows(address), address).toBe(false);
  });
  it('refuses a host that is an address, with or without brackets, and leaves names to the look-up', () => {
    expect(() => guard.checkHost('[::1]')).toThrow(/may not connect/);
    expect(() => guard.checkHost('127.0.0.1')).toThrow(/may not connect/);
    expect(() => guard.checkHost('s3.example.com')).not.toThrow();
  });
  it.each(['2130706433', '0x7f000001', '0177.0.0.1', '127.1'])('sees through %s, as a URL writes it', (host) => {
    expect(() => guard.checkHost(new URL(`http://${host}/`).hostname)).toThrow(/may not connect/);
  });
  it('judges what a name resolves to at the moment of connecting', async () => {
    const error = await new Promise((resolve) => guard.lookup('localhost', {}, resolve));
    expect(error).toMatchObject({ reason: 'EndpointForbidden' });
    const allowed = new EgressGuard({ allow: ['127.0.0.0/8', '::1'] });
    await expect(new Promise((resolve) => allowed.lookup('localhost', { all: true }, resolve))).resolves.toBeNull();
    const one = await new Promise((resolve) => allowed.lookup('localhost', {}, (_error, address) => resolve(address)));
    expect(['127.0.0.1', '::1']).toContain(one);
  });
  it.each([
    ['10.96.0.1', ['10.96.0.1']],
    ['fd00:10:96::1', ['fd00:10:96::1']],
    ['kubernetes.example.com', []],
    [undefined, []],
  ])('takes the API server %s for %j', (host, expected) => {
    expect(apiServerAddresses(host)).toEqual(expected);
    expect(() => new EgressGuard({ refuse: apiServerAddresses(host) })).not.toThrow();
  });
  it('refuses ranges that are none', () => {
    for (const range of ['everything', '10.0.0.0/8x', '10.0.0.0/', '10.0.0.0/1000'])
      expect(() => new EgressGuard({ allow: [range] }), range).toThrow(RangeError);
  });
});
