// SPDX-License-Identifier: Apache-2.0
// The cache as our own writes make it: never older than what we know.
import { beforeEach, describe, expect, it } from 'vitest';
import type { EtcdCluster } from '../api/cluster.ts';
import { LABELS } from '../api/names.ts';
import { etcdClusters } from '../api/resources.ts';
import { type Service, services } from '../runtime/resources.ts';
import { OwnWrites } from './ownwrites.ts';

const service = (uid: string, resourceVersion: string, deletionTimestamp?: string): Service => ({
  metadata: {
    namespace: 'shop',
    name: 'orders-0',
    labels: { [LABELS.cluster]: 'orders' },
    uid,
    resourceVersion,
    ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
  },
});
const ref = { namespace: 'shop', name: 'orders-0' };
const [first, written, leaving] = [service('a', '5'), service('a', '7'), service('a', '9', '2026-11-23T00:00:00Z')];

describe('own writes', () => {
  let now = 0;
  let own = new OwnWrites(() => now);
  const seen = (cached: Service | undefined) => own.newest(services, ref, cached);
  beforeEach(() => {
    now = 0;
    own = new OwnWrites(() => now);
  });

  it('stand for what the watch has not shown yet', () => {
    own.note(services, written);
    expect(seen(undefined)).toBe(written);
    expect(seen(first)).toBe(written);
    const newer = service('a', '8');
    expect(seen(newer)).toBe(newer);
    expect(seen(undefined), 'once shown, the watch alone is believed').toBeUndefined();
  });

  it('end when the watch shows them, so that a deletion right after is believed at once', () => {
    own.note(services, written);
    own.shown(services, { before: undefined, after: first });
    expect(seen(undefined), 'an older state is not what we wrote').toBe(written);
    own.shown(services, { before: first, after: written });
    expect(seen(undefined)).toBeUndefined();
  });

  it('end when the watch shows the deletion of that object, and not of an earlier one of the name', () => {
    own.note(services, written);
    own.shown(services, { before: service('b', '3'), after: undefined });
    expect(seen(undefined)).toBe(written);
    own.shown(services, { before: first, after: undefined });
    expect(seen(undefined)).toBeUndefined();
  });

  it('answered only after the watch has shown their end count for nothing, unless the object came back', () => {
    own.shown(services, { before: written, after: undefined });
    own.note(services, written);
    expect(seen(undefined)).toBeUndefined();
    const relabelled = service('a', '9');
    own.note(services, relabelled);
    expect(seen(undefined)).toBe(relabelled);
    own.shown(services, { before: service('b', '6'), after: undefined });
    own.note(services, service('c', '5'));
    expect(seen(undefined), 'of another object').toEqual(service('c', '5'));
  });

  it('answered late count again once nobody remembers their end', () => {
    own.shown(services, { before: written, after: undefined });
    now = 7_000;
    own.shown(services, { before: service('b', '8'), after: undefined });
    own.note(services, written);
    expect(seen(undefined), 'while it is remembered').toBeUndefined();
    now = 7_001;
    own.shown(services, { before: service('c', '9'), after: undefined });
    own.note(services, written);
    expect(seen(undefined)).toBe(written);
  });

  it('that the watch does not show tell when it will be believed', () => {
    expect(own.dueInMs('shop', 'orders')).toBe(Number.POSITIVE_INFINITY);
    own.note(services, written);
    now = 2_000;
    expect(own.dueInMs('shop', 'orders')).toBe(5_001);
    expect(own.dueInMs('shop', 'others')).toBe(Number.POSITIVE_INFINITY);
    now += own.dueInMs('shop', 'orders');
    expect(own.dueInMs('shop', 'orders'), 'and never again').toBe(Number.POSITIVE_INFINITY);
    expect(seen(undefined)).toBeUndefined();
  });

  it('that the watch never shows were undone by somebody', () => {
    own.note(services, written);
    now = 10_001;
    expect(seen(undefined)).toBeUndefined();
  });

  it('are never given up for an older state of the same object, however long the watch is silent', () => {
    own.note(services, written);
    now = 1_000_000;
    expect(seen(first)).toBe(written);
    expect(seen(service('b', '6')), 'another object of the name').toEqual(service('b', '6'));
  });

  it('stand before an earlier object of the name, for as long as they are trusted', () => {
    own.note(services, written);
    expect(seen(service('b', '6'))).toBe(written);
    now = 7_000;
    expect(seen(service('b', '6'))).toBe(written);
    now = 7_001;
    expect(seen(service('b', '6'))).toEqual(service('b', '6'));
  });

  it('of a cluster that is gone are forgotten, and those of its namesake elsewhere are not', () => {
    own.note(services, written);
    own.forgetCluster('farm', 'orders');
    expect(seen(undefined)).toBe(written);
    own.forgetCluster('shop', 'orders');
    expect(seen(undefined)).toBeUndefined();
  });

  it('are forgotten with the cluster itself, which carries no label of ours', () => {
    const object = { metadata: { namespace: 'shop', name: 'orders', uid: 'u', resourceVersion: '3' } } as EtcdCluster;
    own.note(etcdClusters, object);
    expect(own.newest(etcdClusters, object.metadata, undefined)).toBe(object);
    own.forgetCluster('shop', 'orders');
    expect(own.newest(etcdClusters, object.metadata, undefined)).toBeUndefined();
  });

  it('of a cluster that goes on are kept when one goes that is named as its object', () => {
    own.note(services, written);
    own.forgetCluster('shop', 'orders-0');
    expect(seen(undefined)).toBeDefined();
  });

  it('end with the deletion of their object', () => {
    own.note(services, written);
    own.noteGone(services, written);
    expect(seen(undefined)).toBeUndefined();
  });

  it('hide what they deleted, and never its successor', () => {
    own.noteGone(services, first);
    now = 7_000;
    expect(seen(first)).toBeUndefined();
    expect(own.current(services, [first])).toEqual([]);
    const successor = service('b', '6');
    expect(seen(successor)).toBe(successor);
    now = 7_001;
    expect(seen(first)).toBe(first);
  });

  it('show what is about to go until it is gone', () => {
    own.note(services, leaving);
    expect(seen(first)).toBe(leaving);
    expect(seen(undefined)).toBeUndefined();
  });
});
