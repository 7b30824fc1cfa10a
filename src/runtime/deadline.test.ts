// SPDX-License-Identifier: Apache-2.0
// Deadlines fire for the right reason and leave nothing behind.
import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { pause, unlessAborted, within } from './deadline.ts';

const never = (signal: AbortSignal) =>
  new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));

describe('within', () => {
  it('gives the result, and leaves no listener on the outer signal', async () => {
    const outer = new AbortController();
    expect(await within(1000, outer.signal, () => Promise.resolve(7))).toBe(7);
    expect(getEventListeners(outer.signal, 'abort')).toHaveLength(0);
  });

  it('fires with a Timeout when the time has passed', async () => {
    await expect(within(1, undefined, never)).rejects.toMatchObject({ code: 'Timeout' });
  });

  it("fires with the outer signal's reason, also when that fired before", async () => {
    const reason = new Error('stop');
    const outer = new AbortController();
    const running = within(1000, outer.signal, never);
    outer.abort(reason);
    await expect(running).rejects.toBe(reason);
    const seen = await within(1000, outer.signal, (signal) => Promise.resolve(signal.reason as unknown));
    expect(seen).toBe(reason);
  });
});

describe('unlessAborted', () => {
  it('gives the result, and leaves no listener', async () => {
    const outer = new AbortController();
    expect(await unlessAborted(Promise.resolve(7), outer.signal)).toBe(7);
    expect(getEventListeners(outer.signal, 'abort')).toHaveLength(0);
  });

  it('ends with the reason of its signal, also before the work does, and whatever becomes of that', async () => {
    const reason = new Error('stop');
    const outer = new AbortController();
    const work = Promise.withResolvers<never>();
    const waiting = unlessAborted(work.promise, outer.signal);
    outer.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    await expect(unlessAborted(work.promise, outer.signal)).rejects.toBe(reason);
    work.reject(new Error('unseen'));
  });
});

describe('pause', () => {
  it('ends by itself without leaving a listener, and at once when its signal fires', async () => {
    const outer = new AbortController();
    await pause(1, outer.signal);
    expect(getEventListeners(outer.signal, 'abort')).toHaveLength(0);
    const long = pause(60_000, outer.signal);
    outer.abort();
    await expect(long).rejects.toMatchObject({ code: 'Timeout' });
    await expect(pause(60_000, outer.signal)).rejects.toMatchObject({ code: 'Timeout' });
  });
});
