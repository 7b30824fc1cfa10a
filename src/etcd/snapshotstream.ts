// SPDX-License-Identifier: Apache-2.0
// Streams a snapshot from one member with back-pressure, on a connection with a large flow-control window.
import { Readable } from 'node:stream';
import { type Channel, type ChannelCredentials, Client, type ClientReadableStream, credentials } from '@grpc/grpc-js';
import { clientAddress, dial } from './channel.ts';
import { cancelled, EtcdError } from './errors.ts';
import type { CallOptions, Endpoint } from './types.ts';
import { bigintOf, type SnapshotResponse, snapshotRpc } from './wire.ts';

const DEFAULT_STALL_MS = 30_000;

/** Bytes that the member may send before we have taken them: a full pipe over any sensible distance. */
const FLOW_CONTROL_WINDOW = 4 << 20;

/** Bytes held on our side before the source is told to wait. */
const HIGH_WATER_MARK = 1 << 20;

/** The SHA-256 that ends a snapshot. */
const TRAILER_BYTES = 32;

type Source = ClientReadableStream<SnapshotResponse>;

/** Buffers of the raw database, then 32 bytes of SHA-256. Fails with EtcdError; destroying it cancels the call. */
export class SnapshotStream extends Readable {
  /** Bytes to come in all, trailer included, as announced with the first piece. */
  readonly announcedSize: number;
  /** Version of the database format, such as `3.6.0`: restore with that etcd minor or a newer one. Empty from etcd 3.5. */
  readonly storageVersion: string;
  readonly #source: Source;
  readonly #channel: Channel;
  readonly #subject: string;
  readonly #stallMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #abort = (): void => void this.destroy();
  #first: Buffer | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(o: { source: Source; channel: Channel; first: SnapshotResponse; subject: string; limits: CallOptions }) {
    super({ highWaterMark: HIGH_WATER_MARK });
    this.announcedSize = Number(bigintOf(o.first.remaining_bytes)) + o.first.blob.length + TRAILER_BYTES;
    this.storageVersion = o.first.version;
    this.#first = o.first.blob;
    this.#source = o.source;
    this.#channel = o.channel;
    this.#subject = o.subject;
    this.#stallMs = o.limits.timeoutMs ?? DEFAULT_STALL_MS;
    this.#signal = o.limits.signal;
    this.#signal?.addEventListener('abort', this.#abort);
    o.source.on('data', (piece: SnapshotResponse) => this.#accept(piece.blob));
    o.source.on('end', () => this.#finish());
    o.source.on('error', (e) => this.destroy(EtcdError.from(e, this.#subject)));
  }

  override _read(): void {
    if (this.#first !== undefined) {
      const first = this.#first;
      this.#first = undefined;
      if (!this.push(first)) return;
    }
    // Only while we ask for data is its absence a fault of the member: a slow consumer has all the time it wants.
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.#stalled(), this.#stallMs);
    else this.#timer.refresh();
    this.#source.resume();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#abort);
    this.#source.cancel();
    this.#channel.close();
    const stopped = error === null && this.#signal?.aborted === true && !this.readableEnded;
    done(stopped ? cancelled(this.#subject, this.#signal) : error);
  }

  #accept(blob: Buffer): void {
    if (this.destroyed || blob.length === 0) return;
    if (this.push(blob)) this.#timer?.refresh();
    else this.#rest();
  }

  #rest(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#source.pause();
  }

  #finish(): void {
    clearTimeout(this.#timer);
    this.push(null);
  }

  #stalled(): void {
    const seconds = this.#stallMs / 1000;
    this.destroy(new EtcdError('DeadlineExceeded', `${this.#subject}: the member sent nothing for ${seconds} s`));
  }
}

/** Resolves when the first piece is there, so that a member which cannot be reached is an error of the call itself. */
export function openSnapshot(e: Endpoint, creds: ChannelCredentials, limits: CallOptions): Promise<SnapshotStream> {
  const subject = `${e.name}: snapshot`;
  const { signal, timeoutMs = DEFAULT_STALL_MS } = limits;
  if (signal?.aborted === true) return Promise.reject(cancelled(subject, signal));
  const channel = dial(e, creds, {
    'grpc-node.flow_control_window': FLOW_CONTROL_WINDOW,
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 5_000,
  });
  const client = new Client(clientAddress(e), credentials.createInsecure(), { channelOverride: channel });
  const source: Source = client.makeServerStreamRequest(snapshotRpc.path, snapshotRpc.encode, snapshotRpc.decode, {});
  return new Promise((resolve, reject) => {
    const fail = (error: EtcdError): void => {
      settle();
      source.on('error', () => undefined);
      source.cancel();
      channel.close();
      reject(error);
    };
    const onAbort = (): void => fail(cancelled(subject, signal));
    const onError = (error: Error): void => fail(EtcdError.from(error, subject));
    const onEnd = (): void => fail(new EtcdError('DataCorrupt', `${subject}: the member sent an empty snapshot`));
    const onFirst = (first: SnapshotResponse): void => {
      source.pause();
      settle();
      resolve(new SnapshotStream({ source, channel, first, subject, limits }));
    };
    const late = new EtcdError('DeadlineExceeded', `${subject}: the member sent nothing for ${timeoutMs / 1000} s`);
    const timer = setTimeout(() => fail(late), timeoutMs);
    const settle = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      source.off('data', onFirst).off('error', onError).off('end', onEnd);
    };
    signal?.addEventListener('abort', onAbort);
    source.once('data', onFirst).once('error', onError).once('end', onEnd);
  });
}
