// SPDX-License-Identifier: Apache-2.0
// The rule that records the authorities, and makes the first pods in the same step.
import type { Observed } from '../observed.ts';
import type { Side } from '../render/certificates.ts';
import { authorityRule, certificateRule } from './certificates.ts';
import { childrenRule, statefulSetRule } from './children.ts';
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
 * With the leaves and the first pods, where none of it is there yet and nothing stands against any of it: until a cluster
 * is formed nothing was acknowledged, and whichever of these is there without the others, the next pass makes them agree.
 */
function prepared(o: Observed, record: Recording): Step | undefined {
  const hindered = o.pods.length > 0 || [...o.secrets, ...o.children].some((x) => x.foreign !== undefined);
  if (o.identity?.phase !== 'Forming' || hindered) return undefined;
  const [leaves, set, others] = [certificateRule(o)?.step, statefulSetRule(o)?.step, childrenRule(o)?.step];
  if (leaves?.action !== 'WriteSecrets' || set?.action !== 'PutChildren' || others?.action !== 'PutChildren')
    return undefined;
  const children = [...set.children, ...others.children];
  const first = [...leaves.secrets.map((s) => s.secret), ...children.map((c) => c.live)].every((x) => x === undefined);
  if (!first || others.children.some((c) => c.child.resource.kind !== 'Service')) return undefined;
  const message = `${record.message}; issuing certificates, creating the Services and the StatefulSet`;
  return { action: 'Prepare', ...record, secrets: leaves.secrets, children, message };
}
