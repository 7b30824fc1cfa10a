// SPDX-License-Identifier: Apache-2.0
// The files of examples/ as a reader applies them: the API server takes each, and what they promise happens.
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import type { EtcdCluster } from '../../src/api/cluster.ts';
import { etcdBackups, etcdClusters } from '../../src/api/resources.ts';
import { FILES } from '../testbed/config.ts';
import { kubectl, kubectlResult } from '../testbed/kubectl.ts';
import { waitAvailable } from './harness/cluster.ts';
import { repository } from './harness/files.ts';
import { useOperator } from './harness/suite.ts';
import { until } from './harness/until.ts';

const suite = useOperator({ namespaces: 1 });
const space = () => suite.namespaces[0] ?? '';
const folder = path.join(repository, 'examples');
const example = (name: string): Promise<string> => readFile(path.join(folder, name), 'utf8');

async function apply(input: string, ...args: string[]): Promise<string> {
  const all = ['apply', '--namespace', space(), '--validate=strict', ...args, '-f', '-'];
  return (await kubectlResult(all, { input })).stdout.trimEnd();
}

/** The examples issue no certificate for the recording client: it gets one when the cluster serves. */
async function recorded(name: string): Promise<EtcdCluster> {
  const ref = { namespace: space(), name };
  await waitAvailable(suite.kube, space(), name);
  const { spec } = await suite.kube.get(etcdClusters, ref);
  const clientCertificates = [...(spec.tls?.clientCertificates ?? []), { name: 'e2e' }];
  return suite.kube.patch(etcdClusters, ref, { spec: { tls: { clientCertificates } } });
}

let store: NodeJS.Dict<string>;
beforeAll(async () => {
  store = parseEnv(await readFile(FILES.s3Env, 'utf8'));
});

/** The example with the values of the testbed's store, where a reader puts those of his own. */
async function storedExample(): Promise<string> {
  const own = {
    'accessKeyId: REPLACE': `accessKeyId: ${store['AWS_ACCESS_KEY_ID']}`,
    'secretAccessKey: REPLACE': `secretAccessKey: ${store['AWS_SECRET_ACCESS_KEY']}`,
    'bucket: REPLACE': `bucket: ${store['S3_BUCKET']}`,
    '# endpoint: https://REPLACE': `endpoint: ${store['S3_ENDPOINT_IN_CLUSTER']}`,
    'region: us-east-1': `region: ${store['S3_REGION']}`,
    'prefix: etcd': `prefix: e2e/${suite.operator.release}`,
  };
  let text = await example('backup-s3.yaml');
  for (const [from, to] of Object.entries(own)) {
    expect(text).toContain(from);
    text = text.replace(from, () => to);
  }
  expect(text).not.toMatch(/REPLACE$/m);
  return text;
}

describe('the API server takes', () => {
  test.each(readdirSync(folder))('%s', async (name) => {
    const text = name === 'backup-s3.yaml' ? await storedExample() : await example(name);
    expect(await apply(text, '--dry-run=server')).toMatch(/\(server dry run\)$/);
  });

  test('no value that the reader forgot to replace, and names it', async () => {
    const forgotten = apply(await example('backup-s3.yaml'), '--dry-run=server');
    await expect(forgotten).rejects.toThrow('spec.backup.store.s3.bucket: Invalid value: "REPLACE"');
  });
});

test('the quickstart becomes available, and the client writes and reads a key in it', async () => {
  await apply(await example('quickstart.yaml'));
  const object = await recorded('quickstart');
  await apply(await example('client.yaml'));
  await until('the client pod has ended', {
    within: 60_000,
    read: () => kubectl('--namespace', space(), 'get', 'pod', 'quickstart-client', '-o', 'jsonpath={.status.phase}'),
    holds: (phase) => ['Succeeded', 'Failed'].includes(phase) || phase,
  });
  const said = (container: string) => kubectl('--namespace', space(), 'logs', 'quickstart-client', '-c', container);
  expect(await said('write')).toBe('OK');
  expect(await said('read')).toBe('greeting\nhello');
  await suite.settle(object);
});

test('the cluster with backups makes one when it is asked to', async () => {
  await apply(await storedExample());
  const object = await recorded('orders');
  await apply(await example('backup-now.yaml'));
  await until('the backup is complete', {
    within: 90_000,
    read: () => suite.kube.get(etcdBackups, { namespace: space(), name: 'orders-before-upgrade' }),
    holds: ({ status }) => {
      const ready = status?.conditions?.find(({ type }) => type === 'Ready');
      return ready?.status === 'True' || `${ready?.reason}: ${ready?.message}`;
    },
  });
  await suite.settle(object);
});
