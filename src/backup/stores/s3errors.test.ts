// SPDX-License-Identifier: Apache-2.0
// Tests of the failures that an S3 client's errors become.
import { describe, expect, it } from 'vitest';
import { BackupError } from '../failures.ts';
import { outcomeUnknown, s3Failure } from './s3errors.ts';

const context = { bucket: 'backups', endpoint: 's3.example.com', doing: 'write' };
const answer = (name: string, status: number) =>
  Object.assign(new Error('<Error>SECRET body AKIAEXAMPLE</Error>'), { name, $metadata: { httpStatusCode: status } });
const again = (error: ReturnType<typeof answer>) =>
  Object.assign(error, { $metadata: { ...error.$metadata, attempts: 2 } });
const socket = (code: string) => Object.assign(new Error(`connect ${code} 10.0.0.1:443 SECRET`), { code });

describe('an error of the S3 client', () => {
  it.each([
    ['a missing bucket', answer('NoSuchBucket', 404), 'BucketNotFound'],
    ['denied', answer('AccessDenied', 403), 'AccessDenied'],
    ['denied without a body', answer('UnknownError', 403), 'AccessDenied'],
    ['a wrong secret', answer('SignatureDoesNotMatch', 403), 'CredentialsRejected'],
    ['an unknown key', answer('InvalidAccessKeyId', 403), 'CredentialsRejected'],
    ['an expired token', answer('ExpiredToken', 400), 'CredentialsRejected'],
    ['another region', answer('PermanentRedirect', 301), 'WrongRegion'],
    ['another region in the signature', answer('AuthorizationHeaderMalformed', 400), 'WrongRegion'],
    ['a redirect without a body', answer('UnknownError', 307), 'WrongRegion'],
    ['a plain redirect', answer('UnknownError', 302), 'StoreRejected'],
    ['a skewed clock', answer('RequestTimeTooSkewed', 403), 'ClockSkew'],
    ['an existing key', answer('PreconditionFailed', 412), 'KeyTaken'],
    ['another write of the same name', answer('ConditionalRequestConflict', 409), 'StoreUnavailable'],
    ['any other conflict', answer('UnknownError', 409), 'StoreUnavailable'],
    ['an upload that the store has dropped', answer('NoSuchUpload', 404), 'StoreUnavailable'],
    ['no conditional writes', answer('NotImplemented', 501), 'StoreUnsupported'],
    ['a full store', answer('XMinioStorageFull', 507), 'StoreFull'],
    ['an overloaded store', answer('SlowDown', 503), 'StoreUnavailable'],
    ['a broken store', answer('Whatever', 500), 'StoreUnavailable'],
    ['any other refusal', answer('InvalidArgument', 400), 'StoreRejected'],
    ['an unknown name', socket('ENOTFOUND'), 'StoreUnreachable'],
    ['nobody listening', socket('ECONNREFUSED'), 'StoreUnreachable'],
    ['a dead connection', socket('ECONNRESET'), 'StoreUnreachable'],
    [
      'several addresses, none listening',
      Object.assign(new AggregateError([socket('ECONNREFUSED')]), { code: 'ECONNREFUSED' }),
      'StoreUnreachable',
    ],
    ['silence', Object.assign(new Error('timed out'), { name: 'TimeoutError' }), 'StoreUnreachable'],
    ['a self-signed certificate', socket('DEPTH_ZERO_SELF_SIGNED_CERT'), 'StoreCertificateInvalid'],
    ['a certificate of another name', socket('ERR_TLS_CERT_ALTNAME_INVALID'), 'StoreCertificateInvalid'],
    ['an old TLS version', socket('ERR_SSL_UNSUPPORTED_PROTOCOL'), 'StoreCertificateInvalid'],
    ['plain http on a TLS port', new Error('outer', { cause: socket('EPROTO') }), 'StoreCertificateInvalid'],
    ['a mistake of ours', new TypeError('x is undefined'), 'Unexpected'],
    [
      'a refused address',
      new Error('outer', { cause: new BackupError('EndpointForbidden', 'no') }),
      'EndpointForbidden',
    ],
  ])('%s', (_, error, reason) => {
    const failure = s3Failure(error, context);
    expect(failure.reason).toBe(reason);
    expect(failure.remedy).not.toBe('');
    expect(failure.message).not.toMatch(/SECRET|AKIA|<Error>/);
  });
  it.each([
    ['by silence', socket('ECONNRESET'), true],
    ['by an abort', Object.assign(new Error('aborted'), { name: 'AbortError' }), true],
    ['by a gateway', answer('Whatever', 502), true],
    ['while another write is under way', answer('ConditionalRequestConflict', 409), true],
    ['by a refusal of a second try', again(answer('AccessDenied', 403)), true],
    ['by a refusal', answer('AccessDenied', 403), false],
    ['because the key exists', answer('PreconditionFailed', 412), false],
    ['before it began', new Error('outer', { cause: new BackupError('EndpointForbidden', 'no') }), false],
  ])('that ends a write %s leaves open whether it was done: %#', (_, error, unknown) => {
    expect(outcomeUnknown(error)).toBe(unknown);
  });
  it('shows no code that the server made up', () => {
    const failure = s3Failure(answer('secret\u001b[31m token=abc', 400), context);
    expect(failure.message).toBe('cannot write in the bucket backups at s3.example.com (HTTP 400)');
  });
});
