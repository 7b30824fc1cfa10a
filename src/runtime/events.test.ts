// SPDX-License-Identifier: Apache-2.0
// One Event for one piece of news.
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLogger } from '../telemetry/log.ts';
import { KubeError, type KubeErrorCode } from './errors.ts';
import { EventRecorder } from './events.ts';
import type { KubeObject } from './json.ts';
import type { Event } from './resources.ts';

const about = (uid: string): KubeObject => ({
  kind: 'EtcdCluster',
  metadata: { namespace: 'shop', name: 'orders', uid },
});
const news = (reason: string, message: string) => ({ type: 'Normal', reason, action: 'Reconcile', message }) as const;
const MINUTE = 60_000;

/** What is sent when the drafts come at these minutes. */
function sent(drafts: [number, string, string, string][]): Event[] {
  const out: Event[] = [];
  let now = 0;
  const create = async (_: unknown, event: unknown): Promise<never> => {
    out.push(event as Event);
    return event as never;
  };
  const client = { create } as ConstructorParameters<typeof EventRecorder>[0]['client'];
  const recorder = new EventRecorder({
    client,
    log: createLogger('silent'),
    controller: 'c',
    instance: 'i',
    signal: new AbortController().signal,
    now: () => now,
  });
  for (const [minute, uid, reason, message] of drafts) {
    now = minute * MINUTE;
    recorder.emit(about(uid), news(reason, message));
  }
  return out;
}

const rows: [string, [number, string, string, string][], number][] = [
  ['the first is sent at once', [[0, 'u', 'Formed', 'a']], 1],
  ['the same again is not, however often', [0, 1, 5, 9].map((m) => [m, 'u', 'Formed', 'a']), 1],
  ['the same is news again after ten minutes', [0, 10].map((m) => [m, 'u', 'Formed', 'a']), 2],
  ['what was held back does not make the silence longer', [0, 9, 10].map((m) => [m, 'u', 'Formed', 'a']), 2],
  [
    'another message is news',
    [
      [0, 'u', 'Formed', 'a'],
      [0, 'u', 'Formed', 'b'],
    ],
    2,
  ],
  [
    'another reason is news',
    [
      [0, 'u', 'Formed', 'a'],
      [0, 'u', 'Ready', 'a'],
    ],
    2,
  ],
  [
    'a new object of the name has its own news',
    [
      [0, 'u', 'Formed', 'a'],
      [0, 'v', 'Formed', 'a'],
    ],
    2,
  ],
  ['two pieces of news in turns are each sent once', [0, 1, 2, 3].map((m) => [m, 'u', 'Formed', `${m % 2}`]), 2],
];
describe('an Event', () => {
  for (const [sentence, drafts, expected] of rows) it(sentence, () => expect(sent(drafts)).toHaveLength(expected));

  it('is about the very object, and its note is one line', () => {
    const [event] = sent([[0, 'u', 'Formed', 'line\n\u001b[31mforged']]);
    expect(event?.regarding).toMatchObject({ kind: 'EtcdCluster', namespace: 'shop', name: 'orders', uid: 'u' });
    expect(event?.note).toBe('line [31mforged');
  });
});

describe('an Event that cannot be written', () => {
  const names: string[] = [];
  let failures: KubeErrorCode[] = [];
  const down = (length: number) => Array.from({ length }, (): KubeErrorCode => 'Unavailable');
  const create = (_: unknown, event: unknown): Promise<never> => {
    names.push((event as Event).metadata.name);
    const code = failures.shift();
    return code === undefined ? Promise.resolve(event as never) : Promise.reject(new KubeError(code, 'x'));
  };
  const recorder = (signal = new AbortController().signal): EventRecorder =>
    new EventRecorder({ client: { create }, log: createLogger('silent'), controller: 'c', instance: 'i', signal });

  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => {
    vi.useRealTimers();
    names.length = 0;
  });

  /** Of one piece of news: how often it is tried within a minute, and how often when it comes again after that. */
  const table: [string, KubeErrorCode[], number, number][] = [
    ['is tried again, under the same name', ['Unavailable', 'Timeout'], 3, 0],
    ['is not tried again when the first try had arrived after all', ['Timeout', 'AlreadyExists'], 2, 0],
    ['is given up in the end, and is news again', down(6), 6, 1],
    ['is given up at once when the server will not have it, also the next time', ['Forbidden'], 1, 0],
  ];
  it.each(table)('%s', async (_sentence, codes, tries, later) => {
    failures = [...codes];
    const events = recorder();
    events.emit(about('u'), news('Formed', 'a'));
    await vi.advanceTimersByTimeAsync(MINUTE);
    expect(names).toHaveLength(tries);
    expect(new Set(names).size).toBe(1);
    events.emit(about('u'), news('Formed', 'a'));
    expect(names).toHaveLength(tries + later);
  });

  it('does not keep the process when that has to end', async () => {
    const stop = new AbortController();
    failures = ['Unavailable'];
    recorder(stop.signal).emit(about('u'), news('Formed', 'a'));
    await vi.advanceTimersByTimeAsync(1);
    expect(vi.getTimerCount()).toBe(1);
    stop.abort();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is one of a hundred that wait at most', async () => {
    failures = down(150);
    const events = recorder();
    for (let i = 0; i < 150; i += 1) events.emit(about('u'), news('Formed', `${i}`));
    await vi.advanceTimersByTimeAsync(1);
    expect(vi.getTimerCount()).toBe(100);
  });
});
