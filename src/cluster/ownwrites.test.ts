// SPDX-License-Identifier: Apache-2.0
import { beforeEach, describe, expect, it } from 'vitest';
import { type Service, services } from '../runtime/resources.ts';
import { OwnWrites } from './ownwrites.ts';

const service = (uid: string, resourceVersion: string, deletionTimestamp?: string): Service => ({
  metadata: {
    namespace: 'shop',
    name: 'orders',
    uid,
    resourceVersion,
    ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
  },
});
const ref = { namespace: 'shop', name: 'orders' };
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

  it('that the watch never shows were undone by somebody', () => {
    own.note(services, written);
    now = 10_001;
    expect(seen(undefined)).toBeUndefined();
  });

  it('hide what they deleted, and never its successor', () => {
    own.noteGone(services, first);
    expect(seen(first)).toBeUndefined();
    expect(own.current(services, [first])).toEqual([]);
    const successor = service('b', '6');
    expect(seen(successor)).toBe(successor);
    now = 10_001;
    expect(seen(first)).toBe(first);
  });

  it('show what is about to go until it is gone', () => {
    own.note(services, leaving);
    expect(seen(first)).toBe(leaving);
    expect(seen(undefined)).toBeUndefined();
  });
});
