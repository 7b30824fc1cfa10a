// SPDX-License-Identifier: Apache-2.0
// One Event for one piece of news.
import { describe, expect, it } from 'vitest';
import { createLogger } from '../telemetry/log.ts';
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
