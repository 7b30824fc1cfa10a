// SPDX-License-Identifier: Apache-2.0
// An S3 bucket as a backup store: create-only uploads in parts, which leave nothing behind when they fail.
import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import type * as S3 from '@aws-sdk/client-s3';
import { pause } from '../../runtime/client.ts';
import { BackupError, OutcomeUnknown } from '../failures.ts';
import type { EgressGuard } from './egress.ts';
import { type Part, partBytes, sendParts } from './parts.ts';
import { type ConnectedS3, connectS3, type S3Settings } from './s3client.ts';
import { isConflict, outcomeUnknown, s3Failure, s3Reason } from './s3errors.ts';
import type { BackupStore, CreatedObject, CreateOptions, StoredObject } from './store.ts';

/** Parts in memory, most of them in flight: with parts of 8 MiB, 32 MiB. */
const BUFFERS = 4;
/** To clean up after an upload that was aborted itself. */
const CLEANUP_MS = 15_000;
/** For a store that is busy with another write of the same name. */
const CONFLICT_TRIES = 5;
const CONFLICT_PAUSE_MS = 1_000;
/** Metadata key of the random mark of an upload. */
const UPLOAD_MARK = 'quorate-upload';

/** `onSent`: called with the bytes of bodies as they leave, also of those that are sent again. */
export async function openS3Store(
  settings: S3Settings,
  guard: EgressGuard,
  onSent: (bytes: number) => void,
): Promise<BackupStore> {
  return new S3Store(settings.bucket, await connectS3(settings, guard, onSent), await import('@aws-sdk/client-s3'));
}

interface Upload {
  readonly key: string;
  readonly mark: string;
  id?: string;
  /** Set just before the request that makes the object appear. */
  published?: boolean;
}

class S3Store implements BackupStore {
  readonly location: string;
  readonly #bucket: string;
  readonly #endpoint: string;
  readonly #client: S3.S3Client;
  readonly #s3: typeof S3;

  constructor(bucket: string, connected: ConnectedS3, s3: typeof S3) {
    this.location = `s3://${bucket}`;
    this.#bucket = bucket;
    this.#endpoint = connected.endpoint;
    this.#client = connected.client;
    this.#s3 = s3;
  }

  async create(key: string, body: Readable, o: CreateOptions): Promise<CreatedObject> {
    const upload: Upload = { key, mark: randomUUID() };
    const metadata = { ...o.metadata, [UPLOAD_MARK]: upload.mark };
    const parts: { PartNumber: number; ETag: string | undefined }[] = [];
    let single: string | undefined;
    const begun = async (signal: AbortSignal): Promise<string> => {
      const input = { Bucket: this.#bucket, Key: key, Metadata: metadata, ContentType: o.contentType };
      const answer = await this.#client.send(new this.#s3.CreateMultipartUploadCommand(input), { abortSignal: signal });
      if (answer.UploadId === undefined)
        throw new BackupError('StoreRejected', 'the store began an upload without an id');
      upload.id = answer.UploadId;
      return answer.UploadId;
    };
    let beginning: Promise<string> | undefined;
    const send = async (part: Part, stopped: AbortSignal): Promise<void> => {
      const signal = AbortSignal.any([o.signal, stopped]);
      if (part.only) single = await this.#putWhole(upload, part.data, { metadata, contentType: o.contentType, signal });
      else {
        const UploadId = await (beginning ??= begun(signal));
        const input = { Bucket: this.#bucket, Key: key, UploadId, PartNumber: part.number, Body: part.data };
        const answer = await this.#client.send(new this.#s3.UploadPartCommand(input), { abortSignal: signal });
        parts.push({ PartNumber: part.number, ETag: answer.ETag });
      }
      o.onProgress?.(part.data.length);
    };
    try {
      const size = await sendParts(body, { bytes: partBytes(o.expectedBytes ?? 0), buffers: BUFFERS }, send);
      o.signal.throwIfAborted();
      const etag = upload.id === undefined ? single : await this.#complete(upload, parts, o.signal);
      return { key, size, etag, metadata, upload: upload.mark };
    } catch (error) {
      if (o.decisive === true && upload.published === true && (o.signal.aborted || outcomeUnknown(error)))
        throw new OutcomeUnknown(key, error);
      await this.#discard(upload);
      throw error instanceof BackupError ? error : this.#failure(error, 'write');
    }
  }

  /** Atomic, and only if there is no such key. Resolves to the ETag. */
  async #putWhole(
    upload: Upload,
    data: Buffer,
    o: { metadata: Record<string, string>; contentType: string; signal: AbortSignal },
  ): Promise<string | undefined> {
    const input = {
      Bucket: this.#bucket,
      Key: upload.key,
      Body: data,
      Metadata: o.metadata,
      ContentType: o.contentType,
    };
    return this.#publish(upload, o.signal, async (condition) => {
      const answer = await this.#client.send(new this.#s3.PutObjectCommand({ ...input, ...condition }), {
        abortSignal: o.signal,
      });
      return answer.ETag;
    });
  }

  async #complete(upload: Upload, parts: { PartNumber: number; ETag: string | undefined }[], signal: AbortSignal) {
    parts.sort((a, b) => a.PartNumber - b.PartNumber);
    const input = { Bucket: this.#bucket, Key: upload.key, UploadId: upload.id, MultipartUpload: { Parts: parts } };
    return this.#publish(upload, signal, async (condition) => {
      const command = new this.#s3.CompleteMultipartUploadCommand({ ...input, ...condition });
      return (await this.#client.send(command, { abortSignal: signal })).ETag;
    });
  }

  /**
   * Makes the object appear, once. The answer may be lost, and the client's own second try then finds our first: only
   * the mark on the object says whose it is. Stores without conditional writes are asked first instead.
   */
  async #publish(
    upload: Upload,
    signal: AbortSignal,
    attempt: (condition: { IfNoneMatch?: string }) => Promise<string | undefined>,
  ): Promise<string | undefined> {
    upload.published = true;
    for (let tries = 1; ; tries += 1) {
      try {
        return await attempt({ IfNoneMatch: '*' });
      } catch (error) {
        if (signal.aborted) throw error;
        if (s3Reason(error) === 'StoreUnsupported') {
          if ((await this.head(upload.key, signal)) !== undefined) throw this.#failure(taken(), 'write');
          return attempt({});
        }
        const there = await this.head(upload.key, signal).catch(() => undefined);
        if (there?.metadata[UPLOAD_MARK] === upload.mark) return there.etag;
        if (tries === CONFLICT_TRIES || !isConflict(error)) throw error;
        await pause(CONFLICT_PAUSE_MS, signal);
      }
    }
  }

  /** Best effort, with a deadline of its own: the signal of the upload may be what ended it. */
  async #discard(upload: Upload): Promise<void> {
    const signal = AbortSignal.timeout(CLEANUP_MS);
    if (upload.id !== undefined) {
      const input = { Bucket: this.#bucket, Key: upload.key, UploadId: upload.id };
      await this.#client.send(new this.#s3.AbortMultipartUploadCommand(input), { abortSignal: signal }).catch(() => {});
    }
    if (upload.published === true)
      await this.removeIf(upload.key, { [UPLOAD_MARK]: upload.mark }, signal).catch(() => {});
  }

  async head(key: string, signal: AbortSignal): Promise<StoredObject | undefined> {
    try {
      const input = { Bucket: this.#bucket, Key: key };
      const answer = await this.#client.send(new this.#s3.HeadObjectCommand(input), { abortSignal: signal });
      return { key, size: answer.ContentLength ?? 0, etag: answer.ETag, metadata: answer.Metadata ?? {} };
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw this.#failure(error, 'look at an object');
    }
  }

  async open(key: string, signal: AbortSignal): Promise<Readable | undefined> {
    try {
      const input = { Bucket: this.#bucket, Key: key };
      const answer = await this.#client.send(new this.#s3.GetObjectCommand(input), { abortSignal: signal });
      return answer.Body as Readable;
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw this.#failure(error, 'read');
    }
  }

  async list(prefix: string, limit: number, signal: AbortSignal): Promise<{ key: string; size: number }[]> {
    const found: { key: string; size: number }[] = [];
    let token: string | undefined;
    try {
      do {
        const input = {
          Bucket: this.#bucket,
          Prefix: prefix,
          MaxKeys: Math.min(1000, limit - found.length),
          ContinuationToken: token,
        };
        const answer = await this.#client.send(new this.#s3.ListObjectsV2Command(input), { abortSignal: signal });
        for (const o of answer.Contents ?? []) if (o.Key !== undefined) found.push({ key: o.Key, size: o.Size ?? 0 });
        token = answer.IsTruncated === true ? answer.NextContinuationToken : undefined;
      } while (token !== undefined && found.length < limit);
      return found;
    } catch (error) {
      throw this.#failure(error, 'list');
    }
  }

  async removeIf(key: string, metadata: Readonly<Record<string, string>>, signal: AbortSignal): Promise<boolean> {
    const there = await this.head(key, signal);
    if (there === undefined) return true;
    if (Object.entries(metadata).some(([name, value]) => there.metadata[name] !== value)) return false;
    const remove = (condition: { IfMatch?: string }): Promise<unknown> =>
      this.#client.send(new this.#s3.DeleteObjectCommand({ Bucket: this.#bucket, Key: key, ...condition }), {
        abortSignal: signal,
      });
    try {
      await remove(there.etag === undefined ? {} : { IfMatch: there.etag }).catch((error: unknown) => {
        // Not every store knows a condition on a deletion; the mark has just been compared.
        if (['StoreUnsupported', 'StoreRejected'].includes(s3Reason(error))) return remove({});
        throw error;
      });
      return true;
    } catch (error) {
      throw this.#failure(error, 'remove');
    }
  }

  async dropUploads(prefix: string, mine: (key: string) => boolean, signal: AbortSignal): Promise<number> {
    try {
      const input = { Bucket: this.#bucket, Prefix: prefix };
      const answer = await this.#client.send(new this.#s3.ListMultipartUploadsCommand(input), { abortSignal: signal });
      const stale = (answer.Uploads ?? []).filter((u) => u.Key !== undefined && mine(u.Key));
      for (const { Key, UploadId } of stale) {
        const abort = new this.#s3.AbortMultipartUploadCommand({ Bucket: this.#bucket, Key, UploadId });
        await this.#client.send(abort, { abortSignal: signal });
      }
      return stale.length;
    } catch (error) {
      throw this.#failure(error, 'drop unfinished uploads');
    }
  }

  close(): void {
    this.#client.destroy();
  }

  #failure(error: unknown, doing: string): BackupError {
    return s3Failure(error, { bucket: this.#bucket, endpoint: this.#endpoint, doing });
  }
}

const taken = (): Error => Object.assign(new Error('exists'), { name: 'PreconditionFailed' });

/** A missing bucket is no missing object; an answer without a body (HEAD) cannot tell and counts as a missing object. */
const isAbsent = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'NoSuchKey' || error.name === 'NotFound' || error.name === '404');
