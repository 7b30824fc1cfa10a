// SPDX-License-Identifier: Apache-2.0
// Tests of when an upload counts as stalled.
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createLogger } from '../../telemetry/log.ts';
import { Progress } from './progress.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const MINUTE_MS = 60_000;

it.each([
  ['is stalled when nothing has moved for minutes', 0, 1],
  ['is not stalled while bytes leave, however few', 1, 0],
])('an upload %s', async (_, bytes, calls) => {
  const stalled = vi.fn<(error: Error) => void>();
  const progress = new Progress(createLogger('silent'), stalled);
  for (let minute = 0; minute < 10; minute += 1) {
    await vi.advanceTimersByTimeAsync(MINUTE_MS);
    progress.sent += bytes;
  }
  progress.stop();
  expect(stalled).toHaveBeenCalledTimes(calls);
});
