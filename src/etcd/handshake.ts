// SPDX-License-Identifier: Apache-2.0
// Looks at a member from outside: the certificate it serves, and its health pages.
import { request } from 'node:http';
import { connect } from 'node:tls';
import { secureContext } from './context.ts';
import { cancelled, EtcdError } from './errors.ts';
import type { CallOptions, ClientTls, Endpoint } from './types.ts';

const DEFAULT_TIMEOUT_MS = 2_000;
const DEFAULT_CLIENT_PORT = 2379;
const DEFAULT_METRICS_PORT = 2381;

/**
 * The certificate that the member serves on its client port now, as PEM. The handshake verifies it against `tls.ca` and
 * the server name. Rejects with EtcdError `Unauthenticated`, `Unavailable`, `DeadlineExceeded` or `Cancelled`.
 */
export function servedCertificate(e: Endpoint, tls: ClientTls, o: CallOptions = {}): Promise<string> {
  const subject = `${e.name}: certificate`;
  const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = o;
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(cancelled(subject, signal));
    const socket = connect({
      host: e.host,
      port: e.clientPort ?? DEFAULT_CLIENT_PORT,
      servername: e.serverName,
      secureContext: secureContext(tls),
      ALPNProtocols: ['h2'],
    });
    const settle = (act: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.destroy();
      act();
    };
    const fail = (error: EtcdError): void => settle(() => reject(error));
    const late = `${subject}: no handshake within ${timeoutMs} ms`;
    const timer = setTimeout(() => fail(new EtcdError('DeadlineExceeded', late)), timeoutMs);
    const onAbort = (): void => fail(cancelled(subject, signal));
    signal?.addEventListener('abort', onAbort);
    socket.on('error', (error: NodeJS.ErrnoException) => fail(handshakeError(error, subject)));
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate();
      settle(() =>
        certificate === undefined
          ? reject(new EtcdError('Unauthenticated', `${subject}: the member served none`))
          : resolve(certificate.toString()),
      );
    });
  });
}

/** Errors of the system have a syscall; all others come from the verification of the certificate. */
function handshakeError(error: NodeJS.ErrnoException, subject: string): EtcdError {
  const code = error.syscall === undefined && error.code !== 'ECONNRESET' ? 'Unauthenticated' : 'Unavailable';
  return new EtcdError(code, `${subject}: ${error.message}`, error);
}

/** Whether a health page of the metrics port (plain http) answers 200. False on any failure; never throws. */
export function probe(e: Endpoint, path: `/${string}`, o: CallOptions = {}): Promise<boolean> {
  const { signal, timeoutMs = DEFAULT_TIMEOUT_MS } = o;
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve(false);
    const port = e.metricsPort ?? DEFAULT_METRICS_PORT;
    const req = request({ host: e.host, port, path, agent: false }, (response) => {
      // The status says it all; a body that is not read would keep the connection.
      response.on('error', () => undefined).resume();
      resolve(response.statusCode === 200);
    });
    // Given to the request, a signal would cost an error with a stack for each one that ends well.
    const stop = (): void => void req.destroy();
    const timer = setTimeout(stop, timeoutMs);
    signal?.addEventListener('abort', stop);
    req.on('error', () => resolve(false));
    req.once('close', () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
      resolve(false);
    });
    req.end();
  });
}
