// SPDX-License-Identifier: Apache-2.0
// Splits a byte stream into lines, whatever the pieces it arrives in.

/** Longest line kept, in bytes: larger than any object that the API server stores. */
const MAX_LINE = 8 * 1024 * 1024;

export class LineSplitter {
  readonly #decoder = new TextDecoder();
  #rest = '';

  /** Whole lines of the stream so far, without their ends; throws RangeError on a line that never ends. */
  push(chunk: Uint8Array): string[] {
    const lines = (this.#rest + this.#decoder.decode(chunk, { stream: true })).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > MAX_LINE) throw new RangeError('a line of the watch is too long');
    return lines.filter((l) => l !== '');
  }

  /** True when the stream ended in the middle of a line. */
  get cut(): boolean {
    return this.#rest !== '';
  }
}
