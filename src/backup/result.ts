// SPDX-License-Identifier: Apache-2.0
// What a Job says at its end: a few hundred bytes of JSON in the pod's termination message.
import { z } from 'zod';
import { type FailureReason, isFailureReason, REMEDIES } from './failures.ts';

const decimal = z.string().regex(/^\d{1,20}$/);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const successSchema = z.object({
  ok: z.literal(true),
  key: z.string().min(1).max(1024),
  manifestKey: z.string().min(1).max(1024),
  /** `s3://bucket` */
  location: z.string().max(128),
  /** Bytes of the snapshot, and of the object in the store. */
  size: z.int().min(0),
  compressedSize: z.int().min(0),
  /** Of the object, and of the database inside it. */
  sha256,
  snapshotSha256: sha256,
  revision: decimal,
  member: z.string().max(253),
  etcdVersion: z.string().max(64),
  clusterId: z.string().regex(/^[0-9a-f]{1,16}$/),
  startTime: z.iso.datetime(),
  completionTime: z.iso.datetime(),
  /** Members tried before, whose snapshot did not match its own checksum. */
  corrupt: z.array(z.string().max(253)).max(9).optional(),
});

const failureSchema = z.object({ ok: z.literal(false), reason: z.string().max(64), message: z.string().max(4096) });

export type JobSuccess = z.infer<typeof successSchema>;
export interface JobFailure {
  readonly ok: false;
  readonly reason: FailureReason;
  readonly message: string;
}
export type JobResult = JobSuccess | JobFailure;

/** The kubelet cuts off what is longer. */
const MAX_BYTES = 4096;
/** Room for the rest of the JSON, and for escapes. */
const MAX_MESSAGE = 1024;

export function encodeResult(result: JobResult): string {
  if (result.ok) return JSON.stringify(result);
  const text = JSON.stringify({ ...result, message: printable(result.message), remedy: REMEDIES[result.reason] });
  return Buffer.byteLength(text) <= MAX_BYTES
    ? text
    : JSON.stringify({ ok: false, reason: result.reason, message: '' });
}

/** `undefined` for anything that is not exactly ours: a pod can write what it likes. */
export function decodeResult(text: string | undefined): JobResult | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
  const success = successSchema.safeParse(value).data;
  if (success !== undefined) return success;
  const failure = failureSchema.safeParse(value).data;
  if (failure === undefined) return undefined;
  const reason = isFailureReason(failure.reason) ? failure.reason : 'Unexpected';
  return { ok: false, reason, message: printable(failure.message) };
}

/** One line without control characters, so that no message can forge another line of a log or of a table. */
export const printable = (text: string): string =>
  text
    // eslint-disable-next-line no-control-regex -- these are the very characters to take out
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ')
    .slice(0, MAX_MESSAGE);
