// SPDX-License-Identifier: Apache-2.0
// Which etcd versions are run: what is supported, what is refused as unsafe, what is advised against, and their images.

export const VERSION_PATTERN = '^3\\.(5|6|7)\\.(0|[1-9][0-9]{0,2})$';
export const VERSION_SAYS = 'must be X.Y.Z of etcd 3.5, 3.6 or 3.7 without a leading v, such as 3.6.16';

/** Tested with every change of the operator. */
export const TESTED_VERSIONS: readonly string[] = ['3.5.33', '3.6.16', '3.7.3'];

export const DEFAULT_REPOSITORY = 'gcr.io/etcd-development/etcd';

interface Fault {
  readonly minor: string;
  /** The first patch of the minor without it. */
  readonly fixedIn: number;
  /** Refused: it can cost data. Advised: it cannot here, but is worth an upgrade. */
  readonly kind: 'refused' | 'advised';
  readonly what: string;
}

/** From etcd's release notes, upgrade guides and advisories; the gravest of a minor first. */
export const FAULTS: readonly Fault[] = [
  { minor: '3.5', fixedIn: 3, kind: 'refused', what: 'members can silently differ after a crash' },
  { minor: '3.5', fixedIn: 6, kind: 'refused', what: 'a crash during defragmentation can damage the database' },
  { minor: '3.5', fixedIn: 14, kind: 'refused', what: 'the revision can go backwards after a crash' },
  {
    minor: '3.5',
    fixedIn: 23,
    kind: 'refused',
    what: 'defragmentation while a snapshot is applied can corrupt the database',
  },
  {
    minor: '3.5',
    fixedIn: 26,
    kind: 'refused',
    what: 'an upgrade to 3.6 can bring removed members back and turn promoted members into learners again',
  },
  { minor: '3.5', fixedIn: 31, kind: 'advised', what: 'updating a member can promote a learner' },
  { minor: '3.5', fixedIn: 33, kind: 'advised', what: 'TLS handshakes without a certificate can exhaust it' },
  {
    minor: '3.6',
    fixedIn: 5,
    kind: 'refused',
    what: 'defragmentation while a snapshot is applied can corrupt the database',
  },
  { minor: '3.6', fixedIn: 12, kind: 'advised', what: 'updating a member can promote a learner' },
  { minor: '3.6', fixedIn: 14, kind: 'advised', what: 'TLS handshakes without a certificate can exhaust it' },
  { minor: '3.7', fixedIn: 1, kind: 'advised', what: 'TLS handshakes without a certificate can exhaust it' },
];

const minorOf = (version: string): string => version.slice(0, version.lastIndexOf('.'));
const patchOf = (version: string): number => Number(version.slice(version.lastIndexOf('.') + 1));
const testedOf = (minor: string): string | undefined => TESTED_VERSIONS.find((v) => minorOf(v) === minor);

const faultsOf = (version: string, kind: Fault['kind']): Fault[] =>
  FAULTS.filter((f) => f.kind === kind && f.minor === minorOf(version) && patchOf(version) < f.fixedIn);

/** The oldest version of a minor that is not refused. */
export const floorOf = (minor: string): string =>
  `${minor}.${Math.max(0, ...FAULTS.filter((f) => f.kind === 'refused' && f.minor === minor).map((f) => f.fixedIn))}`;

/** Why the version is refused; undefined when it may run. */
export function versionRefusal(version: string): string | undefined {
  const tested = testedOf(minorOf(version));
  if (tested === undefined) return `${version} is not supported; use one of ${TESTED_VERSIONS.join(', ')}`;
  const fault = faultsOf(version, 'refused')[0];
  if (fault === undefined) return undefined;
  const floor = floorOf(fault.minor);
  return `${version} is refused, because before ${fault.minor}.${fault.fixedIn} ${fault.what}; use ${floor} or later, best ${tested}`;
}

/** Advice about a version that may run; undefined when there is none. */
export function versionAdvice(version: string): string | undefined {
  const fault = faultsOf(version, 'advised').at(-1);
  if (fault === undefined) return undefined;
  return `etcd ${version}: before ${fault.minor}.${fault.fixedIn} ${fault.what}; ${testedOf(fault.minor)} is recommended`;
}

/** The official image of a version, or the digest that the spec pins. */
export function etcdImage(
  image: { readonly repository: string; readonly digest?: string | undefined },
  version: string,
): string {
  return image.digest === undefined ? `${image.repository}:v${version}` : `${image.repository}@${image.digest}`;
}
