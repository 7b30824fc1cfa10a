// SPDX-License-Identifier: Apache-2.0
// A backup of a 256 MB database to the testbed's object store, in turn with a person's sequence on the same node.
import { DeleteObjectsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import type { EtcdBackup } from '../../../src/api/backup.ts';
import { memberHost } from '../../../src/api/names.ts';
import { etcdBackups, etcdClusters } from '../../../src/api/resources.ts';
import { type Pod, pods, secrets } from '../../../src/runtime/resources.ts';
import { until } from '../../e2e/harness/until.ts';
import { type ObjectStore, objectStore } from '../../testbed/s3.ts';
import { ensureSettings } from '../../testbed/settings.ts';
import type { Bench } from '../bench.ts';
import { clusterObject, judgeSecret } from '../clusters.ts';
import { against, atMost, type Figure } from '../figures.ts';
import { loadPersonImage } from '../person/image.ts';
import { Timeline } from '../timeline.ts';

const NAME = 'saved';
const DATABASE_BYTES = 256 * 1024 * 1024;
const PREFIX = 'bench';
const TIMEOUT_MS = 300_000;

interface JobRun {
  /** From the first byte of the snapshot to the manifest, in seconds; the object has been read back by then. */
  seconds: number;
  /** The same, but without reading the object back: when it was stored. */
  stored: number;
  /** From the start of the program to the manifest. */
  program: number;
  peakMb: number;
}

interface PersonRun {
  saveMs: number;
  compressMs: number;
  uploadMs: number;
  totalMs: number;
  snapshotBytes: number;
  objectBytes: number;
}

export async function backup(bench: Bench, runs: number): Promise<{ figures: Figure[]; details: object }> {
  const store = objectStore(await ensureSettings());
  const image = await bench.progress.step("build the image of a person's backup", () => loadPersonImage(bench.image));
  const jobs: JobRun[] = [];
  const persons: PersonRun[] = [];
  try {
    await bench.progress.step('make a cluster with 256 MB', () => prepare(bench, store));
    const endpoint = await follower(bench);
    let node = '';
    const asJob = async (run: number): Promise<JobRun> => {
      const seen = await jobRun(bench, run);
      node = seen.node;
      return seen.result;
    };
    const asPerson = (run: number) => personRun(bench, { store, image, node, endpoint, run });
    for (let run = 0; run < runs; run += 1) {
      // Who begins changes from run to run; the first Job shows on which node they run.
      const early = run % 2 === 1 ? await asPerson(run) : undefined;
      const result = await asJob(run);
      const person = early ?? (await asPerson(run));
      jobs.push(result);
      persons.push(person);
      bench.progress.note(
        `backup, run ${run + 1} of ${runs}: Job ${result.seconds.toFixed(2)} s (${Math.round(result.peakMb)} MB), person ${(person.totalMs / 1000).toFixed(2)} s`,
      );
    }
  } finally {
    await bench.kube.delete(etcdClusters, { namespace: bench.namespace, name: NAME });
    await emptyStore(store);
    await bench.clear();
  }
  const floor = { name: 'etcdctl, zstd, stock uploader', samples: persons.map((p) => p.totalMs / 1000) };
  const of = (value: (j: JobRun) => number) => jobs.map(value);
  return {
    figures: [
      against(
        { name: 'backup of 256 MB: first byte → manifest', unit: 's', samples: of((j) => j.seconds), floor },
        { median: 1 },
      ),
      {
        name: 'backup of 256 MB: first byte → stored, not yet read back',
        unit: 's',
        samples: of((j) => j.stored),
        floor,
      },
      { name: 'backup of 256 MB: program start → manifest', unit: 's', samples: of((j) => j.program), floor },
      atMost({ name: 'backup of 256 MB: peak memory of the Job', unit: 'MB', samples: of((j) => j.peakMb) }, 200),
    ],
    details: { jobs, persons },
  };
}

async function prepare(bench: Bench, store: ObjectStore): Promise<void> {
  const { kube, namespace } = bench;
  const credentials = { accessKeyId: store.accessKeyId, secretAccessKey: store.secretAccessKey };
  await kube.delete(secrets, { namespace, name: 's3' });
  await kube.create(secrets, { metadata: { namespace, name: 's3' }, stringData: credentials });
  const timeline = new Timeline(kube, namespace);
  const object = clusterObject(namespace, NAME, {
    storage: { size: '2Gi', retentionPolicy: { whenDeleted: 'Delete' } },
    etcd: { quota: '768Mi' },
    backup: {
      store: {
        s3: {
          bucket: store.bucket,
          endpoint: store.endpointInCluster,
          region: store.region,
          prefix: PREFIX,
          credentialsSecret: { name: 's3' },
        },
      },
    },
  });
  try {
    await kube.create(etcdClusters, object);
    await timeline.available(NAME, 180_000);
  } finally {
    timeline.close();
  }
  const secret = judgeSecret(NAME);
  await bench.agent.populate({
    namespace,
    name: NAME,
    members: 3,
    secret,
    bytes: DATABASE_BYTES,
    timeoutMs: TIMEOUT_MS,
  });
}

async function follower(bench: Bench): Promise<string> {
  const { status } = await until('the cluster knows its leader', {
    within: 30_000,
    read: () => bench.kube.get(etcdClusters, { namespace: bench.namespace, name: NAME }),
    holds: (c) => c.status?.members?.some((m) => m.role === 'Follower') === true,
  });
  const member = status?.members?.find((m) => m.role === 'Follower')?.name as string;
  return `https://${memberHost(member, bench.namespace)}:2379`;
}

interface JobLine {
  time: string;
  msg: string;
  seconds?: number;
  peakMiB?: number;
}

async function jobRun(bench: Bench, run: number): Promise<{ result: JobRun; node: string }> {
  const { kube, namespace } = bench;
  const ref = { namespace, name: `${NAME}-${run}` };
  await kube.create(etcdBackups, { metadata: ref, spec: { clusterName: NAME } });
  await until('the backup is complete', {
    within: TIMEOUT_MS,
    read: () => kube.get(etcdBackups, ref),
    holds: (b: EtcdBackup) => {
      const ready = b.status?.conditions?.find((c) => c.type === 'Ready');
      return ready?.status === 'True' || `${ready?.reason}: ${ready?.message}`;
    },
  });
  const found = await kube.list(pods, namespace, 'app.kubernetes.io/component=backup');
  const pod = found.find((p) => p.metadata.annotations?.['etcd.quorate.dev/backup'] === ref.name) ?? found[0];
  if (pod === undefined) throw new Error('the pod of the backup is gone');
  const text = await kube.logs(namespace, pod.metadata.name);
  const lines = text.split('\n').flatMap((l) => (l.startsWith('{') ? [JSON.parse(l) as JobLine] : []));
  const line = (start: string): JobLine => {
    const seen = lines.find((l) => l.msg.startsWith(start));
    if (seen === undefined) throw new Error(`the Job did not log "${start}":\n${text}`);
    return seen;
  };
  const first = Date.parse(line('the snapshot begins').time);
  const manifest = line('the manifest is written');
  const result = {
    seconds: (Date.parse(manifest.time) - first) / 1000,
    stored: (Date.parse(line('stored').time) - first) / 1000,
    program: manifest.seconds ?? Number.NaN,
    peakMb: ((line('done').peakMiB ?? Number.NaN) * 2 ** 20) / 1e6,
  };
  await kube.delete(etcdBackups, ref);
  return { result, node: pod.spec?.nodeName ?? '' };
}

interface PersonOptions {
  store: ObjectStore;
  image: string;
  node: string;
  endpoint: string;
  run: number;
}

/** The same limits as the Job's, on its node, with the disk of the node to work on. */
function personPod(namespace: string, o: PersonOptions): Pod {
  const env = {
    ETCD_ENDPOINT: o.endpoint,
    S3_ENDPOINT: o.store.endpointInCluster,
    S3_REGION: o.store.region,
    S3_BUCKET: o.store.bucket,
    S3_KEY: `${PREFIX}/person-${o.run}.zst`,
    S3_ACCESS_KEY_ID: o.store.accessKeyId,
    S3_SECRET_ACCESS_KEY: o.store.secretAccessKey,
  };
  return {
    metadata: { namespace, name: `person-${o.run}`, labels: { 'etcd.quorate.dev/client': NAME } },
    spec: {
      nodeName: o.node,
      restartPolicy: 'Never',
      automountServiceAccountToken: false,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: 65_532,
        fsGroup: 65_532,
        seccompProfile: { type: 'RuntimeDefault' },
      },
      containers: [
        {
          name: 'person',
          image: o.image,
          imagePullPolicy: 'Never',
          env: Object.entries(env).map(([name, value]) => ({ name, value })),
          resources: { requests: { cpu: '100m', memory: '128Mi' }, limits: { memory: '256Mi' } },
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
          volumeMounts: [
            { name: 'work', mountPath: '/scratch' },
            { name: 'tls', mountPath: '/tls', readOnly: true },
          ],
        },
      ],
      volumes: [
        { name: 'work', emptyDir: {} },
        { name: 'tls', secret: { secretName: `${NAME}-client-app`, defaultMode: 0o440 } },
      ],
    },
  };
}

async function personRun(bench: Bench, o: PersonOptions): Promise<PersonRun> {
  const { kube, namespace } = bench;
  const pod = personPod(namespace, o);
  await kube.create(pods, pod);
  try {
    const ended = await until("the person's backup has ended", {
      within: TIMEOUT_MS,
      read: () => kube.get(pods, pod.metadata),
      holds: ({ status }) => ['Succeeded', 'Failed'].includes(status?.phase ?? '') || (status?.phase ?? 'unknown'),
    });
    const text = await kube.logs(namespace, pod.metadata.name);
    if (ended.status?.phase !== 'Succeeded') throw new Error(`the person's backup failed:\n${text}`);
    return JSON.parse(text) as PersonRun;
  } finally {
    await kube.delete(pods, pod.metadata, { gracePeriodSeconds: 0 });
  }
}

async function emptyStore(store: ObjectStore): Promise<void> {
  const { endpoint, region, bucket: Bucket, accessKeyId, secretAccessKey } = store;
  const client = new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  });
  try {
    const { Contents: found = [] } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: `${PREFIX}/` }));
    if (found.length === 0) return;
    await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: found.map(({ Key }) => ({ Key })) } }));
  } finally {
    client.destroy();
  }
}
