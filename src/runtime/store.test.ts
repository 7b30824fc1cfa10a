// SPDX-License-Identifier: Apache-2.0
// What the cache tells its listeners for each thing that a watch can show.
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import type { KubeObject } from './json.ts';
import { ObjectStore } from './store.ts';

const object = (name: string, uid: string, version: number): KubeObject => ({
  metadata: { name, namespace: 'ns', uid, resourceVersion: String(version) },
});
const text = (o: KubeObject | undefined): string =>
  o === undefined ? '-' : `${o.metadata.uid}@${o.metadata.resourceVersion}`;

function watched() {
  const store = new ObjectStore<KubeObject>(() => undefined);
  const told: string[] = [];
  store.expect('');
  store.onChange(({ before, after }) => told.push(`${text(before)} → ${text(after)}`));
  return { store, told };
}

const rows: { sentence: string; act: (s: ObjectStore<KubeObject>) => void; told: string[] }[] = [
  { sentence: 'a new object is told once', act: (s) => s.upsert(object('a', 'u1', 1)), told: ['- → u1@1'] },
  {
    sentence: 'the same version again is no news',
    act: (s) => [1, 1].forEach((v) => s.upsert(object('a', 'u1', v))),
    told: ['- → u1@1'],
  },
  {
    sentence: 'an older version from a stale server is ignored',
    act: (s) => [9, 3].forEach((v) => s.upsert(object('a', 'u1', v))),
    told: ['- → u1@9'],
  },
  {
    sentence: 'versions are numbers, not text',
    act: (s) => [9, 10].forEach((v) => s.upsert(object('a', 'u1', v))),
    told: ['- → u1@9', 'u1@9 → u1@10'],
  },
  {
    sentence: 'delete and recreate in a gap is two objects',
    act: (s) => {
      s.upsert(object('a', 'u1', 5));
      s.upsert(object('a', 'u2', 8));
    },
    told: ['- → u1@5', 'u1@5 → -', '- → u2@8'],
  },
  {
    sentence: 'an earlier object of the name, shown by a stale server, does not replace the living one',
    act: (s) => {
      s.upsert(object('a', 'u2', 8));
      s.upsert(object('a', 'u1', 5));
    },
    told: ['- → u2@8'],
  },
  {
    sentence: 'a late delete of the old one does not remove its successor',
    act: (s) => {
      s.upsert(object('a', 'u2', 8));
      s.remove(object('a', 'u1', 6));
    },
    told: ['- → u2@8'],
  },
  {
    sentence: 'the end of an object is told',
    act: (s) => {
      s.upsert(object('a', 'u1', 5));
      s.remove(object('a', 'u1', 6));
      s.remove(object('a', 'u1', 6));
    },
    told: ['- → u1@5', 'u1@5 → -'],
  },
  {
    sentence: 'a relist of its namespace tells what is gone',
    act: (s) => {
      s.upsert(object('a', 'u1', 5));
      s.replace('ns', []);
    },
    told: ['- → u1@5', 'u1@5 → -'],
  },
  {
    sentence: 'a relist tells only differences',
    act: (s) => {
      s.replace('', [object('a', 'u1', 1), object('b', 'u2', 2)]);
      s.replace('', [object('a', 'u1', 1)]);
    },
    told: ['- → u1@1', '- → u2@2', 'u2@2 → -'],
  },
  {
    sentence: 'a relist keeps what it knows in a newer version',
    act: (s) => {
      s.replace('', [object('a', 'u1', 9)]);
      s.replace('', [object('a', 'u1', 7)]);
    },
    told: ['- → u1@9'],
  },
  {
    sentence: 'when the API server was set back, older versions count',
    act: (s) => {
      s.replace('', [object('a', 'u1', 9), object('b', 'u2', 8)]);
      s.replace('', [object('a', 'u1', 7)], true);
    },
    told: ['- → u1@9', '- → u2@8', 'u1@9 → u1@7', 'u2@8 → -'],
  },
  {
    sentence: 'a relist of one namespace leaves the others',
    act: (s) => {
      s.upsert({ metadata: { name: 'x', namespace: 'other', uid: 'u9', resourceVersion: '1' } });
      s.replace('ns', []);
    },
    told: ['- → u9@1'],
  },
];

describe('object store', () => {
  for (const row of rows) {
    it(row.sentence, () => {
      const { store, told } = watched();
      row.act(store);
      expect(told).toEqual(row.told);
    });
  }

  it('has what it was shown, by name and by namespace, and nothing that is gone', () => {
    const { store } = watched();
    const [a, b] = [object('a', 'u1', 1), { metadata: { ...object('b', 'u2', 1).metadata, namespace: 'other' } }];
    store.replace('', [a, b]);
    expect(store.list().map((o) => o.metadata.name)).toEqual(['a', 'b']);
    expect(store.list('other').map((o) => o.metadata.name)).toEqual(['b']);
    store.remove(object('a', 'u1', 2));
    expect([store.get(a.metadata), store.get(b.metadata)]).toEqual([undefined, b]);
    store.replace('', []);
    expect(store.list()).toEqual([]);
    store.replace('', [object('a', 'u1', 9)]);
    store.replace('', [object('a', 'u1', 7)], true);
    expect(store.get(a.metadata)?.metadata.resourceVersion, 'also when the API server was set back').toBe('7');
  });

  it('was last heard of when the most silent of its watches was', () => {
    vi.useFakeTimers();
    onTestFinished(() => void vi.useRealTimers());
    const { store } = watched();
    store.expect('a');
    const began = performance.now();
    vi.advanceTimersByTime(100);
    store.contact('');
    store.contact('nobody');
    expect(store.lastContact).toBe(began);
    vi.advanceTimersByTime(100);
    store.replace('a', []);
    expect(store.lastContact).toBe(began + 100);
  });

  it('is not synced before anybody said what is watched', () => {
    expect(new ObjectStore<KubeObject>(() => undefined).synced).toBe(false);
  });

  it('a handler that throws does not keep the others from hearing', () => {
    const errors: unknown[] = [];
    const store = new ObjectStore<KubeObject>((e) => errors.push(e));
    const heard: string[] = [];
    store.onChange(() => {
      throw new Error('poison');
    });
    store.onChange(({ after }) => heard.push(text(after)));
    store.upsert(object('a', 'u1', 1));
    expect(heard).toEqual(['u1@1']);
    expect(errors).toHaveLength(1);
  });

  it('is synced when each of its watches has had a complete list', () => {
    const store = new ObjectStore<KubeObject>(() => undefined);
    store.expect('a');
    store.expect('b');
    store.replace('a', []);
    expect(store.synced).toBe(false);
    store.replace('b', []);
    expect(store.synced).toBe(true);
  });

  it('knows a namespace as soon as its own watch has had a complete list, and says so once', () => {
    const store = new ObjectStore<KubeObject>(() => undefined);
    const synced: string[] = [];
    store.onView((part) => synced.push(part));
    store.expect('a');
    store.expect('b');
    store.replace('a', []);
    store.replace('a', []);
    expect([store.syncedIn('a'), store.syncedIn('b'), store.syncedIn('c')]).toEqual([true, false, false]);
    expect(synced).toEqual(['a']);
  });

  it('says once that a namespace may not be seen, and once that it may again; what is known stays', () => {
    const store = new ObjectStore<KubeObject>(() => undefined);
    const told: (string | undefined)[] = [];
    store.onView((part) => told.push(store.refusedIn(part)));
    store.expect('a');
    store.expect('b');
    store.replace('a', []);
    for (const why of ['forbidden', 'forbidden', undefined, undefined]) store.refuse('a', why);
    expect(told).toEqual([undefined, 'forbidden', undefined]);
    store.refuse('b', 'forbidden');
    expect([store.syncedIn('a'), store.refusedIn('a'), store.syncedIn('b'), store.refusals]).toEqual([
      true,
      undefined,
      false,
      ['forbidden'],
    ]);
  });

  it('knows every namespace when all are watched together', () => {
    const store = new ObjectStore<KubeObject>(() => undefined);
    store.expect('');
    store.replace('', []);
    expect(store.syncedIn('any')).toBe(true);
  });
});
