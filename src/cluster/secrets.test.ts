// SPDX-License-Identifier: Apache-2.0
// How often the Secrets of a cluster are asked for.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { LABELS } from '../api/names.ts';
import type { Secret } from '../runtime/resources.ts';
import { SecretReader } from './secrets.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

const signal = new AbortController().signal;
const later = (seconds: number): void => void vi.advanceTimersByTime(seconds * 1000);

const secret = (name: string, cluster = 'orders', resourceVersion = '1'): Secret => ({
  metadata: { namespace: 'shop', name, resourceVersion, labels: { [LABELS.cluster]: cluster } },
});

/** A reader of these Secrets, and the names of those that it asked for. */
function readerOf(there: Secret[] = []) {
  const asked: string[] = [];
  const find = async (_kind: unknown, { name }: { name: string }) => {
    asked.push(name);
    return structuredClone(there.find((s) => s.metadata.name === name)) as never;
  };
  const reader = new SecretReader({ find });
  return { asked, reader, read: (name: string) => reader.read('shop', name, signal) };
}

it('one that was read is asked for again after five minutes, and stays the same object while it does not change', async () => {
  const there = [secret('orders-ca-peer')];
  const { asked, read } = readerOf(there);
  const first = await read('orders-ca-peer');
  later(296);
  expect(await read('orders-ca-peer')).toBe(first);
  expect(asked).toHaveLength(1);
  later(2);
  expect(await read('orders-ca-peer')).toBe(first);
  expect(asked).toHaveLength(2);
  there[0] = secret('orders-ca-peer', 'orders', '2');
  later(298);
  expect(await read('orders-ca-peer')).toEqual(there[0]);
});

it('those of a cluster that were written one after the other are read in one pass, when the first is due', async () => {
  const { asked, read, reader } = readerOf([secret('orders-ca-peer'), secret('orders-tls-peer')]);
  reader.note(secret('orders-ca-peer'));
  later(25);
  reader.note(secret('orders-tls-peer'));
  const names = ['orders-ca-peer', 'orders-tls-peer'];
  expect(reader.dueInMs('shop', ['orders-tls-peer'])).toBe(273_000);
  later(270);
  for (const name of names) await read(name);
  expect(asked).toEqual([]);
  later(3);
  for (const name of names) await read(name);
  expect(asked).toEqual(names);
  expect(reader.dueInMs('shop', names)).toBe(298_000);
});

it('one that is written says nothing of the age of those of another cluster', () => {
  const { reader } = readerOf();
  reader.note(secret('orders-ca-peer'));
  later(25);
  reader.note(secret('orders-eu-ca-peer', 'orders-eu'));
  expect(reader.dueInMs('shop', ['orders-eu-ca-peer'])).toBe(298_000);
});

it('those that are asked for again are asked for one after the other, also after a failure, and in each namespace by itself', async () => {
  const pending: { name: string; answer: PromiseWithResolvers<undefined> }[] = [];
  const find = (_kind: unknown, { name }: { name: string }) => {
    const answer = Promise.withResolvers<undefined>();
    pending.push({ name, answer });
    return answer.promise;
  };
  const reader = new SecretReader({ find });
  const names = ['orders-ca-peer', 'orders-ca-client', 'users-ca-peer'];
  for (const name of names) reader.note(secret(name, name.slice(0, -8)));
  reader.note({ metadata: { namespace: 'other', name: 'far', resourceVersion: '1' } });
  later(298);
  const reads = [...names.map((name) => reader.read('shop', name, signal)), reader.read('other', 'far', signal)];
  const asked = () => pending.map(({ name }) => name);
  await vi.waitFor(() => expect(asked()).toEqual(['orders-ca-peer', 'far']));
  pending[0]?.answer.reject(new Error('gone'));
  await expect(reads[0]).rejects.toThrow('gone');
  await vi.waitFor(() => expect(asked()).toEqual(['orders-ca-peer', 'far', 'orders-ca-client']));
  pending[2]?.answer.resolve(undefined);
  await vi.waitFor(() => expect(asked()).toContain('users-ca-peer'));
  for (const { answer } of pending) answer.resolve(undefined);
  await Promise.all(reads.slice(1));
});

it('an absence is believed for a second', async () => {
  const { asked, read } = readerOf();
  expect(await read('orders-ca-peer')).toBeUndefined();
  await read('orders-ca-peer');
  expect(asked).toHaveLength(1);
  later(1);
  await read('orders-ca-peer');
  expect(asked).toHaveLength(2);
});
