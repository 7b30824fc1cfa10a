// SPDX-License-Identifier: Apache-2.0
// Which etcd versions are run: what is supported, what is refused as unsafe, what is advised against, and their images.

export const VERSION_PATTERN = '^3\\.(5|6|7)\\.(0|[1-9][0-9]{0,2})$';

interface Minor {
  /** Tested with every change of the operator. */
  readonly tested: number;
  /** Older patches lose or corrupt data, or can be brought down by anybody: refused. */
  readonly floor: number;
  readonly floorWhy: string;
  /** Older patches have known faults that do not cost data here. */
  readonly advised: number;
  readonly advisedWhy: string;
}

/** Floors from etcd's release notes and advisories. */
const MINORS: Record<string, Minor> = {
  '3.5': {
    tested: 33,
    floor: 26,
    floorWhy: 'earlier ones can bring removed members back and revert promoted learners',
    advised: 33,
    advisedWhy: 'earlier ones can be exhausted by TLS handshakes without a certificate',
  },
  '3.6': {
    tested: 16,
    floor: 5,
    floorWhy: 'earlier ones can corrupt the database when it is defragmented while a snapshot is applied',
    advised: 14,
    advisedWhy: 'earlier ones can be exhausted by TLS handshakes without a certificate',
  },
  '3.7': {
    tested: 3,
    floor: 0,
    floorWhy: '',
    advised: 1,
    advisedWhy: 'earlier ones can be exhausted by TLS handshakes without a certificate',
  },
}; // prettier-ignore

export const DEFAULT_REPOSITORY = 'gcr.io/etcd-development/etcd';
export const TESTED_VERSIONS: readonly string[] = Object.entries(MINORS).map(([minor, m]) => `${minor}.${m.tested}`);

function split(version: string): { minor: string; known: Minor | undefined; patch: number } {
  const [major, minor, patch] = version.split('.');
  const name = `${major}.${minor}`;
  return { minor: name, known: MINORS[name], patch: Number(patch) };
}

/** Why the version is refused; undefined when it may run. */
export function versionRefusal(version: string): string | undefined {
  const { minor, known, patch } = split(version);
  if (known === undefined) return `${version} is not supported; use one of ${TESTED_VERSIONS.join(', ')}`;
  if (patch >= known.floor) return undefined;
  return `${version} is refused: ${known.floorWhy}; use ${minor}.${known.floor} or later, best ${minor}.${known.tested}`;
}

/** Advice about a version that may run; undefined when there is none. */
export function versionAdvice(version: string): string | undefined {
  const { minor, known, patch } = split(version);
  if (known === undefined || patch >= known.advised) return undefined;
  return `etcd ${version} is older than advised: ${known.advisedWhy}; ${minor}.${known.tested} is recommended`;
}

/** The official image of a version, or the digest that the spec pins. */
export function etcdImage(
  image: { readonly repository: string; readonly digest?: string | undefined },
  version: string,
): string {
  return image.digest === undefined ? `${image.repository}:v${version}` : `${image.repository}@${image.digest}`;
}
