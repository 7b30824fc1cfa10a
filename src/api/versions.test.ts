// SPDX-License-Identifier: Apache-2.0
// Tests of what is said about versions of etcd.
import { describe, expect, it } from 'vitest';
import { etcdImage, floorOf, TESTED_VERSIONS, VERSION_PATTERN, versionAdvice, versionRefusal } from './versions.ts';

describe('a version of etcd', () => {
  it.each(TESTED_VERSIONS)('%s is tested: nothing is said against it', (version) => {
    expect(versionRefusal(version)).toBeUndefined();
    expect(versionAdvice(version)).toBeUndefined();
    expect(version).toMatch(new RegExp(VERSION_PATTERN));
  });
  it.each([
    ['3.5.0', /3\.5\.3 members can silently differ.*use 3\.5\.26 or later, best 3\.5\.33/],
    ['3.5.5', /3\.5\.6 a crash during defragmentation/],
    ['3.5.13', /3\.5\.14 the revision can go backwards/],
    ['3.5.22', /3\.5\.23 defragmentation while a snapshot is applied/],
    ['3.5.25', /3\.5\.26 an upgrade to 3\.6 can bring removed members back/],
    ['3.6.4', /3\.6\.5 defragmentation while a snapshot is applied.*use 3\.6\.5 or later, best 3\.6\.16/],
    ['3.4.45', /not supported; use one of 3\.5\.33, 3\.6\.16, 3\.7\.3/],
    ['3.8.0', /not supported/],
    ['4.0.0', /not supported/],
  ])('%s is refused, with the reason and what to use', (version, message) => {
    expect(versionRefusal(version)).toMatch(message);
  });
  it.each(['3.5.26', '3.6.5', '3.7.0', '3.6.99'])('%s is not refused', (version) => {
    expect(versionRefusal(version)).toBeUndefined();
  });
  it.each([
    ['3.5.30', /TLS handshakes.*3\.5\.33 is recommended/],
    ['3.6.13', /TLS handshakes.*3\.6\.16 is recommended/],
    ['3.7.0', /TLS handshakes.*3\.7\.3 is recommended/],
  ])('%s is advised against', (version, message) => {
    expect(versionAdvice(version)).toMatch(message);
  });
  it('has a floor for each minor', () => {
    expect(['3.5', '3.6', '3.7'].map(floorOf)).toEqual(['3.5.26', '3.6.5', '3.7.0']);
  });
  it.each([
    'v3.6.16',
    '3.6',
    '3.6.16-rc.0',
    '3.6.016',
    '3.06.1',
    ' 3.6.16',
    '3.6.16\n',
    '3.4.1',
    '13.6.1',
    '3.6.1000',
    '',
  ])('%j is not a version', (version) => {
    expect(version).not.toMatch(new RegExp(VERSION_PATTERN));
  });
  it('names its image by tag, or by the digest that is pinned', () => {
    expect(etcdImage({ repository: 'example.com/etcd' }, '3.6.16')).toBe('example.com/etcd:v3.6.16');
    expect(etcdImage({ repository: 'example.com/etcd', digest: 'sha256:ab' }, '3.6.16')).toBe(
      'example.com/etcd@sha256:ab',
    );
  });
});
