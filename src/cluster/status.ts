// SPDX-License-Identifier: Apache-2.0
// Derives the status of a cluster from what was observed and found. Pure; the one place where its conditions are made.
import type { EffectiveSpecFailure, EtcdCluster, EtcdClusterStatus, MemberRecord } from '../api/cluster.ts';
import { childNames, LABELS } from '../api/names.ts';
import { versionAdvice } from '../api/versions.ts';
import { type Condition, mergeConditions } from '../runtime/conditions.ts';
import { seconds } from '../runtime/time.ts';
import type { MemberView, Observed } from './observed.ts';
import { endpointsOf } from './render/certificates.ts';
import { blindness, isWell, whyDown } from './rules/health.ts';
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
  const members = o.members.map((m) =>
    memberRecord(
      m,
      previous?.members?.find((p) => p.name === m.name),
      o.now,
    ),
  );
  const leader = members.find((m) => m.role === 'Leader')?.name;
  const size = Math.max(0, ...o.members.map((m) => m.status?.dbSize ?? 0));
  const formed = o.identity?.phase === 'Formed';
  const healthy = members.filter((m) => m.healthy).length;
  const wanted = o.identity?.members.length ?? o.spec.replicas;
  return {
    observedGeneration: o.cluster.metadata.generation ?? 0,
    conditions: conditions(o, findings, backup),
    // Once formed, always told: without it nobody would know that there was data when the record is gone.
    genesis: formed ? o.identity?.genesis : previous?.genesis,
    clusterId: (formed ? o.quorum.clusterId : undefined) ?? previous?.clusterId,
    version: o.identity?.formation.version,
    replicas: wanted,
    readyReplicas: healthy,
    membersSummary: `${healthy}/${wanted}`,
    selector: `${LABELS.cluster}=${o.cluster.metadata.name},app.kubernetes.io/component=member`,
    members,
    leader,
    dbSize: size === 0 ? previous?.dbSize : coarse(size, previous?.dbSize),
    endpoints: o.identity === undefined ? [] : endpointsOf(o.cluster, o.identity),
    certificates: certificates(o),
    clientSecrets: clientSecrets(o),
    ...(backup === undefined ? {} : { backup: backup.status }),
  };
}

/** Those in use, that of backups among them, and those that are still to be deleted. */
function clientSecrets(o: Observed): string[] {
  const { backupTls } = childNames(o.cluster.metadata.name);
  const used = o.secrets
    .filter((s) => (s.need.client !== undefined || s.need.name === backupTls) && s.secret !== undefined)
    .map((s) => s.need.name);
  const unknown = o.identity?.phase === 'Formed' ? [] : (o.cluster.status?.clientSecrets ?? []);
  const leaving = o.obsolete.filter((x) => x.resource.kind === 'Secret').map((x) => x.name);
  return [...new Set([...used, ...unknown, ...leaving])].toSorted();
}

/** Status of a cluster whose spec passed the schema but cannot be meant. Nothing else is touched. */
export function invalidStatus(cluster: EtcdCluster, failure: EffectiveSpecFailure, now: Date): EtcdClusterStatus {
  return blockedStatus(cluster, 'InvalidSpec', `${failure.field}: ${failure.message}`, now);
}

/** Status of a cluster that cannot be looked at, because something in its world is not what we can read. */
export function failedStatus(cluster: EtcdCluster, error: unknown, now: Date): EtcdClusterStatus {
  const message = error instanceof Error ? error.message : String(error);
  return blockedStatus(
    cluster,
    'ReconcileFailed',
    `the operator fails on this cluster and tries again: ${message}`,
    now,
  );
}

/** Status of a cluster that may not be seen completely: nothing is changed by half a view. */
export function unseenStatus(cluster: EtcdCluster, refused: string, now: Date): EtcdClusterStatus {
  return blockedStatus(cluster, 'Refused', `nothing is changed until the operator may see it all: ${refused}`, now);
}

function blockedStatus(cluster: EtcdCluster, reason: string, message: string, now: Date): EtcdClusterStatus {
  const generation = cluster.metadata.generation ?? 0;
  const draft = (type: string, status: Condition['status']): Draft => ({
    type,
    status,
    reason,
    message,
    observedGeneration: generation,
  });
  // Nobody looked at the members or the backups: what was said of them may not be true any more.
  const unseen = ['Available', 'MembersHealthy', 'BackupHealthy'];
  const kept = (cluster.status?.conditions ?? [])
    .filter((c) => !['Ready', 'Stalled', 'Reconciling'].includes(c.type))
    .map(({ lastTransitionTime: _, ...c }) => (unseen.includes(c.type) ? { ...c, ...draft(c.type, 'Unknown') } : c));
  const drafts = [draft('Ready', 'False'), draft('Stalled', 'True'), ...kept];
  return {
    ...cluster.status,
    observedGeneration: generation,
    conditions: mergeConditions(cluster.status?.conditions ?? [], drafts, now),
  };
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
  const advice = versionAdvice(o.identity?.formation.version ?? o.spec.version);
  const drafts: Draft[] = [];
  if (worst === undefined)
    drafts.push(make('Ready', 'True', 'Ready', `${o.members.length} of ${o.members.length} members serve`));
  else drafts.push(make('Ready', 'False', worst.reason, worst.message));
  if (worst?.kind === 'progress') drafts.push(make('Reconciling', 'True', worst.reason, worst.message));
  if (worst?.kind === 'blocked') drafts.push(make('Stalled', 'True', worst.reason, worst.message));
  drafts.push(available(o, make), membersHealthy(o, make), tlsReady(o, findings, make));
  drafts.push(
    advice === undefined
      ? make('VersionCurrent', 'True', 'Current', `etcd ${o.identity?.formation.version ?? o.spec.version}`)
      : make('VersionCurrent', 'False', 'Advised', advice),
  );
  if (backup !== undefined)
    drafts.push(make('BackupHealthy', backup.healthy.status, backup.healthy.reason, backup.healthy.message));
  const quorum = findings.find((f) => f.kind === 'blocked' && QUORUM_REASONS.has(f.reason));
  if (quorum !== undefined) drafts.push(make('QuorumLost', 'True', quorum.reason, quorum.message));
  const pending = findings.find((f) => f.reason === 'UnsupportedChange');
  if (pending !== undefined) drafts.push(make('UpdatePending', 'True', pending.reason, pending.message));
  if (o.spec.paused) drafts.push(make('Paused', 'True', 'Paused', 'spec.paused is true: nothing is changed'));
  return mergeConditions(o.cluster.status?.conditions ?? [], drafts, o.now);
}

type Make = (type: string, status: Condition['status'], reason: string, message: string) => Draft;

/** True only for clients: formed and sealed, a linearizable read just succeeded, and the certificates are there to use. */
function available(o: Observed, make: Make): Draft {
  if (o.identity?.phase !== 'Formed')
    return make('Available', 'False', 'Bootstrapping', 'the cluster is not formed yet');
  const blind = o.quorum.read ? undefined : blindness(o);
  if (blind !== undefined) return make('Available', 'Unknown', 'CannotVerify', blind);
  if (!o.quorum.read) return make('Available', 'False', 'QuorumLost', 'no linearizable read succeeds');
  const missing = o.secrets.find((s) => s.need.client !== undefined && s.secret === undefined);
  if (missing !== undefined)
    return make('Available', 'False', 'CertificatesPending', `waiting for the Secret ${missing.need.name}`);
  return make('Available', 'True', 'QuorumServes', 'a linearizable read succeeds');
}

function membersHealthy(o: Observed, make: Make): Draft {
  if (o.identity?.phase !== 'Formed')
    return make('MembersHealthy', 'False', 'Bootstrapping', 'the cluster is not formed yet');
  const blind = o.quorum.read ? undefined : blindness(o);
  if (blind !== undefined) return make('MembersHealthy', 'Unknown', 'CannotVerify', blind);
  const down = o.members.filter((m) => !isWell(m));
  if (down.length === 0) return make('MembersHealthy', 'True', 'AllServe', `${o.members.length} members serve`);
  return make('MembersHealthy', 'False', 'MemberDown', down.map((m) => `${m.name}: ${whyDown(m)}`).join('; '));
}

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
  const leaves = o.secrets.flatMap((s) =>
    s.notAfter === undefined ? [] : [{ name: s.need.name, notAfter: seconds(s.notAfter) }],
  );
  return leaves.toSorted((a, b) => a.name.localeCompare(b.name));
}
