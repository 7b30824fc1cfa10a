// SPDX-License-Identifier: Apache-2.0
// Reads a Kubernetes API request (method, URL, body) as the API server reads it: verb, resource, namespace, name.

export type Verb =
  | 'get'
  | 'list'
  | 'watch'
  | 'create'
  | 'update'
  | 'patch'
  | 'delete'
  | 'deletecollection'
  /** Not a resource request: /version, /healthz, /openapi, or a discovery path. */
  | 'other';

export const writeVerbs: readonly Verb[] = ['create', 'update', 'patch', 'delete', 'deletecollection'];

export interface RequestInfo {
  verb: Verb;
  /** Empty for the core group. */
  group: string;
  version: string;
  /** Lower-case plural, `''` when this is not a resource request. */
  resource: string;
  subresource: string;
  namespace: string;
  /** Of a create: the name in the body, as far as it is JSON. */
  name: string;
  path: string;
  query: Record<string, string>;
}

const methodVerbs: Record<string, Verb> = {
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  GET: 'get',
  HEAD: 'get',
  DELETE: 'delete',
};

/** `/status` and `/finalize` are subresources of a Namespace; anything else after its name is a resource inside it. */
const namespaceSubresources = new Set(['status', 'finalize']);

/** Never throws: what cannot be read as a resource request is `other`. */
export function parseRequest(method: string, url: string, body?: string): RequestInfo {
  const parsed = new URL(url, 'https://kubernetes.invalid');
  const query = Object.fromEntries(parsed.searchParams);
  const info: RequestInfo = {
    verb: 'other',
    group: '',
    version: '',
    resource: '',
    subresource: '',
    namespace: '',
    name: '',
    path: parsed.pathname,
    query,
  };
  const rest = stripGroup(parsed.pathname.split('/').filter(Boolean).map(decode), info);
  if (!rest || rest.length === 0) return info;
  readResource(rest, info);
  info.verb = verbOf(method, info, query);
  if (info.verb === 'create' && info.name === '') info.name = nameInBody(body);
  return info;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Fills group and version and returns the path behind them; undefined for what is no resource path. */
function stripGroup(parts: string[], info: RequestInfo): string[] | undefined {
  if (parts[0] === 'api' && parts.length > 2) {
    info.version = parts[1] ?? '';
    return parts.slice(2);
  }
  if (parts[0] === 'apis' && parts.length > 3) {
    info.group = parts[1] ?? '';
    info.version = parts[2] ?? '';
    return parts.slice(3);
  }
  return undefined;
}

function readResource(parts: string[], info: RequestInfo): void {
  let rest = parts;
  if (rest[0] === 'namespaces' && rest.length > 1) {
    const third = rest[2];
    if (third !== undefined && !namespaceSubresources.has(third)) {
      info.namespace = rest[1] ?? '';
      rest = rest.slice(2);
    } else if (info.group === '') {
      info.namespace = rest[1] ?? '';
    }
  }
  info.resource = rest[0] ?? '';
  info.name = rest[1] ?? '';
  info.subresource = rest.slice(2).join('/');
}

function verbOf(method: string, info: RequestInfo, query: Record<string, string>): Verb {
  const verb = methodVerbs[method.toUpperCase()] ?? 'other';
  if (verb === 'delete') return info.name === '' ? 'deletecollection' : 'delete';
  if (verb !== 'get') return verb;
  if (query.watch === 'true' || query.watch === '1') {
    info.name ||= selectedName(query.fieldSelector);
    return 'watch';
  }
  if (info.name !== '') return 'get';
  info.name = selectedName(query.fieldSelector);
  return 'list';
}

function selectedName(fieldSelector: string | undefined): string {
  return /(?:^|,)metadata\.name==?([^,]+)/.exec(fieldSelector ?? '')?.[1] ?? '';
}

function nameInBody(body: string | undefined): string {
  if (!body) return '';
  try {
    const parsed: { metadata?: { name?: unknown; generateName?: unknown } } | null = JSON.parse(body);
    const name = parsed?.metadata?.name ?? parsed?.metadata?.generateName;
    return typeof name === 'string' ? name : '';
  } catch {
    return '';
  }
}
