// SPDX-License-Identifier: Apache-2.0
// Opens connections to the API server with the certificates of the moment.
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import type { buildConnector } from 'undici';
import type { KubeAuth, TlsMaterial } from './auth.ts';

const CONNECT_MS = 5_000;
/** A host that vanished is noticed by the kernel, also under a quiet connection. */
const KEEP_ALIVE_MS = 15_000;

/** A connector for undici: each new connection asks for CA, certificate and key again, as they are replaced in place. */
export function dialer(auth: KubeAuth): buildConnector.connector {
  const contexts = contextKeeper();
  const open = async (o: buildConnector.Options): Promise<Socket> => {
    if (o.protocol !== 'https:')
      return dial(o, connectPlain({ host: hostOf(o), port: Number(o.port) || 80 }), 'connect');
    const tls = await auth.tls();
    const host = hostOf(o);
    // Node names nobody by itself, and a proxy that serves several hosts could not tell which is meant.
    const { servername = isIP(host) === 0 ? host : undefined, rejectUnauthorized = true } = tls;
    const socket = connectTls({
      host,
      port: Number(o.port) || 443,
      secureContext: contexts(tls),
      rejectUnauthorized,
      ALPNProtocols: ['http/1.1'],
      ...(servername === undefined ? {} : { servername }),
    });
    return dial(o, socket, 'secureConnect');
  };
  return (o, done) => {
    void answer(open(o), done);
  };
}

/** IPv6 addresses stand in brackets in a URL. */
const hostOf = (o: buildConnector.Options): string => o.hostname.replace(/^\[|\]$/g, '');

/** Parsed certificates take memory and time: one context serves all connections until the material changes. */
function contextKeeper(): (tls: TlsMaterial) => SecureContext {
  let known: { readonly text: string; readonly context: SecureContext } | undefined;
  return ({ ca, cert, key }) => {
    const text = [ca, cert, key].join('\n');
    if (known?.text !== text)
      known = {
        text,
        context: createSecureContext({
          ...(ca === undefined ? {} : { ca }),
          ...(cert === undefined ? {} : { cert }),
          ...(key === undefined ? {} : { key }),
        }),
      };
    return known.context;
  };
}

async function answer(opening: Promise<Socket>, done: buildConnector.Callback): Promise<void> {
  let socket: Socket;
  try {
    socket = await opening;
  } catch (e) {
    done(e instanceof Error ? e : new Error(String(e)), null);
    return;
  }
  done(null, socket);
}

function dial(o: buildConnector.Options, socket: Socket, ready: 'connect' | 'secureConnect'): Promise<Socket> {
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  socket.setNoDelay(true);
  return new Promise((resolve, reject) => {
    const settle = (e?: Error): void => {
      clearTimeout(timer);
      socket.off('error', settle);
      if (e === undefined) {
        resolve(socket);
        return;
      }
      socket.destroy();
      reject(e);
    };
    const late = (): void => settle(new Error(`no connection to ${o.hostname} within ${CONNECT_MS} ms`));
    const timer = setTimeout(late, CONNECT_MS);
    socket.once('error', settle);
    socket.once(ready, () => settle());
  });
}
