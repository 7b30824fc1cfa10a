// SPDX-License-Identifier: Apache-2.0
// Makes the S3 client: credentials from mounted files only, guarded addresses, deadlines on silence.
import { readFile } from 'node:fs/promises';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { rootCertificates } from 'node:tls';
import type { S3Client } from '@aws-sdk/client-s3';
import { BackupError } from '../failures.ts';
import type { EgressGuard } from './egress.ts';

export interface S3Settings {
  readonly bucket: string;
  /** `https://host[:port]`; `http://` is taken as a decision for plain text. Without it: AWS in `region`. */
  readonly endpoint?: string | undefined;
  readonly region?: string | undefined;
  readonly forcePathStyle: boolean;
  /** Directory with `accessKeyId`, `secretAccessKey` and, if they are temporary, `sessionToken`. */
  readonly credentialsDir: string;
  /** PEM; trusted besides the public authorities. */
  readonly caFile?: string | undefined;
}

const CONNECT_MS = 10_000;
/** A connection on which nothing moves for this long is given up and the request made again. */
const SILENCE_MS = 60_000;
/** With the client's back-off this rides out some twenty seconds without a store. */
const MAX_ATTEMPTS = 10;
/** Files are read again after this long, so that a rotated Secret is picked up. */
const CREDENTIALS_AGE_MS = 600_000;

/** Also at some five thousand bytes per second there is progress before an upload counts as stalled. */
const SLICE_BYTES = 2 ** 20;

const DEFAULT_REGION = 'us-east-1';

const invalid = (why: string): BackupError => new BackupError('EndpointForbidden', `the endpoint ${why}`);

/** Throws BackupError for anything that is not a plain http or https address of a host. */
function parseEndpoint(endpoint: string): URL {
  const url = URL.parse(endpoint);
  if (url === null) throw invalid('is no URL');
  if (url.protocol !== 'https:' && url.protocol !== 'http:') throw invalid('must be an https:// or http:// URL');
  if (url.username !== '' || url.password !== '') throw invalid('must not carry credentials');
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '') throw invalid('must be a host without a path');
  return url;
}

export interface ConnectedS3 {
  readonly client: S3Client;
  /** Host and port, for people. */
  readonly endpoint: string;
}

export async function connectS3(
  settings: S3Settings,
  guard: EgressGuard,
  onSent: (bytes: number) => void,
): Promise<ConnectedS3> {
  const region = settings.region ?? DEFAULT_REGION;
  const url = settings.endpoint === undefined ? undefined : parseEndpoint(settings.endpoint);
  if (url !== undefined) guard.checkHost(url.hostname);
  const extra = settings.caFile === undefined ? undefined : await readFile(settings.caFile, 'utf8').catch(unreadableCa);
  const { S3Client: Client } = await import('@aws-sdk/client-s3');
  const agent = { keepAlive: true, maxSockets: 16, lookup: guard.lookup };
  const client = new Client({
    region,
    ...(url === undefined ? {} : { endpoint: url.origin }),
    forcePathStyle: settings.forcePathStyle,
    credentials: () => readCredentials(settings.credentialsDir),
    maxAttempts: MAX_ATTEMPTS,
    retryMode: 'standard',
    followRegionRedirects: false,
    // Each part is signed with the SHA-256 of its content already, which every store checks; older ones know no other sums.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      socketTimeout: SILENCE_MS,
      httpAgent: new HttpAgent(agent),
      httpsAgent: new HttpsAgent({ ...agent, ...(extra === undefined ? {} : { ca: [...rootCertificates, extra] }) }),
    },
  });
  countBodies(client, onSent);
  return { client, endpoint: url?.host ?? `s3.${region}.amazonaws.com` };
}

/** A part that leaves in one piece would be heard of only when it has arrived, minutes later on a slow line. */
function countBodies(client: S3Client, onSent: (bytes: number) => void): void {
  client.middlewareStack.add(
    // Behind the signature, which needs the whole body, and behind the retries: each of them reads it anew.
    (next) => (args) => {
      const { body } = args.request as { body?: unknown };
      if (!Buffer.isBuffer(body) || body.length === 0) return next(args);
      const request: unknown = Object.assign(
        Object.create(Object.getPrototypeOf(args.request) as object),
        args.request,
        {
          body: Readable.from(slices(body, onSent), { highWaterMark: 1 }),
        },
      );
      return next({ ...args, request });
    },
    { step: 'deserialize', priority: 'low', name: 'countBodies' },
  );
}

/** The next slice is asked for when the connection has taken the one before. */
function* slices(body: Buffer, onSent: (bytes: number) => void): Generator<Buffer> {
  for (let at = 0; at < body.length; at += SLICE_BYTES) {
    const slice = body.subarray(at, at + SLICE_BYTES);
    yield slice;
    onSent(slice.length);
  }
}

function unreadableCa(cause: unknown): never {
  throw new BackupError('StoreCertificateInvalid', 'the mounted certificate authority of the store cannot be read', {
    cause,
  });
}

async function readCredentials(directory: string) {
  const read = async (name: string): Promise<string | undefined> => {
    const text = await readFile(join(directory, name), 'utf8').catch(() => '');
    return text.trim() === '' ? undefined : text.trim();
  };
  const [accessKeyId, secretAccessKey, sessionToken] = await Promise.all(
    ['accessKeyId', 'secretAccessKey', 'sessionToken'].map(read),
  );
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw new BackupError('CredentialsUnreadable', 'the credentials Secret has no accessKeyId or no secretAccessKey');
  }
  return {
    accessKeyId,
    secretAccessKey,
    ...(sessionToken === undefined ? {} : { sessionToken }),
    expiration: new Date(Date.now() + CREDENTIALS_AGE_MS),
  };
}
