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

/**
 * A store to a key without the right to list; `readBack`: what it returns of the object; `manifest`: how writing the
 * manifest ends, after it has `arrived` or not.
 */
function storeOf(o: { readBack: 'same' | 'other'; manifest?: Error; arrived?: string | undefined }) {
  const removed: string[] = [];
  const objects = new Map<string, Buffer>();
  const store = {
    location: 's3://backups',
    head: (key: string) => {
      const size = objects.get(key)?.length;
      return size === undefined
        ? Promise.reject(new BackupError('AccessDenied', 'no'))
        : Promise.resolve({ key, size });
    },
    open: (key: string) => {
      const stored = objects.get(key);
      if (stored === undefined) return Promise.resolve(undefined);
      return Promise.resolve(Readable.from([o.readBack === 'same' ? stored : Buffer.from('other')]));
    },
    create: async (key: string, body: Readable): Promise<CreatedObject> => {
      const stored = Buffer.concat((await body.toArray()) as Buffer[]);
      const failure = key.endsWith('.json') ? o.manifest : undefined;
      if (failure === undefined) objects.set(key, stored);
      else if (o.arrived !== undefined) objects.set(key, Buffer.from(stored.toString().replace(UID, o.arrived)));
      if (failure !== undefined) throw failure;
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

const lost = new OutcomeUnknown('shop/x.manifest.json', new Error('ECONNRESET'));
const OTHER = 'ffffffff-1111-4222-8333-444455556666';

/** The pod is told to stop while the manifest is written, of which the answer never comes. */
function stoppedAtTheEnd(arrived: string | undefined) {
  const { store, removed } = storeOf({ readBack: 'same', manifest: lost, arrived });
  const stop = new AbortController();
  const create = (key: string, body: Readable): Promise<CreatedObject> => {
    if (key.endsWith('.json')) stop.abort(new BackupError('Interrupted', 'the pod was told to stop'));
    return store.create(key, body);
  };
  const open = async (key: string, signal: AbortSignal) => {
    signal.throwIfAborted();
    return store.open(key);
  };
  return { deps: { ...depsOf({ ...store, create, open }), signal: stop.signal }, removed };
}

it('a backup whose manifest is there is complete, though nobody said so and the pod was told to stop', async () => {
  const { deps, removed } = stoppedAtTheEnd(UID);
  await expect(backUp(deps)).resolves.toMatchObject({ ok: true, member: 'm-0' });
  expect(removed).toEqual([]);
});

it.each([
  ['may still come', undefined],
  ['may still come in the place of something else', OTHER],
])('an object whose manifest %s stays, and nobody says that it failed', async (_, arrived) => {
  const { deps, removed } = stoppedAtTheEnd(arrived);
  await expect(backUp(deps)).rejects.toMatchObject({ reason: 'OutcomeUnknown' });
  expect(removed).toEqual([]);
});

it('of two attempts that are alive the manifest of the faster one counts, though the slower one got no answer', async () => {
  const { store, removed } = storeOf({ readBack: 'same' });
  const create = async (key: string, body: Readable): Promise<CreatedObject> => {
    if (!key.endsWith('.json')) return store.create(key, body);
    await backUp(depsOf(store));
    throw lost;
  };
  const slower = depsOf({ ...store, create });
  const done = await backUp({ ...slower, config: { ...slower.config, attempt: 2 } });
  expect(done).toMatchObject({ ok: true, key: expect.not.stringMatching(/\.2\.db\.zst$/) });
  expect(removed).toEqual([expect.stringMatching(/\.2\.db\.zst$/)]);
});

/** The body of a manifest, as it comes. */
async function* manifestThat(end: 'breaks' | 'goes on') {
  yield Buffer.from('{"kind"');
  if (end === 'breaks') throw new Error('ECONNRESET');
  for (;;) yield Buffer.alloc(65_536);
}

it.each([
  ['breaks while it is read may be whole the next time', 'breaks', undefined, 'StoreUnreachable'],
  ['breaks because the pod was told to stop says that', 'breaks', 'Interrupted', 'Interrupted'],
  ['does not end is not read to the end', 'goes on', undefined, 'KeyTaken'],
] as const)('a manifest that %s', async (_, end, stopped, reason) => {
  const { store, removed } = storeOf({ readBack: 'same' });
  const stop = new AbortController();
  const open = () => {
    if (stopped !== undefined) stop.abort(new BackupError(stopped, 'the pod was told to stop'));
    return Promise.resolve(Readable.from(manifestThat(end)));
  };
  const deps = { ...depsOf({ ...store, open }), signal: stop.signal };
  await expect(backUp(deps)).rejects.toMatchObject({ reason });
  expect(removed).toEqual([]);
});

it('a manifest that is taken, and breaks while it is read, lets the next attempt find out', async () => {
  const { store, removed } = storeOf({
    readBack: 'same',
    manifest: new BackupError('KeyTaken', 'there'),
    arrived: UID,
  });
  const open = async (key: string) => {
    const stored = await store.open(key);
    return stored !== undefined && key.endsWith('.json') ? Readable.from(manifestThat('breaks')) : stored;
  };
  await expect(backUp(depsOf({ ...store, open }))).rejects.toMatchObject({ reason: 'StoreUnreachable' });
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
