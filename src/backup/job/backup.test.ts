// SPDX-License-Identifier: Apache-2.0
// Tests of what becomes of an object that got no manifest: it is removed, unless it may have got one.
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { BackupError, OutcomeUnknown } from '../failures.ts';
import type { CreatedObject } from '../stores/store.ts';
import { type BackupDeps, backUp } from './backup.ts';

const UID = '0f9e8d7c-1111-4222-8333-444455556666';

/** A store to a key without the right to list; `readBack`: what it returns of the object. */
function storeOf(o: { readBack: 'same' | 'other'; manifest?: Error }) {
  const removed: string[] = [];
  let stored = Buffer.alloc(0);
  const store = {
    head: () => Promise.reject(new BackupError('AccessDenied', 'no')),
    open: (key: string) => {
      if (key.endsWith('.json')) return Promise.resolve(undefined);
      return Promise.resolve(Readable.from([o.readBack === 'same' ? stored : Buffer.from('other')]));
    },
    create: async (key: string, body: Readable): Promise<CreatedObject> => {
      if (key.endsWith('.json') && o.manifest !== undefined) throw o.manifest;
      stored = Buffer.concat((await body.toArray()) as Buffer[]);
      return { key, size: stored.length, etag: 'e', metadata: {}, upload: 'u' };
    },
    removeIf: (key: string) => {
      removed.push(key);
      return Promise.resolve(true);
    },
  };
  return { store, removed };
}

function depsOf(store: object): BackupDeps {
  const database = Buffer.alloc(4096, 7);
  const snapshot = [database, createHash('sha256').update(database).digest()];
  const size = database.length + 32;
  return {
    config: {
      backup: { namespace: 'shop', name: 'now', uid: UID, created: '2026-11-23T07:00:00Z' },
      cluster: { name: 'orders', uid: UID },
      attempt: 1,
      store: { s3: { prefix: '' } },
    },
    source: {
      choose: () => Promise.resolve({ name: 'm-0', status: { revision: 1n } }),
      open: () => Promise.resolve({ stream: Object.assign(Readable.from(snapshot), { announcedSize: size }) }),
    },
    store,
    progress: { step: () => undefined, read: () => 0, checked: () => 0, stored: 0 },
    log: { warn: () => undefined },
    signal: new AbortController().signal,
  } as unknown as BackupDeps;
}

it('an object that was not read back as it was sent is removed without a look for its manifest', async () => {
  const { store, removed } = storeOf({ readBack: 'other' });
  await expect(backUp(depsOf(store))).rejects.toMatchObject({ reason: 'ReadBackMismatch' });
  expect(removed).toEqual([expect.stringMatching(/\.db\.zst$/)]);
});

it('an object whose manifest may have been written stays, and the next attempt finds out', async () => {
  const { store, removed } = storeOf({ readBack: 'same', manifest: new OutcomeUnknown(new Error('ECONNRESET')) });
  const head = (): Promise<undefined> => Promise.resolve(undefined);
  await expect(backUp(depsOf({ ...store, head }))).rejects.toMatchObject({ reason: 'Interrupted' });
  expect(removed).toEqual([]);
});
