// SPDX-License-Identifier: Apache-2.0
// Rules on the identity record: draw it once, bring it back from the claims, draw it anew while nothing was formed.
import { ANNOTATIONS, childNames } from '../../api/names.ts';
import { edits, formationOf } from '../formation.ts';
import { claimIdentity, drawIdentity, type Identity, isMarkedFormed } from '../identity.ts';
import type { MemberView, Observed } from '../observed.ts';
import { foreignRuling } from './foreign.ts';
import { lostData } from './health.ts';
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
  const formed = o.cluster.status?.genesis;
  if (recovered?.kind === 'identity' && (formed === undefined || recovered.identity.genesis === formed)) {
    const { identity, from, assumed } = recovered;
    const step = { action: 'RecordIdentity', identity, replaces, event: true } as const;
    const unknown =
      assumed === undefined ? '' : `; ${assumed} are taken as they stand, since no claim tells the old ones`;
    const message = `taking over the data of ${identity.members.length} members (genesis ${identity.genesis})${unknown}`;
    if (from === 'claims') return { step: { ...step, reason: 'DataAdopted', message } };
    return { step: { ...step, reason: 'ChildrenRestored', message: `putting back ConfigMap ${config}` } };
  }
  // The status names a genesis only of a formed cluster. Without it nothing was ever acknowledged.
  if (formed !== undefined) {
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
 * taken, and lost data is made up for, by forming the cluster anew. The new genesis keeps whatever the first attempt
 * wrote out of sight.
 */
export function reformRule(o: Observed): Ruling | undefined {
  if (o.identity === undefined || o.identity.phase === 'Formed') return undefined;
  // One step before it counts as formed: that step comes first, and the edit is one of a formed cluster then.
  if (isMarkedFormed(o.claims, o.identity.genesis)) return undefined;
  const why = cause(o, o.identity);
  if (why === undefined) return undefined;
  const drawn = drawIdentity(o.cluster.metadata.name, formationOf(o.spec));
  const identity = o.identity.authorities === undefined ? drawn : { ...drawn, authorities: o.identity.authorities };
  const message = `${why} before the cluster was formed: forming it anew (genesis ${identity.genesis})`;
  const replaces = o.config?.metadata.resourceVersion;
  return { step: { action: 'RecordIdentity', identity, replaces, reason: 'Bootstrapping', message, event: true } };
}

function cause(o: Observed, record: Identity): string | undefined {
  if (edits(o.spec, record.formation).length > 0) return 'the spec changed';
  // What was deleted goes with its pod: nothing may be acknowledged on it.
  const going = o.claims.filter(
    (c) => c.metadata.deletionTimestamp !== undefined && claimIdentity(c)?.genesis === record.genesis,
  );
  if (going.length > 0) return `${going.map((c) => `the claim ${c.metadata.name}`).join(', ')} was deleted`;
  const emptied = o.members.filter((m) => isEmptied(m, record.genesis)).map((m) => m.name);
  return emptied.length === 0 ? undefined : `the data of ${emptied.join(', ')} was lost`;
}

/** Twice in a row, so that storage which never keeps anything is not tried at every look. */
function isEmptied(m: MemberView, genesis: string): boolean {
  const waiting = m.pod?.status?.containerStatuses?.[0]?.state?.waiting?.reason;
  return (
    m.pod?.metadata.annotations?.[ANNOTATIONS.genesis] === genesis && waiting === 'CrashLoopBackOff' && lostData(m)
  );
}
