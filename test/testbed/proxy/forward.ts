// SPDX-License-Identifier: Apache-2.0
// One request on its way through the proxy: faults before, the real server, faults after.
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { request as send } from 'node:https';
import { buffer } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import type { RequestRecord } from './protocol.ts';
import { collectionOf, replay } from './replay.ts';
import { type Fault, isStreamFault, type Rule } from './rules.ts';
import type { Listener, ProxyState } from './state.ts';
import { WatchStream } from './watch.ts';

interface Exchange {
  state: ProxyState;
  listener: Listener;
  record: RequestRecord;
  req: IncomingMessage;
  res: ServerResponse;
  body: Buffer;
  faults: { fault: Fault; rule: Rule }[];
  /** Aborted when the caller hangs up. */
  gone: AbortSignal;
}

/** Never throws: whatever fails ends as a cut connection, as it would without the proxy. */
export async function handle(
  state: ProxyState,
  listener: Listener,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  try {
    const gone = new AbortController();
    res.on('close', () => gone.abort());
    const body = req.method === 'GET' || req.method === 'HEAD' ? Buffer.alloc(0) : await buffer(req);
    const record = state.open(listener, req, body.toString());
    if (record.verb === 'list' || record.verb === 'watch') {
      listener.collections.set(collectionOf(record), req.headers.authorization ?? '');
    }
    const faults = state.faultsOf(listener.name, record, record.client);
    const exchange: Exchange = { state, listener, record, req, res, body, faults, gone: gone.signal };
    if (await before(exchange)) forward(exchange);
  } catch {
    req.socket.destroy();
  }
}

/** True if the request is to be forwarded. */
async function before(x: Exchange): Promise<boolean> {
  for (const { fault, rule } of x.faults) {
    if (fault.kind === 'replay') {
      if (replay(x, rule, fault.mark)) return false;
      continue;
    }
    if (!isStreamFault(fault)) x.record.faults.push(fault.kind);
    if (fault.kind === 'delay' && fault.at !== 'reply') {
      await delay(fault.ms);
    } else if (fault.kind === 'hold' && fault.at === 'request') {
      if ((await x.state.hold(rule, 'request', x.record, x.gone)) === 'drop') return cut(x);
    } else if (fault.kind === 'status') {
      return answer(x, fault);
    } else if (fault.kind === 'reset') {
      return cut(x);
    }
  }
  return x.gone.aborted ? cut(x) : true;
}

function cut(x: Exchange): false {
  x.state.close(x.record, 0);
  x.req.socket.destroy();
  return false;
}

function answer(x: Exchange, fault: Extract<Fault, { kind: 'status' }>): false {
  const { code, reason, message, retryAfterSeconds } = fault;
  const status = {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: message ?? `fault proxy: ${code}`,
    reason: reason ?? '',
    code,
    details: retryAfterSeconds === undefined ? {} : { retryAfterSeconds },
  };
  x.res.writeHead(code, {
    'content-type': 'application/json',
    ...(retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) }),
  });
  x.res.end(fault.body ?? JSON.stringify(status));
  x.state.close(x.record, code);
  return false;
}

function forward(x: Exchange): void {
  const { host, port, agent } = x.state.upstream;
  const upstream = send(
    { host, port, agent, method: x.req.method, path: x.req.url, headers: headersFor(x) },
    (reply) => {
      x.record.serverStatus = reply.statusCode ?? 0;
      after(x, reply).catch(() => cut(x));
    },
  );
  upstream.on('error', () => cut(x));
  // A write that was sent may have been applied whatever its caller does; only what streams is given up.
  x.res.on('close', () => x.req.method === 'GET' && upstream.destroy());
  upstream.end(x.body);
}

function headersFor(x: Exchange): IncomingHttpHeaders {
  const headers = { ...x.req.headers, host: `${x.state.upstream.host}:${x.state.upstream.port}` };
  // Faults need plain text, and the hop's own headers end here.
  for (const name of ['accept-encoding', 'connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'expect']) {
    delete (headers as IncomingHttpHeaders)[name];
  }
  return x.body.length > 0 ? { ...headers, 'content-length': String(x.body.length) } : headers;
}

async function after(x: Exchange, reply: IncomingMessage): Promise<void> {
  const status = reply.statusCode ?? 502;
  if (x.record.verb === 'watch' && status === 200) {
    x.res.writeHead(status, replyHeaders(reply));
    x.res.flushHeaders();
    const stream = new WatchStream(x.state, x.listener, x.record, reply, x.res);
    stream.start();
    for (const { fault, rule } of x.faults) if (isStreamFault(fault)) stream.apply(fault, rule);
    return;
  }
  if (!x.faults.some(({ fault }) => strikesReply(fault))) {
    x.res.writeHead(status, replyHeaders(reply));
    reply.pipe(x.res);
    reply.on('error', () => cut(x));
    reply.on('end', () => x.state.close(x.record, status));
    return;
  }
  const body = await buffer(reply);
  for (const { fault, rule } of x.faults) {
    if (fault.kind === 'lose-reply') return void cut(x);
    if (fault.kind === 'delay' && fault.at === 'reply') await delay(fault.ms);
    if (fault.kind === 'hold' && fault.at === 'reply') {
      if ((await x.state.hold(rule, 'reply', x.record, x.gone)) === 'drop') return void cut(x);
    }
  }
  x.res.writeHead(status, { ...replyHeaders(reply), 'content-length': String(body.length) });
  x.res.end(body);
  x.state.close(x.record, status);
}

function strikesReply(fault: Fault): boolean {
  return fault.kind === 'lose-reply' || ((fault.kind === 'hold' || fault.kind === 'delay') && fault.at === 'reply');
}

function replyHeaders(reply: IncomingMessage): IncomingHttpHeaders {
  const headers = { ...reply.headers };
  for (const name of ['connection', 'keep-alive', 'transfer-encoding']) delete headers[name];
  return headers;
}
