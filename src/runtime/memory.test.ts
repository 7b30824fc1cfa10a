// SPDX-License-Identifier: Apache-2.0
// When garbage is collected and how thoroughly: after growth, and not where Node does not let us.
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { collectGarbage } from './memory.ts';

const MB = 1e6;
/** What the process holds, and what remains of that after a thorough collection. */
let [held, needed] = [0, 0];
/** The part of the time since the last look in which the process worked. */
let utilization = 0;
const gc = vi.fn<(o: { flavor: string }) => void>(({ flavor }) => {
  if (flavor === 'last-resort') held = needed;
});

beforeEach(() => {
  [held, needed] = [90 * MB, 90 * MB];
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  vi.stubGlobal('gc', gc);
  utilization = 0;
  const between = performance.eventLoopUtilization.bind(performance);
  let [idle, active] = [0, 0];
  vi.spyOn(performance, 'eventLoopUtilization').mockImplementation((now, then) => {
    if (now !== undefined) return between(now, then);
    active += utilization * 10_000;
    idle += (1 - utilization) * 10_000;
    return { idle, active, utilization: active / (idle + active) };
  });
  vi.spyOn(process.memoryUsage, 'rss').mockImplementation(() => held);
});

afterEach(() => {
  gc.mockClear();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

/** How often garbage is collected in a minute, while the process grows by this every ten seconds. */
function collections(megabytes: number): number {
  const before = gc.mock.calls.length;
  for (let look = 0; look < 6; look += 1) {
    held += megabytes * MB;
    vi.advanceTimersByTime(10_000);
  }
  vi.advanceTimersByTime(1_000);
  return gc.mock.calls.length - before;
}

test('a process that grows slowly collects as rarely', () => {
  const stop = new AbortController();
  collectGarbage(stop.signal);
  expect(collections(0), 'what the start left').toBe(1);
  expect(collections(0)).toBe(0);
  expect(collections(0.8)).toBe(2);
  expect(collections(2)).toBe(6);
  stop.abort();
  expect(collections(2)).toBe(0);
});

test('a collection is thorough at first, after growth, and until it gives little back', () => {
  const stop = new AbortController();
  collectGarbage(stop.signal);
  const next = (holds: number, needs: number): string | undefined => {
    gc.mockClear();
    [held, needed] = [holds * MB, needs * MB];
    vi.advanceTimersByTime(10_000);
    return gc.mock.lastCall?.[0].flavor;
  };
  expect(next(130, 110), 'the start leaves much').toBe('last-resort');
  expect(next(110, 92), 'some of it was still needed').toBe('last-resort');
  expect(next(93, 92), 'nothing more to give').toBe('last-resort');
  expect(next(93.9, 92), 'too little').toBeUndefined();
  expect(next(94, 92)).toBe('regular');
  expect(next(95.5, 92), 'too little again').toBeUndefined();
  expect(next(95.6, 92), 'more than 3.5 MB in all').toBe('last-resort');
  expect(next(92, 92), 'that gave little').toBeUndefined();
  expect(next(88, 88), 'less is needed than before').toBeUndefined();
  expect(next(91.6, 88), 'more than 3.5 MB again').toBe('last-resort');
  stop.abort();
});

test('a busy process collects when it has come to rest', () => {
  const stop = new AbortController();
  collectGarbage(stop.signal);
  utilization = 0.101;
  expect(collections(3)).toBe(0);
  utilization = 0.1;
  expect(collections(0)).toBe(2);
  stop.abort();
});

test('a process that is always busy collects after much growth, and not thoroughly', () => {
  const stop = new AbortController();
  collectGarbage(stop.signal);
  utilization = 0.25;
  expect(collections(25)).toBe(1);
  expect(gc.mock.lastCall?.[0].flavor).toBe('regular');
  expect(collections(25)).toBe(1);
  utilization = 0;
  expect(collections(0), 'what the busy time left').toBe(2);
  stop.abort();
});

test('without --expose-gc nothing is done', () => {
  vi.stubGlobal('gc', undefined);
  collectGarbage(new AbortController().signal);
  expect(vi.getTimerCount()).toBe(0);
});
