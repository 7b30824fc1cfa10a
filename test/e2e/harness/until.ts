// SPDX-License-Identifier: Apache-2.0
// Waiting for a condition with a deadline, and a message that says what was seen instead.
import { setTimeout as delay } from 'node:timers/promises';
import { stringify } from 'yaml';

const pollMs = 100;
const shownLines = 120;

export interface Wait<T> {
  /** How long the condition may take, in milliseconds. */
  within: number;
  /** Reads the state; what it throws counts as not yet. */
  read: () => Promise<T>;
  /** True, or a sentence on what is still wrong. */
  holds: (seen: T) => boolean | string;
}

/** Resolves with the first state for which the condition holds; throws with the last one seen. `what` is a sentence. */
export async function until<T>(what: string, { within, read, holds }: Wait<T>): Promise<T> {
  const start = performance.now();
  let seen: T | undefined;
  let wrong = 'nothing was read';
  for (;;) {
    try {
      seen = await read();
      const verdict = holds(seen);
      if (verdict === true) return seen;
      wrong = verdict === false ? 'the condition does not hold' : verdict;
    } catch (error) {
      wrong = error instanceof Error ? error.message : String(error);
    }
    if (performance.now() - start > within) break;
    await delay(pollMs);
  }
  throw new Error(`not within ${within / 1000} s: ${what}\n${wrong}\nlast seen:\n${excerpt(seen)}`);
}

/** Throws as soon as the condition stops to hold within the time; for what must not happen. */
export async function throughout<T>(what: string, { within, read, holds }: Wait<T>): Promise<void> {
  const start = performance.now();
  while (performance.now() - start < within) {
    const seen = await read();
    const verdict = holds(seen);
    if (verdict !== true) {
      const after = ((performance.now() - start) / 1000).toFixed(1);
      throw new Error(
        `after ${after} s no longer: ${what}\n${verdict === false ? '' : verdict}\nseen:\n${excerpt(seen)}`,
      );
    }
    await delay(pollMs);
  }
}

function excerpt(value: unknown): string {
  if (value === undefined) return '(nothing)';
  const lines = stringify(value, (key, entry: unknown) => (key === 'managedFields' ? undefined : entry)).split('\n');
  return lines.length > shownLines
    ? `${lines.slice(0, shownLines).join('\n')}\n… ${lines.length - shownLines} more lines`
    : lines.join('\n');
}
