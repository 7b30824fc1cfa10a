// SPDX-License-Identifier: Apache-2.0
// Tests of what becomes of an object that got no manifest: it is removed, unless it may have got one.
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { EtcdError } from '../../etcd/errors.ts';
import { BackupError, OutcomeUnknown } from '../failures.ts';
import { decodeResult, encodeResult } from '../result.ts';
import type { CreatedObject } from '../stores/store.ts';
import { type BackupDeps, backUp } from './backup.ts';

const UID = '0f9e8d7c-1111-4222-8333-444455556666';

/** A store to a key without the right to list; `readBack`: what it returns of the object. */
function storeOf(o: { readBack: 'same' | 'other'; manifest?: Error }) {
  const removed: string[] = [];
  let stored = Buffer.alloc(0);
  const store = {
    location: 's3://backups',
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

/** Members in the order in which they are chosen; `corrupt` ones send a wrong checksum. */
function depsOf(store: object, members: readonly string[] = ['m-0'], corrupt: readonly string[] = []): BackupDeps {
  const database = Buffer.alloc(4096, 7);
  const sum = createHash('sha256').update(database).digest();
  const snapshotOf = (name: string) => [database, corrupt.includes(name) ? Buffer.alloc(32) : sum];
  const size = database.length + 32;
  const status = { revision: 1n, clusterId: 'c', memberId: 'a', version: '3.6.16' };
  return {
    config: {
      backup: { namespace: 'shop', name: 'now', uid: UID, created: '2026-11-23T07:00:00Z' },
      cluster: { name: 'orders', uid: UID },
      attempt: 1,
      store: { s3: { prefix: '' } },
    },
    source: {
      choose: (tried: ReadonlySet<string>) =>
        Promise.resolve({ name: members.find((m) => !tried.has(m)) ?? members[0], status }),
      open: ({ name }: { name: string }) =>
        Promise.resolve({ stream: Object.assign(Readable.from(snapshotOf(name)), { announcedSize: size }) }),
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

it('it stays also when the backup is told to stop at that moment', async () => {
  const { store, removed } = storeOf({ readBack: 'same' });
  const stop = new AbortController();
  const create = (key: string, body: Readable): Promise<CreatedObject> => {
    if (!key.endsWith('.json')) return store.create(key, body);
    stop.abort(new BackupError('Interrupted', 'the pod was told to stop'));
    return Promise.reject(new OutcomeUnknown(new Error('ECONNRESET')));
  };
  const head = (): Promise<undefined> => Promise.resolve(undefined);
  const deps = { ...depsOf({ ...store, head, create }), signal: stop.signal };
  await expect(backUp(deps)).rejects.toThrow(OutcomeUnknown);
  expect(removed).toEqual([]);
});

it('a member that sends a corrupt snapshot is told of, and another one is taken', async () => {
  const { store } = storeOf({ readBack: 'same' });
  const done = await backUp(depsOf(store, ['m-0', 'm-1'], ['m-0']));
  expect(done).toMatchObject({ ok: true, member: 'm-1', corrupt: ['m-0'] });
  expect(decodeResult(encodeResult(done))).toEqual(done);
});

it('members that fail one after the other fail the backup, after three of them', async () => {
  const { store, removed } = storeOf({ readBack: 'same' });
  const deps = depsOf(store, ['m-0', 'm-1', 'm-2', 'm-3']);
  const opened: string[] = [];
  const open = ({ name }: { name: string }) => {
    opened.push(name);
    return Promise.reject(new EtcdError('Unavailable', `${name}: it is gone`));
  };
  const choose = deps.source.choose.bind(deps.source);
  const failing = { ...deps, source: { choose, open } } as unknown as BackupDeps;
  await expect(backUp(failing)).rejects.toMatchObject({ reason: 'SourceUnavailable' });
  expect([opened, removed]).toEqual([['m-0', 'm-1', 'm-2'], []]);
});

it('a store that fails fails the backup at once: another member would not help', async () => {
  const { store } = storeOf({ readBack: 'same' });
  let created = 0;
  const create = () => {
    created += 1;
    return Promise.reject(new BackupError('StoreFull', 'no room'));
  };
  await expect(backUp(depsOf({ ...store, create }, ['m-0', 'm-1']))).rejects.toMatchObject({ reason: 'StoreFull' });
  expect(created).toBe(1);
});

it.each([
  ['the only member', ['m-0']],
  ['every member', ['m-0', 'm-1', 'm-2', 'm-3']],
])('%s that sends a corrupt snapshot fails the backup', async (_, members) => {
  const { store } = storeOf({ readBack: 'same' });
  await expect(backUp(depsOf(store, members, members))).rejects.toMatchObject({ reason: 'SnapshotCorrupt' });
});
