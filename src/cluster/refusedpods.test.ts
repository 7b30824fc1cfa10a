// SPDX-License-Identifier: Apache-2.0
// When the Events are asked why a pod is missing, and what they are taken to say.
import { describe, expect, it } from 'vitest';
import type { Event, Pod } from '../runtime/resources.ts';
import { cluster, identity, now, pod } from './fixtures.ts';
import { RefusedPods } from './refusedpods.ts';
import { renderStatefulSet } from './render/statefulset.ts';

const at = (seconds: number) => new Date(now.getTime() + seconds * 1000);

const event = (note: string, seconds: number, uid = 's1'): Event => ({
  metadata: { name: note },
  regarding: { kind: 'StatefulSet', name: 'orders', uid },
  eventTime: at(seconds).toISOString(),
  note,
});

const child = renderStatefulSet(cluster, identity);
const live = {
  ...child.desired,
  metadata: { ...child.desired.metadata, uid: 's1', creationTimestamp: at(-60).toISOString() },
};
const children = [{ child, live, foreign: undefined }];
const made = (i: number, seconds: number): Pod => {
  const p = pod(i);
  return { ...p, metadata: { ...p.metadata, creationTimestamp: at(seconds).toISOString() } };
};

/** Asks at these seconds, each time with these pods; `asked` is how often that cost a request. */
async function ask(found: Event[], seconds: number[], pods: Pod[] = [], set = children) {
  let asked = 0;
  const list = async () => {
    asked += 1;
    return found as never[];
  };
  const refused = new RefusedPods({ list });
  const answers: (string | undefined)[] = [];
  for (const s of seconds) {
    const signal = new AbortController().signal;
    answers.push(await refused.why({ children: set, pods, now: at(s) }, 3, signal));
  }
  return { asked, answers };
}

describe('why a pod is missing', () => {
  it('is asked once in ten seconds, however often somebody wants to know', async () => {
    const { asked, answers } = await ask([event('exceeded quota', -5)], [0, 1, 2, 5, 9, 10]);
    expect(asked).toBe(2);
    expect(answers).toEqual(Array.from({ length: 6 }, () => 'exceeded quota'));
  });
  it('is not asked while none is missing', async () => {
    expect(
      await ask(
        [event('x', -5)],
        [0],
        [0, 1, 2].map((i) => made(i, -50)),
      ),
    ).toEqual({ asked: 0, answers: [undefined] });
  });
  it('is not asked before the StatefulSet had two seconds to make it, nor without one', async () => {
    const young = (seconds: number) => {
      const metadata = { ...live.metadata, creationTimestamp: at(-seconds).toISOString() };
      return [{ child, live: { ...live, metadata }, foreign: undefined }];
    };
    const found = [event('x', -0.5)];
    expect((await ask(found, [0], [], young(1.999))).asked).toBe(0);
    expect((await ask(found, [0], [], young(2))).asked).toBe(1);
    expect((await ask(found, [0], [], [{ child, live: undefined as never, foreign: undefined }])).asked).toBe(0);
  });
  it('is nothing where a claim is only on its way out: the pod comes with the next one', async () => {
    const leaving = event('create Pod orders-0 failed error: pvc data-orders-0 is being deleted', -1);
    expect((await ask([event('exceeded quota', -5), leaving], [0])).answers).toEqual(['exceeded quota']);
    expect((await ask([leaving], [0])).answers).toEqual([undefined]);
  });
  it('is what was said last, by whichever time an Event has', async () => {
    expect((await ask([event('new', -5), event('old', -9)], [0])).answers).toEqual(['new']);
    const { eventTime: _, ...timeless } = event('old', 0);
    const again = { ...event('again', -30), series: { count: 2, lastObservedTime: at(-1).toISOString() } };
    const legacy = { ...timeless, note: 'legacy', deprecatedLastTimestamp: at(-3).toISOString() };
    const bare = { ...timeless, metadata: { name: 'bare', creationTimestamp: at(-4).toISOString() }, note: 'bare' };
    const all = [event('new', -5), again, legacy, bare] as Event[];
    for (const [left, latest] of ['again', 'legacy', 'bare', 'new'].entries()) {
      const gone = ['again', 'legacy', 'bare'].slice(0, left);
      const { answers } = await ask(
        all.filter((e) => !gone.includes(e.note ?? '')),
        [0],
      );
      expect(answers).toEqual([latest]);
    }
  });
  it('is nothing that was said before the newest pod was made, or of another StatefulSet', async () => {
    expect((await ask([event('old', -20)], [0], [made(0, -10)])).answers).toEqual([undefined]);
    expect((await ask([event('other', -5, 's0')], [0])).answers).toEqual([undefined]);
  });
});
