// SPDX-License-Identifier: Apache-2.0
// Text that others wrote, such as a pod's last words, made fit for a condition, an Event and a terminal.

/** Ends of lines, escapes of a terminal, and what turns the direction of writing. */
const UNSEEN = /[\s\p{Cc}\p{Bidi_Control}]+/gu;

/** One line without control characters, so that no text can forge another line, or colour and move what is around it. */
export const oneLine = (text: string): string => text.replace(UNSEEN, ' ').trim();

/** The beginning of a text that takes at most so many bytes, without a torn character at its end. */
export function firstBytes(text: string, limit: number): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= limit) return text;
  return new TextDecoder().decode(bytes.subarray(0, limit), { stream: true });
}
