// SPDX-License-Identifier: Apache-2.0
// When garbage is collected: regularly, more rarely where it takes long, and not at all where Node does not let us.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { collectGarbage } from './memory.ts';

let tookMs = 0;
const gc = vi.fn<() => void>(() => void vi.advanceTimersByTime(tookMs));

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
  vi.stubGlobal('gc', gc);
});

afterEach(() => {
  gc.mockClear();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const collections = (seconds: number): number => {
  vi.advanceTimersByTime(seconds * 1000);
  return gc.mock.calls.length;
};

test.each([
  [10, 6],
  [40, 6],
  [400, 1],
])('collections of %i ms are made %i times in two minutes', (ms, times) => {
  tookMs = ms;
  const stop = new AbortController();
  collectGarbage(stop.signal);
  expect(collections(121)).toBe(times);
  stop.abort();
  expect(collections(1_000)).toBe(times);
});

test('without --expose-gc nothing is done', () => {
  vi.stubGlobal('gc', undefined);
  collectGarbage(new AbortController().signal);
  expect(vi.getTimerCount()).toBe(0);
});
