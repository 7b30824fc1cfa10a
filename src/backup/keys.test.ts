// SPDX-License-Identifier: Apache-2.0
// Tests of object names: inside the cluster's own folder, whatever a spec says.
import { assert, property, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clusterPrefix, dataKey, isDataKey, type KeyParts, manifestKey, normalizePrefix } from './keys.ts';

const parts: KeyParts = {
  prefix: 'prod/eu',
  namespace: 'shop',
  cluster: 'orders',
  clusterUid: '6b1f2c34-0d5e-4a6b-9c7d-8e9f0a1b2c3d',
  backupUid: '0f9e8d7c-1111-4222-8333-444455556666',
  created: '2026-11-23T06:31:45Z',
};
const folder = 'prod/eu/shop/orders-6b1f2c34-0d5e-4a6b-9c7d-8e9f0a1b2c3d/';

describe('the names of a backup', () => {
  it('hold namespace, cluster and UID, time, revision and the UID of the backup', () => {
    expect(dataKey(parts, 4211n, 1)).toBe(`${folder}20261123T063145Z-4211-0f9e8d7c.db.zst`);
    expect(manifestKey(parts)).toBe(`${folder}20261123T063145Z-0f9e8d7c.manifest.json`);
  });
  it('differ between attempts for the data, and not for the manifest', () => {
    expect(dataKey(parts, 4211n, 2)).toBe(`${folder}20261123T063145Z-4211-0f9e8d7c.2.db.zst`);
  });
  it('are recognised again, and those of other backups are not', () => {
    expect(isDataKey(parts, dataKey(parts, 7n, 3))).toBe(true);
    expect(isDataKey(parts, manifestKey(parts))).toBe(false);
    expect(isDataKey({ ...parts, backupUid: `1${parts.backupUid.slice(1)}` }, dataKey(parts, 7n, 3))).toBe(false);
    expect(isDataKey({ ...parts, namespace: 'other' }, dataKey(parts, 7n, 3))).toBe(false);
    expect(isDataKey(parts, dataKey({ ...parts, prefix: 'prod/us' }, 7n, 3))).toBe(false);
    expect(isDataKey(parts, dataKey({ ...parts, created: '2026-11-23T06:31:46Z' }, 7n, 3))).toBe(false);
  });
  it.each([
    ['empty', '', ''],
    ['a slash', '/', ''],
    ['slashes at both ends', '/a/b/', 'a/b/'],
  ])('take a prefix: %s', (_, prefix, expected) => {
    expect(normalizePrefix(prefix)).toBe(expected);
  });
  it.each(['../x', 'a/../b', 'a/./b', 'a//b', 'a%2e%2e/b', 'a\0b', 'a\\b', 'ä', 'a b', '..', '.', 'a\nb'])(
    'refuse the prefix %j',
    (prefix) => {
      expect(() => normalizePrefix(prefix)).toThrow(RangeError);
    },
  );
  it('never leave the folder of the cluster', () => {
    expect(() =>
      assert(
        property(string(), (prefix) => {
          try {
            const key = dataKey({ ...parts, prefix }, 1n, 1);
            return (
              key.includes(`shop/orders-${parts.clusterUid}/`) && !key.split('/').includes('..') && !key.startsWith('/')
            );
          } catch (e) {
            return e instanceof RangeError;
          }
        }),
      ),
    ).not.toThrow();
  });
  it('refuse names that are none', () => {
    expect(() => clusterPrefix({ ...parts, namespace: '../other' })).toThrow(RangeError);
    expect(() => clusterPrefix({ ...parts, cluster: 'a/b' })).toThrow(RangeError);
    expect(() => clusterPrefix({ ...parts, clusterUid: 'x' })).toThrow(RangeError);
    expect(() => clusterPrefix({ ...parts, backupUid: '../x' })).toThrow(RangeError);
    expect(() => dataKey({ ...parts, created: 'yesterday' }, 1n, 1)).toThrow(RangeError);
    expect(() => dataKey({ ...parts, prefix: 'p'.repeat(1000) }, 1n, 1)).toThrow(/1024/);
  });
});
