// SPDX-License-Identifier: Apache-2.0
// Keys made in advance: ready at once, and made when nobody needs the processor.
import { createPrivateKey } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { KeyPool } from './keys.ts';

describe('KeyPool', () => {
  it('hands out keys made in advance, and makes one when it has none', async () => {
    const pool = new KeyPool({ ready: { 2048: 1, 3072: 0 }, quietMs: 0 });
    await expect.poll(() => pool.ready(2048), { timeout: 8_000 }).toBe(1);
    const [ready, made, large] = await Promise.all([pool.take(2048), pool.take(2048), pool.take(3072)]);
    pool.close();
    expect(new Set([ready, made, large]).size).toBe(3);
    const sizes = [ready, made, large].map((k) => createPrivateKey(k).asymmetricKeyDetails?.modulusLength);
    expect(sizes).toEqual([2048, 2048, 3072]);
  });

  it('leaves the processor to others for as long as it is asked to pause', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    try {
      const pool = new KeyPool({ ready: { 2048: 1, 3072: 0 }, quietMs: 1_000 });
      for (let i = 0; i < 5; i += 1) {
        vi.advanceTimersByTime(900);
        pool.pause();
      }
      expect(vi.getTimerCount(), 'it waits').toBe(1);
      vi.advanceTimersByTime(1_000);
      expect(vi.getTimerCount(), 'it makes a key').toBe(0);
      pool.close();
    } finally {
      vi.useRealTimers();
    }
  });
});
