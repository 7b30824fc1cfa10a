// SPDX-License-Identifier: Apache-2.0
// What TLS needs of our certificate; apart from the channels, so that a handshake needs no gRPC.
import { createSecureContext, type SecureContext } from 'node:tls';
import type { ClientTls } from './types.ts';

const contexts = new WeakMap<ClientTls, SecureContext>();

/** A parsed key and trust store: made once per certificate, not once per connection. */
export function secureContext(tls: ClientTls): SecureContext {
  const context = contexts.get(tls) ?? createSecureContext({ ca: tls.ca, cert: tls.cert, key: tls.key });
  contexts.set(tls, context);
  return context;
}
