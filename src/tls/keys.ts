// SPDX-License-Identifier: Apache-2.0
// Generates RSA keys off the event loop and keeps a few in memory, so that forming a cluster does not wait for primes.
import { generateKeyPair } from 'node:crypto';

export type KeyBits = 2048 | 3072;

const SIZES: readonly KeyBits[] = [2048, 3072];

/** Quiet time, in milliseconds, before the pool spends processor time on its own account. */
const QUIET_MS = 3_000;

/** A new RSA private key, PKCS#8 PEM. Runs on the thread pool: 40 to 500 ms of another core, none of the event loop. */
export function generateKey(bits: KeyBits): Promise<string> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, _publicKey: string, privateKey: string): void =>
      error === null ? resolve(privateKey) : reject(error);
    generateKeyPair(
      'rsa',
      {
        modulusLength: bits,
        publicKeyEncoding: { type: 'spki', format: 'pem' },
        privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      },
      done,
    );
  });
}

/**
 * Keys made in advance. `take` hands out a ready key at once, or generates one when none is ready: it never waits for
 * the pool. The pool refills one key at a time, and only when nobody has taken a key or asked for a `pause` for three
 * seconds: members that start have the processor for themselves.
 */
export class KeyPool {
  readonly #target: Readonly<Record<KeyBits, number>>;
  readonly #keys: Record<KeyBits, string[]> = { 2048: [], 3072: [] };
  readonly #quietMs: number;
  #timer: NodeJS.Timeout | undefined;
  #disturbed = performance.now();
  #busy = false;
  #closed = false;

  /** @param o `ready`: how many keys of each size to hold; `quietMs`: quiet time before a refill. */
  constructor(o: { ready: Readonly<Record<KeyBits, number>>; quietMs?: number }) {
    this.#target = o.ready;
    this.#quietMs = o.quietMs ?? QUIET_MS;
    this.#schedule();
  }

  /** How many keys of this size are ready now. */
  ready(bits: KeyBits): number {
    return this.#keys[bits].length;
  }

  async take(bits: KeyBits): Promise<string> {
    const key = this.#keys[bits].shift();
    this.pause();
    return key ?? (await generateKey(bits));
  }

  /** Begins the quiet time anew. */
  pause(): void {
    this.#disturbed = performance.now();
    this.#schedule();
  }

  /** Stops refilling. Keys that are ready can still be taken. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #missing(): KeyBits | undefined {
    return SIZES.find((bits) => this.#keys[bits].length < this.#target[bits]);
  }

  #schedule(): void {
    if (this.#closed || this.#missing() === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#refill(), Math.max(0, this.#disturbed + this.#quietMs - performance.now()));
    this.#timer.unref();
  }

  #refill(): void {
    const bits = this.#missing();
    if (this.#busy || this.#closed || bits === undefined) return;
    this.#busy = true;
    const after = (): void => {
      this.#busy = false;
      this.#schedule();
    };
    // A key that could not be made is no loss: take() generates, and reports the error to who needs the key.
    generateKey(bits)
      .then(
        (key) => void this.#keys[bits].push(key),
        () => void (this.#disturbed = performance.now()),
      )
      .finally(after)
      .catch(() => undefined);
  }
}
