// SPDX-License-Identifier: Apache-2.0
// When garbage is collected and how thoroughly: regularly, more rarely where it takes long, and not where Node does not let us.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { collectGarbage } from './memory.ts';

const MB = 1e6;
let tookMs = 0;
/** What the process holds, and what remains of that after a thorough collection. */
let [held, needed] = [0, 0];
const gc = vi.fn<(o: { flavor: string }) => void>(({ flavor }) => {
  vi.advanceTimersByTime(tookMs);
  if (flavor === 'last-resort') held = needed;
});

beforeEach(() => {
  [tookMs, held, needed] = [0, 90 * MB, 90 * MB];
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
  vi.stubGlobal('gc', gc);
  vi.spyOn(process.memoryUsage, 'rss').mockImplementation(() => held);
});

afterEach(() => {
  gc.mockClear();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const collections = (seconds: number): number => {
  vi.advanceTimersByTime(seconds * 1000);
  return gc.mock.calls.length;
};

const thorough = (): boolean => gc.mock.lastCall?.[0].flavor === 'last-resort';

test.each([
  [10, 6],
  [30, 6],
  [300, 1],
])('collections of %i ms are made %i times in two minutes', (ms, times) => {
  tookMs = ms;
  const stop = new AbortController();
  collectGarbage(stop.signal);
  expect(collections(121)).toBe(times);
  stop.abort();
  expect(collections(1_000)).toBe(times);
});

test('a collection is thorough at first, after growth, and until it gives little back', () => {
  const stop = new AbortController();
  collectGarbage(stop.signal);
  const next = (holds: number, needs: number): boolean => {
    [held, needed] = [holds * MB, needs * MB];
    vi.advanceTimersByTime(20_000);
    return thorough();
  };
  expect(next(130, 110), 'the start leaves much').toBe(true);
  expect(next(110, 92), 'some of it was still needed').toBe(true);
  expect(next(93, 92), 'nothing more to give').toBe(true);
  expect(next(95, 92), 'compiled code').toBe(false);
  expect(next(96, 92)).toBe(false);
  expect(next(97, 92), 'more than 4 MB').toBe(true);
  expect(next(92, 92), 'nothing more to give').toBe(true);
  expect(next(88, 88), 'not thorough, but less is needed than before').toBe(false);
  expect(next(93, 88), 'more than 4 MB again').toBe(true);
  stop.abort();
});

test('without --expose-gc nothing is done', () => {
  vi.stubGlobal('gc', undefined);
  collectGarbage(new AbortController().signal);
  expect(vi.getTimerCount()).toBe(0);
});
