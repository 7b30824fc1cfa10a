// SPDX-License-Identifier: Apache-2.0
// Opens connections to the API server with the certificates of the moment.
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { buildConnector } from 'undici';
import type { KubeAuth } from './auth.ts';

const CONNECT_MS = 5_000;
/** A host that vanished is noticed by the kernel, also under a quiet connection. */
const KEEP_ALIVE_MS = 15_000;

/** A connector for undici: each new connection asks for CA, certificate and key again, as they are replaced in place. */
export function dialer(auth: KubeAuth): buildConnector.connector {
  return (o, done) => {
    void answer(auth, o, done);
  };
}

async function answer(auth: KubeAuth, o: buildConnector.Options, done: buildConnector.Callback): Promise<void> {
  let socket: Socket;
  try {
    socket = await dial(auth, o);
  } catch (e) {
    done(e instanceof Error ? e : new Error(String(e)), null);
    return;
  }
  done(null, socket);
}

async function dial(auth: KubeAuth, o: buildConnector.Options): Promise<Socket> {
  const secure = o.protocol === 'https:';
  const host = o.hostname.replace(/^\[|\]$/g, '');
  const port = Number(o.port) || (secure ? 443 : 80);
  const socket = secure
    ? connectTls({ ...(await auth.tls()), host, port, ALPNProtocols: ['http/1.1'] })
    : connectPlain({ host, port });
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  socket.setNoDelay(true);
  return new Promise((resolve, reject) => {
    const settle = (e: Error | undefined): void => {
      clearTimeout(timer);
      socket.off('error', settle);
      if (e === undefined) resolve(socket);
      else {
        socket.destroy();
        reject(e);
      }
    };
    const timer = setTimeout(() => settle(new Error(`no connection within ${CONNECT_MS} ms`)), CONNECT_MS);
    socket.once('error', settle);
    socket.once(secure ? 'secureConnect' : 'connect', () => settle(undefined));
  });
}
