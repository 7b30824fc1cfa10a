// SPDX-License-Identifier: Apache-2.0
// Looks at the world for one EtcdBackup: the cache, and live where a decision depends on it.
import type { EtcdBackup } from '../api/backup.ts';
import type { EtcdCluster } from '../api/cluster.ts';
import { effectiveSpec } from '../api/effective.ts';
import { childNames } from '../api/names.ts';
import { etcdClusters } from '../api/resources.ts';
import type { KubeClient } from '../runtime/client.ts';
import {
  events,
  type Job,
  jobs as jobResource,
  type Pod,
  pods as podResource,
  type Secret,
  secrets,
} from '../runtime/resources.ts';
import type { Store } from '../runtime/store.ts';
import { isOver } from './jobstate.ts';
import { attemptOf, isOf, jobName } from './marks.ts';
import type { ObservedBackup, SecretFindings, Sibling } from './observed.ts';
import { isFinished } from './plan.ts';
import type { JobSettings } from './render/job.ts';

export interface BackupStores {
  readonly backups: Store<EtcdBackup>;
  readonly clusters: Store<EtcdCluster>;
  readonly jobs: Store<Job>;
  readonly pods: Store<Pod>;
}

export interface ObserveDeps {
  readonly client: KubeClient;
  readonly stores: BackupStores;
  readonly settings: JobSettings | undefined;
}

/** Controlled by it: that somebody names it as an owner proves nothing. */
export const ownedBy = (o: Job | Pod, uid: string): boolean =>
  o.metadata.ownerReferences?.some((r) => r.uid === uid && r.controller === true) === true;

export async function observe(deps: ObserveDeps, backup: EtcdBackup, signal: AbortSignal): Promise<ObservedBackup> {
  const { stores } = deps;
  const namespace = backup.metadata.namespace as string;
  const now = new Date();
  const cluster = stores.clusters.get({ namespace, name: backup.spec.clusterName });
  const spec = cluster === undefined ? undefined : effectiveSpec(cluster);
  const jobs = await jobsOf(deps, backup, signal);
  const last = jobs.at(-1);
  return {
    now,
    backup,
    cluster,
    clusterIsLive: false,
    spec: spec?.ok === true ? spec.spec : undefined,
    jobs,
    pods: last === undefined ? [] : stores.pods.list(namespace).filter((p) => ownedBy(p, last.metadata.uid as string)),
    podsAreLive: false,
    refused: undefined,
    siblings: cluster === undefined ? [] : siblings(stores, backup, cluster, now),
    settings: deps.settings,
    secrets: undefined,
  };
}

async function jobsOf(deps: ObserveDeps, backup: EtcdBackup, signal: AbortSignal): Promise<Job[]> {
  const { namespace, name, uid } = backup.metadata;
  const cached = deps.stores.jobs.list(namespace).filter((j) => ownedBy(j, uid as string));
  const attempts = backup.status?.attempts ?? 0;
  // A Job that was recorded and is not in the cache is either too new for it or deleted: only a live read can tell.
  if (attempts > 0 && !isFinished(backup.status) && !cached.some((j) => attemptOf(j.metadata.name) >= attempts)) {
    const ref = { namespace: namespace as string, name: jobName({ name, uid: uid as string }, attempts) };
    const live = await deps.client.find(jobResource, ref, { signal });
    if (live !== undefined && ownedBy(live, uid as string)) cached.push(live);
  }
  return cached.toSorted((a, b) => attemptOf(a.metadata.name) - attemptOf(b.metadata.name));
}

function siblings(stores: BackupStores, backup: EtcdBackup, cluster: EtcdCluster, now: Date): Sibling[] {
  const { namespace, uid } = backup.metadata;
  const pods = stores.pods.list(namespace);
  const running = new Set(
    stores.jobs
      .list(namespace)
      .filter((j) => !isOver(j, pods, now))
      .flatMap((j) => j.metadata.ownerReferences?.map((r) => r.uid) ?? []),
  );
  return stores.backups
    .list(namespace)
    .filter((b) => isOf(cluster, b) && b.metadata.uid !== uid)
    .filter((b) => b.metadata.deletionTimestamp === undefined && !isFinished(b.status))
    .map((b) => ({
      name: b.metadata.name,
      created: b.metadata.creationTimestamp ?? '',
      running: running.has(b.metadata.uid as string),
    }));
}

export async function readPods(deps: ObserveDeps, o: ObservedBackup, signal: AbortSignal): Promise<ObservedBackup> {
  const last = o.jobs.at(-1);
  if (last === undefined) return { ...o, podsAreLive: true };
  const namespace = o.backup.metadata.namespace as string;
  const labelSelector = `batch.kubernetes.io/job-name=${last.metadata.name}`;
  const live = await deps.client.list(podResource, { namespace, labelSelector }, { signal });
  const mine = live.filter((p) => ownedBy(p, last.metadata.uid as string));
  const refused = mine.length > 0 ? undefined : await refusal(deps, last, signal);
  return { ...o, pods: mine, podsAreLive: true, refused };
}

/** Quotas and policies that keep a Job from its pod are told in Events only. */
async function refusal(deps: ObserveDeps, job: Job, signal: AbortSignal): Promise<string | undefined> {
  const fieldSelector = `regarding.kind=Job,regarding.name=${job.metadata.name},reason=FailedCreate`;
  const found = await deps.client.list(events, { namespace: job.metadata.namespace, fieldSelector }, { signal });
  return found.findLast((e) => e.regarding?.uid === job.metadata.uid)?.note;
}

/**
 * The policy as it is now: the EtcdBackup may have been seen before an edit of the cluster that was made first. Secrets
 * are read by name, and only now: the kubelet would retry a missing one in silence.
 */
export async function readPolicy(
  deps: ObserveDeps,
  seen: ObservedBackup,
  signal: AbortSignal,
): Promise<ObservedBackup> {
  const namespace = seen.backup.metadata.namespace as string;
  const cluster = await deps.client.find(etcdClusters, { namespace, name: seen.backup.spec.clusterName }, { signal });
  const effective = cluster === undefined ? undefined : effectiveSpec(cluster);
  const o = { ...seen, cluster, clusterIsLive: true, spec: effective?.ok === true ? effective.spec : undefined };
  const s3 = o.spec?.backup?.store.s3;
  if (s3 === undefined) return o;
  const find = (name: string): Promise<Secret | undefined> =>
    deps.client.find(secrets, { namespace, name }, { signal });
  const tlsName = childNames(o.backup.spec.clusterName).backupTls;
  const [credentials, ca, tls] = await Promise.all([
    find(s3.credentialsSecret.name),
    s3.caSecret === undefined ? undefined : find(s3.caSecret.name),
    find(tlsName),
  ]);
  const problem =
    missing(credentials, s3.credentialsSecret.name, ['accessKeyId', 'secretAccessKey']) ??
    (s3.caSecret === undefined ? undefined : missing(ca, s3.caSecret.name, ['ca.crt']));
  return {
    ...o,
    secrets: { credentials: problem, tls: missing(tls, tlsName, ['ca.crt', 'tls.crt', 'tls.key']) === undefined },
  };
}

function missing(secret: Secret | undefined, name: string, keys: readonly string[]): SecretFindings['credentials'] {
  if (secret === undefined) {
    const message = `the Secret ${name} does not exist; create it with ${keys.join(' and ')}, and this backup goes on`;
    return { reason: 'CredentialsMissing', message };
  }
  const absent = keys.filter((k) => (secret.data?.[k] ?? '') === '');
  if (absent.length === 0) return undefined;
  return {
    reason: 'CredentialsInvalid',
    message: `the Secret ${name} has no ${absent.join(' and no ')}; add it, and this backup goes on`,
  };
}
