// SPDX-License-Identifier: Apache-2.0
// The manifest of a backup: written last, and the one thing that makes an object in the store a backup.
import { z } from 'zod';

const decimal = z.string().regex(/^\d{1,20}$/);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
const name = z.string().min(1).max(253);
const hex = z.string().regex(/^[0-9a-f]{1,16}$/);

/** Unknown fields are kept out of the way, so that a later version may add some. */
export const manifestSchema = z.object({
  kind: z.literal('QuorateBackup'),
  formatVersion: z.literal(1),
  backup: z.object({ namespace: name, name, uid: z.uuid(), attempt: z.int().min(1) }),
  cluster: z.object({ name, uid: z.uuid(), clusterId: hex }),
  object: z.object({
    key: z.string().min(1).max(1024),
    /** Bytes in the store. */
    size: z.int().min(1),
    /** Of the bytes in the store. */
    sha256,
    compression: z.literal('zstd'),
  }),
  snapshot: z.object({
    /** Bytes of the decompressed file, checksum at its end included. */
    size: z.int().min(1),
    /** Of the database without the 32 bytes at its end, which are this sum in binary. */
    sha256,
    /** Everything up to this revision is inside. */
    revision: decimal,
    member: z.object({ id: hex, name }),
    etcdVersion: z.string().max(64),
  }),
  startTime: z.iso.datetime(),
  completionTime: z.iso.datetime(),
});

export type Manifest = z.infer<typeof manifestSchema>;

/** No manifest of ours comes near it. */
export const MAX_MANIFEST_BYTES = 65_536;

export function parseManifest(text: string): Manifest | undefined {
  try {
    return manifestSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}
