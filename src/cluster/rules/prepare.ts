// SPDX-License-Identifier: Apache-2.0
// The rule that records the authorities, and makes everything for the first pods in the same step.
import type { Observed } from '../observed.ts';
import type { Side } from '../render/certificates.ts';
import { authorityRule, certificateRule } from './certificates.ts';
import { childrenRule, isClaim, statefulSetRule } from './children.ts';
import type { Ruling, Step } from './rule.ts';

export function prepareRule(o: Observed): Ruling | undefined {
  // One that is lost, replaced or unusable is not recorded.
  if (o.identity === undefined || o.identity.authorities !== undefined || authorityRule(o) !== undefined)
    return undefined;
  const print = (side: Side) => o.authorities.find((a) => a.side === side)?.fingerprint;
  const [peer, client] = [print('peer'), print('client')];
  if (peer === undefined || client === undefined) return undefined;
  const identity = { ...o.identity, authorities: { peer, client } };
  const message = 'recording the fingerprints of the certificate authorities';
  const record = { identity, replaces: o.config?.metadata.resourceVersion, reason: 'AuthoritiesRecorded', message };
  return { step: prepared({ ...o, identity }, record) ?? { action: 'RecordIdentity', ...record } };
}

type Recording = Omit<Extract<Step, { action: 'RecordIdentity' }>, 'action'>;

/**
 * With all that follows from the record, where nothing stands against any of it and no pod was made yet. Until a cluster
 * is formed nothing was acknowledged, and whichever of these is there without the others, the next pass makes them agree.
 * A kubelet begins with a pod when its volume is bound, which takes longer than to write the Secrets that it mounts.
 */
function prepared(o: Observed, record: Recording): Step | undefined {
  if (o.identity?.phase !== 'Forming' || o.pods.length > 0) return undefined;
  const rulings = [certificateRule(o), statefulSetRule(o), childrenRule(o)];
  if (rulings.some((r) => r?.finding !== undefined)) return undefined;
  const [certificates, set, others] = rulings.map((r) => r?.step);
  if (certificates?.action !== 'WriteSecrets' || set?.action !== 'PutChildren' || others?.action !== 'PutChildren')
    return undefined;
  if (others.children.some(isClaim)) return undefined;
  const message = `${record.message}, ${certificates.message}, ${set.message}, ${others.message}`;
  const [secrets, children] = [certificates.secrets, [...set.children, ...others.children]];
  return { action: 'Prepare', ...record, secrets, children, message };
}
