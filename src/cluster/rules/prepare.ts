// SPDX-License-Identifier: Apache-2.0
// The rule that records the authorities, and makes what else the first pods need in the same step.
import type { Observed } from '../observed.ts';
import type { Side } from '../render/certificates.ts';
import { authorityRule, certificateRule } from './certificates.ts';
import { childrenRule, isService } from './children.ts';
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
 * With the leaves and the Services, while they are still to be made: keys and requests take the time of one of them then.
 * Nothing is acknowledged until a cluster is formed, and whichever of these is there without the others, the next pass
 * makes them agree; the StatefulSet comes after all of them.
 */
function prepared(o: Observed, record: Recording): Step | undefined {
  if (o.identity?.phase !== 'Forming' || o.children.some((c) => c.foreign !== undefined)) return undefined;
  const [leaves, others] = [certificateRule(o)?.step, childrenRule(o)?.step];
  if (leaves?.action !== 'WriteSecrets' || others?.action !== 'PutChildren') return undefined;
  const { secrets } = leaves;
  const { children } = others;
  const first = [...secrets.map((s) => s.secret), ...children.map((c) => c.live)].every((x) => x === undefined);
  if (!first || !children.every(isService)) return undefined;
  const message = `${record.message}; issuing certificates and creating the Services`;
  return { action: 'Prepare', ...record, secrets, children, message };
}
