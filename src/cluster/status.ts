// SPDX-License-Identifier: Apache-2.0
// Derives the status of a cluster from what was observed and found. Pure.
import type { EtcdClusterStatus, MemberRecord } from '../api/cluster.ts';
import { LABELS } from '../api/names.ts';
import { versionAdvice } from '../api/versions.ts';
import { type Condition, mergeConditions } from '../runtime/conditions.ts';
import { seconds } from '../runtime/time.ts';
import type { MemberView, Observed } from './observed.ts';
import { authoritySecretName, clientSecretNames, endpointsOf } from './render/certificates.ts';
import { allWhys, blindness, isWell } from './rules/health.ts';
import type { Finding } from './rules/rule.ts';

type Draft = Omit<Condition, 'lastTransitionTime'>;

export interface BackupStatus {
  readonly status: NonNullable<EtcdClusterStatus['backup']>;
  readonly healthy: { readonly status: Condition['status']; readonly reason: string; readonly message: string };
}

/** Reasons that mean the cluster itself cannot be served, whatever the spec says. */
const QUORUM_REASONS = new Set(['QuorumLost']);

export function deriveStatus(
  o: Observed,
  findings: readonly Finding[],
  backup: BackupStatus | undefined,
): EtcdClusterStatus {
  const previous = o.cluster.status;
  return {
    ...(isLost(o) ? previous : figures(o)),
    observedGeneration: o.cluster.metadata.generation ?? 0,
    conditions: conditions(o, findings, backup),
    clientSecrets: clientSecrets(o),
    backup: backup?.status ?? (o.specFailure === undefined ? undefined : previous?.backup),
  };
}

/** It was formed, and nobody can say of which members: what was said last stays. */
const isLost = (o: Observed): boolean => o.known === undefined && o.cluster.status?.genesis !== undefined;

function figures(o: Observed) {
  const previous = o.cluster.status;
  const members = o.members.map((m) =>
    memberRecord(
      m,
      previous?.members?.find((p) => p.name === m.name),
      o.now,
    ),
  );
  const leader = members.find((m) => m.role === 'Leader')?.name;
  const size = Math.max(0, ...o.members.map((m) => m.status?.dbSize ?? 0));
  const formed = o.known?.phase === 'Formed';
  const healthy = members.filter((m) => m.healthy).length;
  const wanted = o.known?.members.length ?? o.spec.replicas;
  return {
    // Once formed, always told: without it nobody would know that there was data when the record is gone.
    genesis: formed ? o.known?.genesis : previous?.genesis,
    clusterId: (formed ? o.quorum.clusterId : undefined) ?? previous?.clusterId,
    version: o.known?.formation.version,
    storage: formed ? o.known?.formation.storage : previous?.storage,
    replicas: wanted,
    readyReplicas: healthy,
    membersSummary: `${healthy}/${wanted}`,
    selector: `${LABELS.cluster}=${o.cluster.metadata.name},app.kubernetes.io/component=member`,
    members,
    leader,
    dbSize: size === 0 ? previous?.dbSize : coarse(size, previous?.dbSize),
    endpoints: o.known === undefined ? [] : endpointsOf(o.cluster, o.known),
    certificates: certificates(o),
  };
}

/**
 * Those of clients, that of backups among them: from before they are made until they are gone. Secrets are never listed, so
 * one that is not named could not be found again once the spec asks for it no longer.
 */
export function clientSecrets(o: Observed): string[] {
  const asked = clientSecretNames(o.cluster, o.spec);
  const unknown = o.known?.phase === 'Formed' ? [] : (o.cluster.status?.clientSecrets ?? []);
  const leaving = o.obsolete.filter((x) => x.resource.kind === 'Secret').map((x) => x.name);
  return [...new Set([...asked, ...unknown, ...leaving])].toSorted();
}

function conditions(o: Observed, findings: readonly Finding[], backup: BackupStatus | undefined): Condition[] {
  const generation = o.cluster.metadata.generation ?? 0;
  const make = (type: string, status: Condition['status'], reason: string, message: string): Draft => ({
    type,
    status,
    reason,
    message,
    observedGeneration: generation,
  });
  const worst = findings[0];
  const version = o.known?.formation.version ?? o.cluster.status?.version ?? o.spec.version;
  const advice = versionAdvice(version);
  const drafts: Draft[] = [];
  if (worst === undefined)
    drafts.push(make('Ready', 'True', 'Ready', `${o.members.length} of ${o.members.length} members serve`));
  else drafts.push(make('Ready', 'False', worst.reason, worst.message));
  if (worst?.kind === 'progress') drafts.push(make('Reconciling', 'True', worst.reason, worst.message));
  if (worst?.kind === 'blocked') drafts.push(make('Stalled', 'True', worst.reason, worst.message));
  drafts.push(available(o, make), membersHealthy(o, make));
  drafts.push(...(isLost(o) ? saidBefore(o, 'TLSReady') : [tlsReady(o, findings, make)]));
  drafts.push(
    advice === undefined
      ? make('VersionCurrent', 'True', 'Current', `etcd ${version}`)
      : make('VersionCurrent', 'False', 'Advised', advice),
  );
  if (backup !== undefined)
    drafts.push(make('BackupHealthy', backup.healthy.status, backup.healthy.reason, backup.healthy.message));
  else if (o.specFailure !== undefined && saidBefore(o, 'BackupHealthy').length > 0)
    drafts.push(make('BackupHealthy', 'Unknown', 'InvalidSpec', 'no backup is made until the spec is corrected'));
  const quorum = findings.find((f) => f.kind === 'blocked' && QUORUM_REASONS.has(f.reason));
  if (quorum !== undefined) drafts.push(make('QuorumLost', 'True', quorum.reason, quorum.message));
  const pending = findings.find((f) => f.reason === 'UnsupportedChange');
  if (pending !== undefined) drafts.push(make('UpdatePending', 'True', pending.reason, pending.message));
  if (o.spec.paused) drafts.push(make('Paused', 'True', 'Paused', 'spec.paused is true: nothing is changed'));
  return mergeConditions(o.cluster.status?.conditions ?? [], drafts, o.now);
}

type Make = (type: string, status: Condition['status'], reason: string, message: string) => Draft;

/** Why nothing can be said of the members yet, or any more. */
function unasked(type: string, o: Observed, make: Make): Draft | undefined {
  if (isLost(o)) {
    return make(
      type,
      'Unknown',
      'CannotVerify',
      'the record of the cluster cannot be read, and nothing else says who its members are',
    );
  }
  if (o.known?.phase !== 'Formed') return make(type, 'False', 'Bootstrapping', 'the cluster is not formed yet');
  const blind = o.quorum.read ? undefined : blindness(o);
  return blind === undefined ? undefined : make(type, 'Unknown', 'CannotVerify', blind);
}

/** What Available says until it is True for the first time. */
const STARTING = new Set(['Bootstrapping', 'CertificatesPending']);

/** A linearizable read just succeeded. The first time clients must have their certificates too; later they go on with those they have. */
function available(o: Observed, make: Make): Draft {
  const unknown = unasked('Available', o, make);
  if (unknown !== undefined) return unknown;
  if (!o.quorum.read) return make('Available', 'False', 'QuorumLost', 'no linearizable read succeeds');
  const [before] = saidBefore(o, 'Available');
  const starting = before === undefined || STARTING.has(before.reason);
  const missing = o.secrets.find((s) => s.need.client !== undefined && s.secret === undefined);
  if (starting && missing !== undefined)
    return make('Available', 'False', 'CertificatesPending', `waiting for the Secret ${missing.need.name}`);
  return make('Available', 'True', 'QuorumServes', 'a linearizable read succeeds');
}

function membersHealthy(o: Observed, make: Make): Draft {
  const unknown = unasked('MembersHealthy', o, make);
  if (unknown !== undefined) return unknown;
  const down = o.members.filter((m) => !isWell(m));
  if (down.length === 0) return make('MembersHealthy', 'True', 'AllServe', `${o.members.length} members serve`);
  return make('MembersHealthy', 'False', 'MemberDown', allWhys(down));
}

const saidBefore = (o: Observed, type: string): Draft[] =>
  (o.cluster.status?.conditions ?? [])
    .filter((c) => c.type === type)
    .map(({ lastTransitionTime: _, ...draft }) => draft);

function tlsReady(o: Observed, findings: readonly Finding[], make: Make): Draft {
  const authority = findings.find((f) => f.reason.startsWith('Authority'));
  if (authority !== undefined) return make('TLSReady', 'False', authority.reason, authority.message);
  const bad = o.secrets.find((s) => s.problem !== undefined);
  if (o.secrets.length === 0) return make('TLSReady', 'False', 'Pending', 'certificates are not issued yet');
  if (bad !== undefined) return make('TLSReady', 'False', 'CertificateInvalid', `${bad.need.name}: ${bad.problem}`);
  return make('TLSReady', 'True', 'Issued', 'all certificates are valid');
}

function memberRecord(m: MemberView, previous: MemberRecord | undefined, now: Date): MemberRecord {
  const s = m.status;
  if (s === undefined) {
    return { name: m.name, id: previous?.id, role: 'Unknown', version: previous?.version, healthy: false };
  }
  const well = isWell(m);
  const since = previous?.healthy === true ? previous.healthySince : seconds(now);
  const role = s.isLearner ? 'Learner' : s.leaderId === s.memberId ? 'Leader' : 'Follower';
  return {
    name: m.name,
    id: s.memberId,
    role,
    version: s.version,
    healthy: well,
    ...(well ? { healthySince: since } : {}),
    dbSize: coarse(s.dbSize, previous?.dbSize),
    dbSizeInUse: coarse(s.dbSizeInUse, previous?.dbSizeInUse),
  };
}

const MIB = 2 ** 20;

/** Bytes as whole MiB; a size within a tenth of what status says already is not news. */
function coarse(bytes: number, previous: string | undefined): string {
  const mib = Math.max(1, Math.round(bytes / MIB));
  const before = Number(/^(\d+)Mi$/.exec(previous ?? '')?.[1] ?? Number.NaN);
  const kept = Number.isFinite(before) && Math.abs(mib - before) <= Math.max(1, before / 10);
  return kept ? (previous as string) : `${mib}Mi`;
}

function certificates(o: Observed) {
  const authorities = o.authorities.map((a) => ({
    name: authoritySecretName(o.cluster, a.side),
    notAfter: a.notAfter,
  }));
  const leaves = o.secrets.map((s) => ({ name: s.need.name, notAfter: s.notAfter }));
  return [...authorities, ...leaves]
    .flatMap(({ name, notAfter }) => (notAfter === undefined ? [] : [{ name, notAfter: seconds(notAfter) }]))
    .toSorted((a, b) => a.name.localeCompare(b.name));
}
