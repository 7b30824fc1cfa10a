// SPDX-License-Identifier: Apache-2.0
// What esbuild cannot know: protocol files become part of the bundle; what nobody here uses of a library does not.
import { readFile } from 'node:fs/promises';
import { builtinModules, createRequire } from 'node:module';
import path from 'node:path';
import type { OnLoadResult, Plugin } from 'esbuild';

const ROOT = path.resolve(import.meta.dirname, '../..');
const require = createRequire(import.meta.url);
const PROTO_LOADER = require.resolve('@grpc/proto-loader');

/** The part of protobufjs that is needed here; proto-loader's own copy is used, which also reads the result. */
interface Protobuf {
  Root: new () => { loadSync(file: string, o: { keepCase: boolean }): { toJSON(): object } };
}

/** How we read a definition, and how etcd3 does; `keepCase` is settled when it is parsed. */
const OPTIONS = '{ enums: String, defaults: true, oneofs: true }';
const ETCD3_OPTIONS = '{ longs: String, enums: String, defaults: true, oneofs: true }';

function isProtobuf(value: unknown): value is Protobuf {
  return typeof value === 'object' && value !== null && 'Root' in value;
}

/** Without what has a name that `unused` matches; what is left of it names nothing of that, or does not load. */
function definitionOf(file: string, unused?: RegExp): string {
  const protobuf: unknown = createRequire(PROTO_LOADER)('protobufjs');
  if (!isProtobuf(protobuf)) throw new Error('protobufjs has no Root');
  const definition = new protobuf.Root().loadSync(file, { keepCase: true }).toJSON();
  return JSON.stringify(definition, (name, part: unknown) =>
    typeof part === 'object' && unused?.test(name) === true ? undefined : part,
  );
}

const script = (contents: string): OnLoadResult => ({ contents, loader: 'js', resolveDir: ROOT });

/** Our own protocol module, with the definition in place of the file that it would read. */
const ourDefinition = (file: string): OnLoadResult =>
  script(`import { fromJSON } from '@grpc/proto-loader';
export const definition = fromJSON(${definitionOf(path.join(path.dirname(file), 'proto/etcd.proto'))}, ${OPTIONS});`);

/** Services of etcd that nobody here calls, with their messages: each costs time at every start, and memory. */
const ETCD3_UNUSED = /^(?:Auth|Lease|Watch|authpb)/;

/** The same for etcd3, whose source must still look as it did when this was written. */
async function etcd3Definition(file: string): Promise<OnLoadResult> {
  const source = await readFile(file, 'utf8');
  const call = /\(0, proto_loader_1\.loadSync\)\(`\$\{__dirname\}\/\.\.\/proto\/rpc\.proto`, \{[^}]*\}\)/;
  if (!call.test(source)) throw new Error(`${file} does not load its protocol as expected`);
  const json = definitionOf(path.join(path.dirname(file), '../proto/rpc.proto'), ETCD3_UNUSED);
  const contents = source.replace(call, () => `(0, proto_loader_1.fromJSON)(${json}, ${ETCD3_OPTIONS})`);
  return { contents, loader: 'js', resolveDir: path.dirname(file) };
}

/** Puts protocol definitions into the bundle, and gives etcd3 the proto-loader that we use. */
export const protocolsInside: Plugin = {
  name: 'protocols-inside',
  setup(build) {
    build.onResolve({ filter: /^@grpc\/proto-loader$/ }, () => ({ path: PROTO_LOADER }));
    build.onLoad({ filter: /\/src\/etcd\/proto\.ts$/ }, ({ path: file }) => ourDefinition(file));
    build.onLoad({ filter: /\/etcd3\/lib\/connection-pool\.js$/ }, ({ path: file }) => etcd3Definition(file));
  },
};

/** Where client-node's files are, without asking for its entry, which is what we avoid. */
const CLIENT_NODE = path.join(ROOT, 'node_modules/@kubernetes/client-node/dist');

/** Imports of KubeConfig for what nobody asks of it here: calls of the API, other ways to log in, proxies. */
const KUBE_CONFIG_UNUSED = /^(?:\.\/gen\/index\.js|\.\/\w+_auth\.js|socks|socks-proxy-agent|hpagent)$/;

/** Each of them; one way to log in is made with the class itself, the rest fails when it is used. */
const ABSENT = `const absent = () => { throw new Error('left out of the bundle'); };
export { absent as createConfiguration, absent as ServerConfiguration };
export { absent as SocksClient, absent as SocksProxyAgent, absent as HttpProxyAgent, absent as HttpsProxyAgent };
class Auth { isAuthProvider() { return false; } }
export { Auth as AzureAuth, Auth as ExecAuth, Auth as FileAuth, Auth as GoogleCloudPlatformAuth, Auth as OpenIDConnectAuth };`;

/**
 * The operator uses KubeConfig of client-node and its types, with certificates and tokens only (`loadAuth` refuses the
 * other ways that KubeConfig knows). The package's entry, and what KubeConfig imports, would bring every model and call of
 * the Kubernetes API with them: 40 MB of memory.
 */
export const kubeConfigOnly: Plugin = {
  name: 'kube-config-only',
  setup(build) {
    build.onResolve({ filter: /^@kubernetes\/client-node$/ }, () => ({ path: path.join(CLIENT_NODE, 'config.js') }));
    build.onResolve({ filter: KUBE_CONFIG_UNUSED }, ({ importer }) =>
      importer === path.join(CLIENT_NODE, 'config.js') ? { path: 'absent', namespace: 'kube-config-only' } : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: 'kube-config-only' }, () => ({ contents: ABSENT, loader: 'js' }));
  },
};

/**
 * An ES import of a built-in module reads all its exports, and with them loads what nobody here uses: a WebSocket client
 * comes with `http`, a megabyte of Node's own code. `require` reads none.
 */
export const requiredBuiltins: Plugin = {
  name: 'required-builtins',
  setup(build) {
    const filter = new RegExp(`^(?:node:)?(?:${builtinModules.join('|')})$`);
    build.onResolve({ filter }, ({ kind, path: name }) =>
      kind === 'require-call'
        ? { path: name, external: true }
        : { path: name.replace(/^node:/, ''), namespace: 'required' },
    );
    build.onLoad({ filter: /.*/, namespace: 'required' }, ({ path: name }) =>
      script(`module.exports = require('node:${name}');`),
    );
  },
};

/** Modules that are replaced by a part of themselves: an import by name of anything else of theirs fails the build. */
const SMALLER: readonly { readonly file: RegExp; readonly contents: string }[] = [
  {
    // Without mocks, caches, cookies, WebSockets and fetch.
    file: /\/undici\/index\.js$/,
    contents: `import Dispatcher from './lib/dispatcher/dispatcher.js';
import Agent from './lib/dispatcher/agent.js';
import ProxyAgent from './lib/dispatcher/proxy-agent.js';
import * as api from './lib/api/index.js';
Object.assign(Dispatcher.prototype, api.default);
export { Agent, Dispatcher, ProxyAgent };`,
  },
  // One build of the HTTP parser: the one that runs on every processor.
  { file: /\/undici\/lib\/llhttp\/llhttp_simd-wasm\.js$/, contents: `module.exports = require('./llhttp-wasm.js');` },
  {
    // Credentials come from a Secret, never from what a machine or a cloud would lend.
    file: /\/@aws-sdk\/credential-provider-node\/.*\/index\.js$/,
    contents: `export const defaultProvider = () => () => Promise.reject(new Error('no credentials were given'));`,
  },
  {
    // Certificates, without TLS, PKCS#7 and #12 and SSH. Its one export has them no more: types do not tell.
    file: /\/node-forge\/lib\/index\.js$/,
    contents: `import forge from './forge.js';
import './x509.js';
export default forge;`,
  },
  // Messages in English only, out of some fifty languages.
  { file: /\/zod\/v4\/locales\/index\.js$/, contents: `export { default as en } from './en.js';` },
];

export const smallerModules: Plugin = {
  name: 'smaller-modules',
  setup(build) {
    for (const { file, contents } of SMALLER) {
      build.onLoad({ filter: file }, (args) => ({ contents, loader: 'js', resolveDir: path.dirname(args.path) }));
    }
  },
};
