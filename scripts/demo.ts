// SPDX-License-Identifier: Apache-2.0
// `make demo`: from nothing to a cluster, a key written and read over mutual TLS, and a backup in object storage.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs, parseEnv } from 'node:util';
import { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { FILES, ROOT } from '../test/testbed/config.ts';
import { kubectl, kubectlJson, kubectlResult } from '../test/testbed/kubectl.ts';
import type { Progress } from '../test/testbed/progress.ts';
import { until } from '../test/testbed/run.ts';
import { deployOperator, testsThatGoOn } from './deploy.ts';
import { runScript } from './lib/main.ts';

const cluster = 'quickstart';
const show = (text: string) => process.stdout.write(`${text.replaceAll(/^/gm, '    ')}\n`);
const relative = (file: string) => path.relative(process.cwd(), path.join(ROOT, file));
const operatorLog = 'kubectl --namespace quorate-system logs deployment/quorate';

interface Condition {
  type: string;
  status: string;
  reason: string;
  message: string;
}

/** Waits for a condition and says what the object says meanwhile, first of all why it is Stalled. */
async function waitFor(progress: Progress, object: string, type: string): Promise<void> {
  let last = '';
  await until(
    `${type} of ${object}`,
    async () => {
      const { status } = await kubectlJson<{ status?: { conditions?: Condition[] } }>('get', object);
      const conditions = status?.conditions ?? [];
      const wanted = conditions.find((condition) => condition.type === type);
      if (wanted?.status === 'True') return true;
      const telling = conditions.find(({ type: each }) => each === 'Stalled') ?? wanted;
      const words = telling ? `${telling.reason}: ${telling.message}` : 'not seen by the operator yet';
      if (words !== last) progress.note(`  ${words}`);
      last = words;
      return undefined;
    },
    { timeoutMs: 120_000, intervalMs: 250 },
  ).catch((error: unknown) => {
    throw new Error(`${error instanceof Error ? error.message : String(error)}; last: ${last}`, { cause: error });
  });
}

async function objectStore() {
  const env = parseEnv(await readFile(FILES.s3Env, 'utf8'));
  const value = (name: string): string => {
    const found = env[name];
    if (found === undefined) throw new Error(`${FILES.s3Env} has no ${name}`);
    return found;
  };
  return {
    endpoint: value('S3_ENDPOINT'),
    inCluster: value('S3_ENDPOINT_IN_CLUSTER'),
    bucket: value('S3_BUCKET'),
    region: value('S3_REGION'),
    credentials: { accessKeyId: value('AWS_ACCESS_KEY_ID'), secretAccessKey: value('AWS_SECRET_ACCESS_KEY') },
  };
}

async function applied(object: object): Promise<void> {
  const args = ['apply', '--server-side', '--field-manager=demo', '-f', '-'];
  await kubectlResult(args, { input: JSON.stringify(object) });
}

async function client(): Promise<void> {
  const file = path.join(ROOT, 'examples/client.yaml');
  await kubectlResult(['replace', '--force', '--grace-period=0', '-f', file]);
  const phase = await until('the end of the client pod', async () => {
    const { status } = await kubectlJson<{ status: { phase: string } }>('get', 'pod', `${cluster}-client`);
    return ['Succeeded', 'Failed'].includes(status.phase) ? status.phase : undefined;
  });
  const said = await kubectl('logs', `${cluster}-client`, '--all-containers', '--prefix');
  if (phase !== 'Succeeded') throw new Error(said);
  show(said);
}

/** Where backups go is a field of the cluster; the credentials are a Secret beside it. */
async function giveStore(): Promise<void> {
  const s3 = await objectStore();
  const name = `${cluster}-s3`;
  await applied({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name },
    stringData: s3.credentials,
  });
  const { inCluster: endpoint, bucket, region } = s3;
  const store = { s3: { endpoint, bucket, region, prefix: 'demo', credentialsSecret: { name } } };
  await kubectl('patch', 'etcd', cluster, '--type=merge', '--patch', JSON.stringify({ spec: { backup: { store } } }));
}

async function backup(progress: Progress): Promise<string> {
  // A run's own backup: earlier ones stay as they are.
  const name = `${cluster}-${new Date().toISOString().replaceAll(/[-:T]|\..*/g, '')}`;
  const metadata = { name };
  await applied({
    apiVersion: 'etcd.quorate.dev/v1alpha1',
    kind: 'EtcdBackup',
    metadata,
    spec: { clusterName: cluster },
  });
  await waitFor(progress, `etcdbackup/${name}`, 'Ready');
  return name;
}

async function showObjects(name: string): Promise<void> {
  const { status } = await kubectlJson<{ status: { key: string } }>('get', 'etcdbackup', name);
  const { endpoint, region, bucket, credentials } = await objectStore();
  const s3 = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
  // The object and its manifest have the time of the backup in common.
  const stem = /^.*\/[^-/]+/.exec(status.key)?.[0];
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: stem }));
  s3.destroy();
  if (!Contents.some(({ Key }) => Key === status.key)) throw new Error(`${status.key} is not in the bucket ${bucket}`);
  show(Contents.map(({ Key, Size }) => `s3://${bucket}/${Key}  ${Size} bytes`).join('\n'));
}

const next = () => `
What to try next:

    export KUBECONFIG=${path.join(ROOT, '.testbed/kubeconfig')} PATH="${path.join(ROOT, '.testbed/bin')}:$PATH"
    kubectl get etcd ${cluster} -o wide                 # members, version, leader, database size
    kubectl describe etcd ${cluster}                    # conditions and events
    kubectl delete pod ${cluster}-0 && kubectl get etcd ${cluster} --watch
    kubectl replace --force -f ${relative('examples/client.yaml')}
    kubectl wait --for=jsonpath='{.status.phase}'=Succeeded pod/${cluster}-client && kubectl logs ${cluster}-client --all-containers
    kubectl get etcdbackups                          # what has been saved
    ${operatorLog}
    make testbed-down                                # removes all of it
`;

async function demo(progress: Progress): Promise<void> {
  const { values } = parseArgs({ options: { values: { type: 'string' } } });
  await deployOperator(progress, { quick: false, ...values });
  const tests = await testsThatGoOn();
  if (tests.length > 0) throw new Error(`the operator rests while the tests of process ${tests.join(', ')} go on`);
  const log = operatorLog;
  await progress.step('kubectl apply -f examples/quickstart.yaml', async () => {
    await kubectl('apply', '-f', path.join(ROOT, 'examples/quickstart.yaml'));
  });
  await progress.step(`the cluster ${cluster} is Available`, () => waitFor(progress, `etcd/${cluster}`, 'Available'), {
    log,
  });
  await progress.step('a client pod writes and reads a key over mutual TLS', client, {
    log: `kubectl logs ${cluster}-client --all-containers`,
  });
  await progress.step('the cluster gets a place for backups', giveStore, { log });
  const name = await progress.step('an EtcdBackup into object storage', () => backup(progress), { log });
  await progress.step('the object in the bucket', () => showObjects(name));
  show(await kubectl('get', 'etcd', cluster, '-o', 'wide'));
  show(await kubectl('get', 'pods,etcdbackups'));
  process.stdout.write(next());
}

await runScript(demo, 'Run make demo again: it continues from here.\n');
