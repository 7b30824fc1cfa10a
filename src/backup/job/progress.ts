// SPDX-License-Identifier: Apache-2.0
// Says how far a backup is, and ends it when nothing has moved for too long.
import type { Logger } from '../../telemetry/log.ts';
import { BackupError } from '../failures.ts';

const SAY_EVERY_MS = 10_000;
const CHECK_EVERY_MS = 1_000;
/** Longer than what the connections wait for by themselves, so that their more precise reasons come first. */
const STALL_MS = 240_000;

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

export class Progress {
  /** Bytes so far of the present attempt: out of etcd, into the store, back from the store. */
  read = (): number => 0;
  checked = (): number => 0;
  stored = 0;
  /** Bytes that left for the store, parts on their way and repeated ones included. */
  sent = 0;
  readonly #log: Logger;
  readonly #started = performance.now();
  readonly #timer: NodeJS.Timeout;
  #moved = performance.now();
  #seen = 0;
  #said = performance.now();

  /** Calls `stalled` at most once. */
  constructor(log: Logger, stalled: (error: BackupError) => void) {
    this.#log = log;
    this.#timer = setInterval(() => this.#check(stalled), CHECK_EVERY_MS);
    this.#timer.unref();
  }

  /** A step without bytes of its own is progress too. */
  step(message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.#moved = performance.now();
    this.#log.info({ ...fields, seconds: this.seconds }, message);
  }

  get seconds(): number {
    return Math.round((performance.now() - this.#started) / 100) / 10;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #check(stalled: (error: BackupError) => void): void {
    const now = performance.now();
    const [read, stored, checked] = [this.read(), this.stored, this.checked()];
    const all = read + stored + checked + this.sent;
    if (all !== this.#seen) {
      this.#seen = all;
      this.#moved = now;
    }
    if (now - this.#said >= SAY_EVERY_MS) {
      this.#said = now;
      this.#log.info(
        { read, stored, checked, seconds: this.seconds },
        `${mib(read)} read, ${mib(stored)} stored, ${mib(checked)} read back`,
      );
    }
    if (now - this.#moved >= STALL_MS) {
      this.stop();
      stalled(
        new BackupError(
          'StoreStalled',
          `nothing moved for ${STALL_MS / 1000} s, after ${mib(read)} read and ${mib(stored)} stored`,
        ),
      );
    }
  }
}
