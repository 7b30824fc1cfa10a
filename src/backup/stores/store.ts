// SPDX-License-Identifier: Apache-2.0
// What a backup needs from an object store, whichever it is.
import type { Readable } from 'node:stream';

export interface StoredObject {
  readonly key: string;
  readonly size: number;
  readonly etag: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
}

/** An object that this process created: `upload` is the random mark by which it is told from everybody else's. */
export interface CreatedObject extends StoredObject {
  readonly upload: string;
}

export interface CreateOptions {
  readonly signal: AbortSignal;
  readonly contentType: string;
  /** Plain ASCII; stored with the object. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Upper estimate of the size in bytes: decides the size of the parts. */
  readonly expectedBytes?: number;
  /** Called with the bytes of each part that arrived. */
  readonly onProgress?: (bytes: number) => void;
  /**
   * That it is there decides something: once the request has left, the object is never taken back, and a failure that
   * leaves open whether the store took it is `OutcomeUnknown`.
   */
  readonly decisive?: boolean;
}

/** Every method throws BackupError; none of its messages holds secrets or bytes that the store sent. */
export interface BackupStore {
  /** For people, without credentials: `s3://bucket`. */
  readonly location: string;
  /**
   * Creates, never overwrites: an existing key is `KeyTaken`. On any failure, and on abort, nothing of it stays behind
   * that looks like an object, as far as the store still answers and unless it is `decisive`.
   */
  create(key: string, body: Readable, o: CreateOptions): Promise<CreatedObject>;
  /** `undefined` if there is none. */
  head(key: string, signal: AbortSignal): Promise<StoredObject | undefined>;
  /** `undefined` if there is none. */
  open(key: string, signal: AbortSignal): Promise<Readable | undefined>;
  /** Everything below the prefix, at most `limit` objects. */
  list(prefix: string, limit: number, signal: AbortSignal): Promise<{ key: string; size: number }[]>;
  /** Removes the object only if it still carries all of these metadata; absent is success. False if it was not ours. */
  removeIf(key: string, metadata: Readonly<Record<string, string>>, signal: AbortSignal): Promise<boolean>;
  /** Drops unfinished uploads of these keys. */
  dropUploads(prefix: string, mine: (key: string) => boolean, signal: AbortSignal): Promise<number>;
  close(): void;
}
