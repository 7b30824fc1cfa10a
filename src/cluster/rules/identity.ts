// SPDX-License-Identifier: Apache-2.0
// Rules on the identity record: draw it once, bring it back from the claims, draw it anew while nothing was formed.
import { isDeepStrictEqual } from 'node:util';
import { childNames } from '../../api/names.ts';
import { claimIdentity, drawIdentity, formationOf } from '../identity.ts';
import type { Observed } from '../observed.ts';
import { foreignRuling } from './foreign.ts';
import type { Ruling } from './rule.ts';

export function identityRule(o: Observed): Ruling | undefined {
  const config = childNames(o.cluster.metadata.name).config;
  if (o.configForeign !== undefined) return foreignRuling(o, 'ConfigMap', config, o.configForeign);
  if (o.identity !== undefined) return undefined;
  const replaces = o.config?.metadata.resourceVersion;
  const recovered = o.recovered;
  if (recovered?.kind === 'refused') {
    return { stop: true, finding: { kind: 'blocked', reason: 'MixedData', message: recovered.message } };
  }
  if (recovered?.kind === 'waiting') {
    return { stop: true, finding: { kind: 'progress', reason: 'WaitingForDeletion', message: recovered.message } };
  }
  if (recovered?.kind === 'identity') {
    const { identity, from } = recovered;
    const step = { action: 'RecordIdentity', identity, replaces, event: true } as const;
    const message = `taking over the data of ${identity.members.length} members (genesis ${identity.genesis})`;
    if (from === 'claims') return { step: { ...step, reason: 'DataAdopted', message } };
    return { step: { ...step, reason: 'ChildrenRestored', message: `putting back ConfigMap ${config}` } };
  }
  // The status names a genesis only of a formed cluster. Without it nothing was ever acknowledged.
  if (o.cluster.status?.genesis !== undefined) {
    const why = o.identityProblem ?? `the ConfigMap ${config} is gone`;
    const message = `${why}, and no claim says which data belongs to this cluster; restore the ConfigMap or the claims from a backup`;
    return { stop: true, finding: { kind: 'blocked', reason: 'IdentityLost', message } };
  }
  const identity = drawIdentity(o.cluster.metadata.name, formationOf(o.spec));
  const message = `forming a new cluster of ${identity.members.length} members (genesis ${identity.genesis})`;
  return { step: { action: 'RecordIdentity', identity, replaces, reason: 'Bootstrapping', message, event: true } };
}

/**
 * Until the cluster is formed no client holds a certificate, so nothing can have been acknowledged: a corrected spec is
 * taken by forming the cluster anew. The new genesis keeps whatever the first attempt wrote out of sight.
 */
export function reformRule(o: Observed): Ruling | undefined {
  if (o.identity === undefined || o.identity.phase === 'Formed') return undefined;
  // One step before it counts as formed: that step comes first, and the edit is one of a formed cluster then.
  const { genesis } = o.identity;
  const marks = o.claims.map(claimIdentity);
  if (marks.some((m) => m?.formed === true && m.genesis === genesis)) return undefined;
  const wanted = formationOf(o.spec);
  if (isDeepStrictEqual(wanted, o.identity.formation)) return undefined;
  const drawn = drawIdentity(o.cluster.metadata.name, wanted);
  const identity = o.identity.authorities === undefined ? drawn : { ...drawn, authorities: o.identity.authorities };
  const message = `the spec changed before the cluster was formed: forming it anew (genesis ${identity.genesis})`;
  const replaces = o.config?.metadata.resourceVersion;
  return { step: { action: 'RecordIdentity', identity, replaces, reason: 'Bootstrapping', message, event: true } };
}
