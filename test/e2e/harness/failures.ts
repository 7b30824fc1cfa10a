// SPDX-License-Identifier: Apache-2.0
// What a failed test leaves behind for its reader: log, events, objects and requests, in one folder.
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { stringify } from 'yaml';
import { etcdBackups, etcdClusters } from '../../../src/api/resources.ts';
import type { KubeObject } from '../../../src/runtime/json.ts';
import {
  configMaps,
  events,
  jobs,
  leases,
  persistentVolumeClaims,
  podDisruptionBudgets,
  pods,
  type Resource,
  services,
  statefulSets,
} from '../../../src/runtime/resources.ts';
import { describeRequest } from '../../testbed/proxy/client.ts';
import type { Environment } from './environment.ts';
import { repository } from './files.ts';
import type { Operator } from './operator.ts';

// No Secrets: the folder is meant to be shown around.
const kinds: Resource<KubeObject>[] = [
  etcdClusters,
  etcdBackups,
  statefulSets,
  pods,
  persistentVolumeClaims,
  configMaps,
  services,
  podDisruptionBudgets,
  jobs,
  leases,
];

/** Writes what can be had and never throws. Returns the folder. */
export async function keepEvidence(environment: Environment, operator: Operator, title: string): Promise<string> {
  const slug = title.replace(/[^A-Za-z0-9]+/g, '-').slice(0, 100);
  const folder = path.join(repository, '.testbed/failures', slug);
  await mkdir(folder, { recursive: true });
  const keep = async (file: string, read: () => Promise<string>) => {
    const text = await read().catch((error: unknown) => `not readable: ${String(error)}`);
    await writeFile(path.join(folder, file), text);
  };
  await Promise.all([
    keep('operator.log', () => operator.logs(5000)),
    ...[...operator.watched, operator.namespace].flatMap((namespace) => [
      keep(`${namespace}.objects.yaml`, () => objectsOf(environment, namespace)),
      keep(`${namespace}.events.txt`, () => eventsOf(environment, namespace)),
    ]),
    keep('requests.txt', () => requestsOf(operator)),
  ]);
  return folder;
}

async function objectsOf({ kube }: Environment, namespace: string): Promise<string> {
  const lists = await Promise.all(
    kinds.map(async (kind) => ({ kind: kind.kind, items: await kube.list(kind, namespace).catch(() => []) })),
  );
  return lists
    .flatMap(({ kind, items }) =>
      items.map((item) => stringify({ kind, ...item, metadata: { ...item.metadata, managedFields: undefined } })),
    )
    .join('---\n');
}

async function eventsOf({ kube }: Environment, namespace: string): Promise<string> {
  const found = await kube.list(events, namespace);
  return found
    .map((event) => ({
      at: event.eventTime ?? event.deprecatedLastTimestamp ?? event.metadata.creationTimestamp ?? '',
      event,
    }))
    .toSorted((a, b) => a.at.localeCompare(b.at))
    .map(
      ({ at, event }) =>
        `${at} ${event.type} ${event.reason} ${event.regarding?.kind}/${event.regarding?.name}: ${event.note}`,
    )
    .join('\n');
}

async function requestsOf(operator: Operator): Promise<string> {
  const records = await operator.proxy.requests();
  return records
    .map((record) => {
      const at = new Date(record.startedAt).toISOString();
      const faults = record.faults.length > 0 ? ` [${record.faults.join(' ')}]` : '';
      return `${at} ${record.client} ${record.status ?? '…'} ${record.durationMs ?? '…'} ms ${record.namespace}: ${describeRequest(record)}${faults}`;
    })
    .join('\n');
}
