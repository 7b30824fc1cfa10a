// SPDX-License-Identifier: Apache-2.0
// The tests' own way to the API server: small, typed, and independent of the operator's client that it judges.
import { readFile } from 'node:fs/promises';
import { Agent, type Dispatcher, request } from 'undici';
import { parse, parseAllDocuments } from 'yaml';
import type { KubeObject, Ref } from '../../../src/runtime/json.ts';
import type { Resource } from '../../../src/runtime/resources.ts';

/** An answer of the API server that is not a success. */
export class ApiError extends Error {
  readonly status: number;
  readonly reason: string;

  constructor(what: string, status: number, body: string) {
    const parsed = statusOf(body);
    super(`${what}: ${status} ${parsed.message}`);
    this.name = 'ApiError';
    this.status = status;
    this.reason = parsed.reason;
  }
}

function statusOf(body: string): { message: string; reason: string } {
  try {
    const { message = body, reason = '' }: { message?: string; reason?: string } = JSON.parse(body);
    return { message, reason };
  } catch {
    return { message: body, reason: '' };
  }
}

export interface WatchedEvent<T> {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  object: T;
}

interface Kubeconfig {
  clusters: { cluster: { server: string; 'certificate-authority-data'?: string; 'certificate-authority'?: string } }[];
  users: { user: Record<string, string | undefined> }[];
}

interface CallOptions {
  body?: unknown;
  contentType?: string;
  timeoutMs?: number;
}

async function pem(source: Record<string, string | undefined>, name: string): Promise<Buffer> {
  const data = source[`${name}-data`];
  return data ? Buffer.from(data, 'base64') : readFile(source[name] ?? '');
}

export class Kube {
  /** URL of the API server. */
  readonly server: string;
  private readonly dispatcher: Agent;
  private readonly plurals = new Map<string, Resource<KubeObject>>();

  private constructor(server: string, dispatcher: Agent) {
    this.server = server;
    this.dispatcher = dispatcher;
  }

  /** Reads the first cluster and user; a client certificate is expected. */
  static async fromKubeconfig(file: string): Promise<Kube> {
    const config: Kubeconfig = parse(await readFile(file, 'utf8'));
    const cluster = config.clusters[0]?.cluster;
    const user = config.users[0]?.user ?? {};
    if (!cluster) throw new Error(`${file}: no cluster`);
    const [ca, cert, key] = await Promise.all([
      pem({ ...cluster }, 'certificate-authority'),
      pem(user, 'client-certificate'),
      pem(user, 'client-key'),
    ]);
    return new Kube(cluster.server, new Agent({ connect: { ca, cert, key }, bodyTimeout: 0 }));
  }

  async close(): Promise<void> {
    await this.dispatcher.destroy();
  }

  get<T extends KubeObject>(resource: Resource<T>, ref: Ref): Promise<T> {
    return this.call('GET', pathOf(resource, ref.namespace, ref.name));
  }

  async find<T extends KubeObject>(resource: Resource<T>, ref: Ref): Promise<T | undefined> {
    try {
      return await this.get(resource, ref);
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  }

  async list<T extends KubeObject>(resource: Resource<T>, namespace?: string, labelSelector?: string): Promise<T[]> {
    const query = labelSelector ? `?labelSelector=${encodeURIComponent(labelSelector)}` : '';
    const { items } = await this.call<{ items: T[] }>('GET', `${pathOf(resource, namespace)}${query}`);
    return items;
  }

  create<T extends KubeObject>(resource: Resource<T>, object: T): Promise<T> {
    const body = { apiVersion: apiVersionOf(resource), kind: resource.kind, ...object };
    return this.call('POST', pathOf(resource, object.metadata.namespace), { body });
  }

  /** JSON merge patch. */
  patch<T extends KubeObject>(resource: Resource<T>, ref: Ref, merge: object, subresource?: string): Promise<T> {
    const path = pathOf(resource, ref.namespace, ref.name) + (subresource ? `/${subresource}` : '');
    return this.call('PATCH', path, { body: merge, contentType: 'application/merge-patch+json' });
  }

  /** 404 is success. */
  async delete<T extends KubeObject>(
    resource: Resource<T>,
    ref: Ref,
    options: { propagationPolicy?: 'Background' | 'Foreground' | 'Orphan'; gracePeriodSeconds?: number } = {},
  ): Promise<void> {
    try {
      await this.call('DELETE', pathOf(resource, ref.namespace, ref.name), { body: options });
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error;
    }
  }

  /** Server-side apply of YAML documents or objects of any kind, as `kubectl apply --server-side` does. */
  async apply(...sources: (string | KubeObject)[]): Promise<KubeObject[]> {
    const objects = sources.flatMap((source): KubeObject[] =>
      typeof source === 'string' ? parseAllDocuments(source).map((document): KubeObject => document.toJS()) : [source],
    );
    const applied: KubeObject[] = [];
    for (const object of objects) {
      const resource = await this.resourceOf(object);
      const path = `${pathOf(resource, object.metadata.namespace, object.metadata.name)}?fieldManager=e2e&force=true&fieldValidation=Strict`;
      applied.push(await this.call('PATCH', path, { body: object, contentType: 'application/apply-patch+yaml' }));
    }
    return applied;
  }

  /** Every event from now on, state first; ends with the signal. Reconnects by itself. */
  async watch<T extends KubeObject>(
    resource: Resource<T>,
    namespace: string | undefined,
    receive: (event: WatchedEvent<T>) => void,
    signal: AbortSignal,
  ): Promise<void> {
    let version = '';
    while (!signal.aborted) {
      const query = version === '' ? '' : `&resourceVersion=${version}`;
      const url = `${this.server}${pathOf(resource, namespace)}?watch=true&allowWatchBookmarks=true${query}`;
      try {
        const { statusCode, body } = await request(url, { dispatcher: this.dispatcher, signal });
        if (statusCode !== 200) throw new Error(await body.text());
        for await (const line of linesOf(body)) {
          const event: WatchedEvent<T> = JSON.parse(line);
          if (event.type === 'ERROR') throw new Error(line);
          version = event.object.metadata.resourceVersion ?? '';
          if (event.type !== 'BOOKMARK') receive(event);
        }
      } catch {
        version = '';
      }
    }
  }

  async logs(
    namespace: string,
    pod: string,
    options: { tailLines?: number; previous?: boolean } = {},
  ): Promise<string> {
    const query = new URLSearchParams({
      tailLines: String(options.tailLines ?? 500),
      previous: String(options.previous ?? false),
    });
    return this.text('GET', `/api/v1/namespaces/${namespace}/pods/${pod}/log?${query.toString()}`);
  }

  /** The plural and scope of an object's kind, by discovery. */
  private async resourceOf(object: KubeObject): Promise<Resource<KubeObject>> {
    const { apiVersion = '', kind = '' } = object;
    const id = `${apiVersion}/${kind}`;
    const known = this.plurals.get(id);
    if (known) return known;
    const slash = apiVersion.indexOf('/');
    const group = slash < 0 ? '' : apiVersion.slice(0, slash);
    const version = apiVersion.slice(slash + 1);
    const { resources } = await this.call<{ resources: { name: string; kind: string; namespaced: boolean }[] }>(
      'GET',
      group === '' ? `/api/${version}` : `/apis/${group}/${version}`,
    );
    const found = resources.find((entry) => entry.kind === kind && !entry.name.includes('/'));
    if (!found) throw new Error(`the API server does not know ${id}`);
    const resource = { group, version, plural: found.name, kind, namespaced: found.namespaced };
    this.plurals.set(id, resource);
    return resource;
  }

  async call<T>(method: Dispatcher.HttpMethod, path: string, options: CallOptions = {}): Promise<T> {
    const value: T = JSON.parse(await this.text(method, path, options));
    return value;
  }

  private async text(method: Dispatcher.HttpMethod, path: string, options: CallOptions = {}): Promise<string> {
    const { body, contentType = 'application/json', timeoutMs = 15_000 } = options;
    const reply = await request(`${this.server}${path}`, {
      method,
      dispatcher: this.dispatcher,
      signal: AbortSignal.timeout(timeoutMs),
      headers: { accept: 'application/json, */*', 'content-type': contentType },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await reply.body.text();
    if (reply.statusCode >= 300) throw new ApiError(`${method} ${path}`, reply.statusCode, text);
    return text;
  }
}

/** The lines of a streamed body; throws what the stream throws. */
export async function* linesOf(body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of body) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = parts.pop() ?? '';
    yield* parts;
  }
}

function apiVersionOf({ group, version }: Resource<KubeObject>): string {
  return group === '' ? version : `${group}/${version}`;
}

function pathOf(resource: Resource<KubeObject>, namespace?: string, name?: string): string {
  const base = resource.group === '' ? `/api/${resource.version}` : `/apis/${resource.group}/${resource.version}`;
  const scope = resource.namespaced && namespace ? `/namespaces/${namespace}` : '';
  return `${base}${scope}/${resource.plural}${name ? `/${name}` : ''}`;
}
