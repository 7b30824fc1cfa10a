// SPDX-License-Identifier: Apache-2.0
// Names of a backup's objects in the store: always below the namespace and the UID of their own cluster.

export interface KeyParts {
  /** From the spec; may be empty. */
  readonly prefix: string;
  readonly namespace: string;
  readonly cluster: string;
  readonly clusterUid: string;
  readonly backupUid: string;
  /** Creation time of the EtcdBackup, RFC 3339: the same for every attempt. */
  readonly created: string;
}

/** Longest key of S3, in bytes. */
const MAX_KEY_BYTES = 1024;
const SEGMENT = /^(?!\.{1,2}$)[A-Za-z0-9!_.=*'()-]+$/;
const NAME = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
const UID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Throws RangeError for a prefix with empty, `.` or `..` segments or with characters that are not plain in every store
 * (escapes, NUL, backslash); slashes at either end do not matter.
 */
export function normalizePrefix(prefix: string): string {
  const trimmed = prefix.replace(/^\/+|\/+$/g, '');
  if (trimmed === '') return '';
  for (const segment of trimmed.split('/')) {
    if (!SEGMENT.test(segment))
      throw new RangeError(`the prefix may hold segments of letters, digits and !_.=*'()- only`);
  }
  return `${trimmed}/`;
}

/** `<prefix>/<namespace>/<cluster>-<cluster UID>/`: everything of one cluster, and of no other. */
export function clusterPrefix(k: KeyParts): string {
  if (!NAME.test(k.namespace) || !NAME.test(k.cluster)) throw new RangeError('not a namespace or cluster name');
  if (!UID.test(k.clusterUid) || !UID.test(k.backupUid)) throw new RangeError('not a UID');
  return `${normalizePrefix(k.prefix)}${k.namespace}/${k.cluster}-${k.clusterUid}/`;
}

const stamp = (created: string): string => {
  const at = new Date(created);
  if (Number.isNaN(at.getTime())) throw new RangeError('not a time');
  return at
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replace(/[-:]/g, '');
};

const checked = (key: string): string => {
  if (Buffer.byteLength(key) > MAX_KEY_BYTES)
    throw new RangeError(`the object's key would exceed ${MAX_KEY_BYTES} bytes`);
  return key;
};

/** What the names of this backup's objects start with, whatever the attempt. */
export const backupPrefix = (k: KeyParts): string => checked(`${clusterPrefix(k)}${stamp(k.created)}-`);

/** First eight digits of the UID: enough to tell apart what one cluster made within one second. */
const short = (uid: string): string => uid.slice(0, 8);

/**
 * `<time>-<revision>-<uid>.db.zst`, and `….2.db.zst` for a second attempt: attempts never share a name, so that a lost
 * pod that is still alive somewhere cannot touch what its successor wrote.
 */
export function dataKey(k: KeyParts, revision: bigint, attempt: number): string {
  const suffix = attempt === 1 ? '' : `.${attempt}`;
  return checked(`${backupPrefix(k)}${revision}-${short(k.backupUid)}${suffix}.db.zst`);
}

/**
 * The same for every attempt and every revision: creating it is the one moment at which a backup comes to exist, and
 * only one attempt can.
 */
export const manifestKey = (k: KeyParts): string => checked(`${backupPrefix(k)}${short(k.backupUid)}.manifest.json`);

/** True for data objects of this backup, of any attempt. */
export function isDataKey(k: KeyParts, key: string): boolean {
  const start = backupPrefix(k);
  if (!key.startsWith(start)) return false;
  const match = /^\d+-([0-9a-f]{8})(?:\.\d+)?\.db\.zst$/.exec(key.slice(start.length));
  return match?.[1] === short(k.backupUid);
}
