// SPDX-License-Identifier: Apache-2.0
// Claims that a formation may make again, and those that it must leave alone.
import { describe, expect, it } from 'vitest';
import { ANNOTATIONS } from '../api/names.ts';
import type { PersistentVolumeClaim } from '../runtime/resources.ts';
import { bound, claimOf, cluster, identity, unsealed } from './fixtures.ts';
import { isReplaceable, misfit } from './replaceable.ts';

const { genesis } = identity;
const asked = (c: PersistentVolumeClaim): PersistentVolumeClaim => ({
  ...c,
  spec: { ...c.spec, accessModes: ['ReadWriteOnce'] },
});
const own = asked(claimOf(genesis, false));
const earlier = asked(claimOf('feed', false));
const named = (c: PersistentVolumeClaim, name: string) => ({ ...c, metadata: { ...c.metadata, name } });
const unmarked = (c: PersistentVolumeClaim) => ({ ...c, metadata: { ...c.metadata, annotations: {} } });
const sized = (c: PersistentVolumeClaim, storage: string): PersistentVolumeClaim => ({
  ...c,
  spec: { ...c.spec, resources: { requests: { storage } } },
});
const unformed = (c: PersistentVolumeClaim, mark: string) => ({
  ...c,
  metadata: { ...c.metadata, annotations: { ...c.metadata.annotations, [ANNOTATIONS.formed]: mark } },
});

describe('a claim of a formation that never finished', () => {
  it.each<[string, PersistentVolumeClaim, 'goes' | 'stays' | 'is told']>([
    ['of this attempt', bound(own, '09:30'), 'stays'],
    ['of this attempt, without a volume', own, 'stays'],
    ['of this attempt, without a volume, of another size', sized(own, '2Gi'), 'goes'],
    ['the same size in other words', sized(own, '1024Mi'), 'stays'],
    ['of this attempt, grown by somebody', bound(sized(own, '2Gi'), '09:30'), 'stays'],
    ['of an earlier attempt, without a volume', earlier, 'goes'],
    ['of an earlier attempt', bound(earlier, '09:30'), 'goes'],
    ['of an earlier attempt in the same second as the EtcdCluster', bound(earlier, '09:00'), 'goes'],
    ['of an earlier attempt, of another size', bound(sized(earlier, '300Mi'), '09:30'), 'goes'],
    ['of a member that is asked for no longer', named(bound(earlier, '09:30'), 'data-orders-3'), 'goes'],
    ['older than the EtcdCluster, with the storage that it asks for', bound(earlier, '08:59'), 'stays'],
    ['older than the EtcdCluster, of another size', bound(sized(earlier, '300Mi'), '08:59'), 'is told'],
    ['of another access mode', bound(claimOf('feed', false), '08:59'), 'is told'],
    ['of a time that nobody knows', { ...bound(earlier, '09:30'), metadata: earlier.metadata }, 'stays'],
    ['made by the StatefulSet controller', bound(unmarked(own), '09:30'), 'stays'],
    ['made by the StatefulSet controller, of another size', bound(unmarked(sized(own, '2Gi')), '09:30'), 'is told'],
    ['the same without a volume', unmarked(sized(own, '2Gi')), 'goes'],
    ['the same of a member that is asked for no longer', named(unmarked(own), 'data-orders-3'), 'goes'],
    ['the same with a volume', named(bound(unmarked(own), '09:30'), 'data-orders-3'), 'stays'],
    ['of another name', named(earlier, 'data-orders-0-clone'), 'stays'],
    ['of a formed cluster', bound(unformed(earlier, 'true'), '09:30'), 'stays'],
    ['of a formed cluster, without a volume', unformed(sized(own, '2Gi'), 'true'), 'stays'],
  ])('%s %s', (_, claim, fate) => {
    const told = misfit(claim, cluster, unsealed) !== undefined;
    const goes = isReplaceable(claim, cluster, unsealed);
    expect(goes ? 'goes' : told ? 'is told' : 'stays').toBe(fate);
    expect(isReplaceable(claim, cluster, identity), 'once the cluster is formed').toBe(false);
    expect(misfit(claim, cluster, identity), 'once the cluster is formed').toBeUndefined();
  });
});
