// SPDX-License-Identifier: Apache-2.0
// Tests that an object which cannot become a backup is removed, also by a key that may not ask what else is there.
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { BackupError } from '../failures.ts';
import type { CreatedObject } from '../stores/store.ts';
import { type BackupDeps, backUp } from './backup.ts';

const UID = '0f9e8d7c-1111-4222-8333-444455556666';

/** A store that returns other bytes than it was sent, to a key without the right to list. */
function forgetful() {
  const removed: string[] = [];
  const store = {
    head: () => Promise.reject(new BackupError('AccessDenied', 'no')),
    open: (key: string) => Promise.resolve(key.endsWith('.json') ? undefined : Readable.from([Buffer.from('other')])),
    create: async (key: string, body: Readable): Promise<CreatedObject> => {
      let size = 0;
      for await (const chunk of body as AsyncIterable<Buffer>) size += chunk.length;
      return { key, size, etag: 'e', metadata: {}, upload: 'u' };
    },
    removeIf: (key: string) => {
      removed.push(key);
      return Promise.resolve(true);
    },
  };
  return { store, removed };
}

it('an object that was not read back as it was sent is removed without a look for its manifest', async () => {
  const { store, removed } = forgetful();
  const database = Buffer.alloc(4096, 7);
  const snapshot = [database, createHash('sha256').update(database).digest()];
  const size = database.length + 32;
  const deps = {
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
  await expect(backUp(deps)).rejects.toMatchObject({ reason: 'ReadBackMismatch' });
  expect(removed).toEqual([expect.stringMatching(/\.db\.zst$/)]);
});
