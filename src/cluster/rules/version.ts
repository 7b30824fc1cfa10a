// SPDX-License-Identifier: Apache-2.0
// Compares what members run with what they are to run: a digest, or a tag that was moved, can hold another version.
import type { Observed } from '../observed.ts';
import type { Finding, Ruling } from './rule.ts';

function otherVersion(o: Observed, remedy: string): Finding | undefined {
  const wanted = o.identity?.formation.version;
  const others = o.members.flatMap(({ name, status }) => {
    const runs = /^\d+\.\d+\.\d+/.exec(status?.version ?? '')?.[0];
    return runs === undefined || runs === wanted ? [] : [`${name} runs etcd ${runs}`];
  });
  if (others.length === 0) return undefined;
  const message = `${others.join(', ')}, not ${wanted}: the image holds another version than spec.version says; ${remedy}`;
  return { kind: 'blocked', reason: 'VersionMismatch', message };
}

/** Never formed with a version that nobody asked for: it may be one that is refused, and its data is bound to it. */
export function formingVersionRule(o: Observed): Ruling | undefined {
  if (o.identity?.phase !== 'Forming') return undefined;
  const finding = otherVersion(o, 'correct spec.image or spec.version');
  return finding === undefined ? undefined : { finding, stop: true };
}

export function versionRule(o: Observed): Ruling | undefined {
  if (o.identity?.phase !== 'Formed') return undefined;
  const remedy =
    'let no member restart until it is clear what the image holds, since data of a newer minor opens with no older one';
  const finding = otherVersion(o, remedy);
  return finding === undefined ? undefined : { finding };
}
