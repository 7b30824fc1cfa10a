// SPDX-License-Identifier: Apache-2.0
// Tests that a transfer which ends badly leaves no object and says why, and that what is read back is what was sent.
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import { EtcdError } from '../../etcd/errors.ts';
import { BackupError } from '../failures.ts';
import { readBack, type Stored, storeSnapshot, type TransferDeps } from './transfer.ts';

const object = { key: 'k', size: 1, etag: 'e', metadata: { mark: 'm' }, upload: 'u' };
const member = { name: 'm-0', status: { revision: 1n } } as Parameters<typeof storeSnapshot>[2];

/** A store that may refuse what it is given when it has taken all of it, or has taken nothing; `end`: what the member sends last. */
function world(o: { stop?: AbortController; create?: 'all' | 'nothing' | Error; end?: Error; whole?: boolean }) {
  const removed: [string, object, boolean][] = [];
  const stop = o.stop ?? new AbortController();
  const store = {
    create: async (_key: string, body: Readable) => {
      if (o.create instanceof Error) throw o.create;
      // The end of the body comes after all that was stored of it.
      if (o.create === 'all') await body.toArray().catch(() => undefined);
      if (o.stop !== undefined) stop.abort(new BackupError('Interrupted', 'the pod was told to stop'));
      return object;
    },
    removeIf: (key: string, metadata: object, signal: AbortSignal) => {
      removed.push([key, metadata, signal.aborted]);
      return Promise.resolve(true);
    },
  };
  const database = Buffer.alloc(512, 7);
  const sum = createHash('sha256').update(database).digest();
  async function* sent() {
    yield o.whole === false ? Buffer.alloc(9) : Buffer.concat([database, sum]);
    if (o.end !== undefined) throw o.end;
  }
  const deps = {
    config: { backup: { uid: 'b' } },
    source: { open: () => Promise.resolve({ stream: Object.assign(Readable.from(sent()), { announcedSize: 544 }) }) },
    store,
    progress: { step: () => undefined, read: () => 0, stored: 7 },
    signal: stop.signal,
  } as unknown as TransferDeps;
  return { deps, removed, sum: sum.toString('hex') };
}

it.each<[string, Parameters<typeof world>[0]]>([
  ['just after its object was created', { whole: false }],
  ['just after all of its object was', { create: 'all' }],
])('that is told to stop %s removes it', async (_, given) => {
  const { deps, removed } = world({ ...given, stop: new AbortController() });
  await expect(storeSnapshot(deps, 'k', member)).rejects.toMatchObject({ reason: 'Interrupted' });
  expect(removed).toEqual([['k', object.metadata, false]]);
});

const gone = new EtcdError('Unavailable', 'orders-0: snapshot: the member is gone');
const full = new BackupError('StoreFull', 'no room');

it.each<[string, Parameters<typeof world>[0], object, number]>([
  ['whose member dies removes the object that was stored all the same', { create: 'all', end: gone }, gone, 1],
  ['whose snapshot is not whole does so too', { create: 'all', whole: false }, { code: 'DataCorrupt' }, 1],
  ['whose stream breaks does so too', { create: 'all', end: new Error('x') }, { reason: 'Unexpected' }, 1],
  ['whose store refuses says so, and removes nothing', { create: full }, full, 0],
  ['is the member’s failure if that is what ended it, whatever the store says', { create: full, end: gone }, gone, 0],
])('a transfer %s', async (_, given, failure, removals) => {
  const { deps, removed } = world(given);
  await expect(storeSnapshot(deps, 'k', member)).rejects.toMatchObject(failure);
  expect(removed).toHaveLength(removals);
});

it('that ends well has the sums of what was sent and of what was stored, and removes nothing', async () => {
  const { deps, removed, sum } = world({ create: 'all' });
  const stored = await storeSnapshot(deps, 'k', member);
  expect(stored).toMatchObject({ object, member, snapshot: { size: 544, sha256: sum } });
  expect(stored.sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(stored.sha256).not.toBe(sum);
  expect([deps.progress.read(), deps.progress.stored, removed]).toEqual([544, 0, []]);
});

const bytes = Buffer.from('what was sent');
const kept: Stored = {
  object: { ...object, size: bytes.length },
  sha256: createHash('sha256').update(bytes).digest('hex'),
  member,
  snapshot: { size: 0, sha256: '' },
};
const broken = () =>
  new Readable({
    read() {
      this.destroy(new Error('reset'));
    },
  });

it.each<[string, () => Readable | undefined, string | undefined]>([
  ['as it was sent is taken', () => Readable.from([bytes]), undefined],
  ['in pieces is taken', () => Readable.from([bytes.subarray(0, 4), bytes.subarray(4)]), undefined],
  ['otherwise is not', () => Readable.from([Buffer.from('what was SENT')]), 'ReadBackMismatch'],
  ['in part is not', () => Readable.from([bytes.subarray(1)]), 'ReadBackMismatch'],
  ['from nowhere is not', () => undefined, 'ReadBackMismatch'],
  ['over a connection that breaks is not', broken, 'StoreUnreachable'],
])('what is read back %s', async (_, body, reason) => {
  const { deps } = world({});
  const reading = readBack(
    { ...deps, store: { open: () => Promise.resolve(body()) } } as unknown as TransferDeps,
    kept,
  );
  if (reason === undefined) await expect(reading).resolves.toBeUndefined();
  else await expect(reading).rejects.toMatchObject({ reason });
});

it('a backup that is told to stop while it reads back says so', async () => {
  const stop = new AbortController();
  const { deps } = world({});
  const body = new Readable({
    read() {
      stop.abort(new BackupError('Interrupted', 'the pod was told to stop'));
      this.destroy(new Error('aborted'));
    },
  });
  const given = { ...deps, signal: stop.signal, store: { open: () => Promise.resolve(body) } };
  await expect(readBack(given as unknown as TransferDeps, kept)).rejects.toMatchObject({ reason: 'Interrupted' });
});
