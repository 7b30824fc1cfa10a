// SPDX-License-Identifier: Apache-2.0
// Tests of when an upload counts as stalled.
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { createLogger, type Logger } from '../../telemetry/log.ts';
import { Progress } from './progress.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const MINUTE_MS = 60_000;

function watched() {
  const stalled = vi.fn<(error: Error) => void>();
  const progress = new Progress(createLogger('silent'), stalled);
  onTestFinished(() => progress.stop());
  return { stalled, progress };
}

it.each([
  ['is stalled when nothing has moved for minutes', 0, 1],
  ['is not stalled while bytes leave, however few', 1, 0],
])('an upload %s', async (_, bytes, calls) => {
  const { stalled, progress } = watched();
  for (let minute = 0; minute < 10; minute += 1) {
    await vi.advanceTimersByTimeAsync(MINUTE_MS);
    progress.sent += bytes;
  }
  expect(stalled).toHaveBeenCalledTimes(calls);
});

it.each<[string, (p: Progress) => void]>([
  ['bytes that are read', (p) => void (p.read = () => 1)],
  ['bytes that are stored', (p) => void (p.stored = 1)],
  ['bytes that are read back', (p) => void (p.checked = () => 1)],
  ['a step without bytes', (p) => p.step('the manifest is written')],
])('after %s an upload has four minutes anew, and no more', async (_, move) => {
  const { stalled, progress } = watched();
  await vi.advanceTimersByTimeAsync(3 * MINUTE_MS);
  move(progress);
  await vi.advanceTimersByTimeAsync(4 * MINUTE_MS - 1_000);
  expect(stalled).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(2_000);
  expect(stalled).toHaveBeenCalledTimes(1);
  expect(stalled.mock.lastCall?.[0]).toMatchObject({
    reason: 'StoreStalled',
    message: expect.stringContaining('240 s') as string,
  });
});

it('how far it is is said every ten seconds', async () => {
  const lines: string[] = [];
  const log = { info: (_: object, text: string) => lines.push(text) } as unknown as Logger;
  const progress = new Progress(log, () => undefined);
  onTestFinished(() => progress.stop());
  progress.stored = 2 ** 20;
  await vi.advanceTimersByTimeAsync(9_999);
  expect(lines).toEqual([]);
  await vi.advanceTimersByTimeAsync(10_001);
  expect(lines).toEqual(Array.from({ length: 2 }, () => '0.0 MiB read, 1.0 MiB stored, 0.0 MiB read back'));
});
