// SPDX-License-Identifier: Apache-2.0
// Reads the API server's audit log: who did what to which object.
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { FILES } from './config.ts';

export interface AuditEntry {
  readonly time: Date;
  /** `system:serviceaccount:<namespace>:<name>` for pods. */
  readonly user: string;
  readonly userAgent: string;
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
  /** HTTP status; 0 if none was sent. */
  readonly code: number;
  readonly uri: string;
}

export interface AuditFilter {
  /** A mark of auditMark; default: everything since the cluster was made. */
  readonly since?: number;
  readonly user?: string | RegExp;
  readonly verbs?: readonly string[];
  readonly resource?: string;
  readonly namespace?: string;
  readonly name?: string;
}

interface Raw {
  stage: string;
  verb: string;
  requestURI: string;
  userAgent?: string;
  requestReceivedTimestamp: string;
  user: { username: string };
  objectRef?: { apiGroup?: string; resource?: string; subresource?: string; namespace?: string; name?: string };
  responseStatus?: { code?: number };
}

const folder = path.join(FILES.logs, 'control-plane');
const file = path.join(folder, 'audit.log');

/** A point in the log: entries after it are of requests that ended after it. */
export const auditMark = async (): Promise<number> =>
  stat(file).then(
    (info) => info.size,
    () => 0,
  );

function entryOf(raw: Raw): AuditEntry {
  const { apiGroup = '', resource = '', subresource = '', namespace = '', name = '' } = raw.objectRef ?? {};
  return {
    time: new Date(raw.requestReceivedTimestamp),
    user: raw.user.username,
    userAgent: raw.userAgent ?? '',
    verb: raw.verb,
    group: apiGroup,
    resource,
    subresource,
    namespace,
    name,
    code: raw.responseStatus?.code ?? 0,
    uri: raw.requestURI,
  };
}

function matches(entry: AuditEntry, f: AuditFilter): boolean {
  if (f.user instanceof RegExp ? !f.user.test(entry.user) : f.user !== undefined && f.user !== entry.user) return false;
  if (f.verbs !== undefined && !f.verbs.includes(entry.verb)) return false;
  if (f.resource !== undefined && f.resource !== entry.resource) return false;
  if (f.namespace !== undefined && f.namespace !== entry.namespace) return false;
  return f.name === undefined || f.name === entry.name;
}

/** A log longer than 500 MB is put aside by the API server, with the time in its name: a mark beyond the present one is of that. */
async function* linesSince(mark: number): AsyncGenerator<string> {
  const putAside =
    mark > (await auditMark()) ? (await readdir(folder)).filter((name) => name.startsWith('audit-')) : [];
  const former = putAside.toSorted().at(-1);
  if (former !== undefined) yield* linesOf(path.join(folder, former), mark);
  yield* linesOf(file, former === undefined ? mark : 0);
}

const linesOf = (log: string, start: number): AsyncIterable<string> =>
  createInterface({ input: createReadStream(log, { start }), crlfDelay: Infinity });

/** Finished requests in the order in which they ended; a watch has one entry when it starts and one when it ends. */
export async function audit(filter: AuditFilter = {}): Promise<AuditEntry[]> {
  const entries: AuditEntry[] = [];
  for await (const line of linesSince(filter.since ?? 0)) {
    if (!line.endsWith('}')) continue; // the last line may be under way
    const entry = entryOf(JSON.parse(line) as Raw);
    if (matches(entry, filter)) entries.push(entry);
  }
  return entries;
}
