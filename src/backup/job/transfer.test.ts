// SPDX-License-Identifier: Apache-2.0
// Tests that a transfer which ends badly leaves no object, also at the last moment.
import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { BackupError } from '../failures.ts';
import { storeSnapshot, type TransferDeps } from './transfer.ts';

it('that is told to stop just after its object was created removes it', async () => {
  const stop = new AbortController();
  const object = { key: 'k', size: 1, etag: 'e', metadata: { mark: 'm' }, upload: 'u' };
  const removed: [string, object, boolean][] = [];
  const store = {
    create: () => {
      stop.abort(new BackupError('Interrupted', 'the pod was told to stop'));
      return Promise.resolve(object);
    },
    removeIf: (key: string, metadata: object, signal: AbortSignal) => {
      removed.push([key, metadata, signal.aborted]);
      return Promise.resolve(true);
    },
  };
  const stream = Object.assign(Readable.from([Buffer.alloc(9)]), { announcedSize: 9 });
  const deps = {
    config: { backup: { uid: 'b' } },
    source: { open: () => Promise.resolve({ stream }) },
    store,
    progress: { step: () => undefined, read: () => 0, stored: 0 },
    signal: stop.signal,
  } as unknown as TransferDeps;
  const member = { name: 'm-0', status: { revision: 1n } } as Parameters<typeof storeSnapshot>[2];
  await expect(storeSnapshot(deps, 'k', member)).rejects.toMatchObject({ reason: 'Interrupted' });
  expect(removed).toEqual([['k', object.metadata, false]]);
});
