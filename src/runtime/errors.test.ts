// SPDX-License-Identifier: Apache-2.0
// Which answer of the API server is which error, and how long it asks to be left alone.
import { describe, expect, it } from 'vitest';
import { errorOfResponse, errorOfTransport, isNamespaceGoing, KubeError, patience } from './errors.ts';

const status = (reason: string, o: object = {}) => JSON.stringify({ kind: 'Status', reason, message: 'said', ...o });
const answers: [string, number, string, string, string][] = [
  ['a name that is taken', 409, status('AlreadyExists'), 'AlreadyExists', 'conflict'],
  ['a version that is old', 409, status('Conflict'), 'Conflict', 'conflict'],
  [
    'an object of another uid, as server-side apply puts it',
    422,
    status('Invalid', { details: { causes: [{ field: 'metadata.uid' }] } }),
    'Conflict',
    'conflict',
  ],
  ['a wrong field', 422, status('Invalid', { details: { causes: [{ field: 'spec.x' }] } }), 'Invalid', 'terminal'],
  ['a request that is none', 400, status('BadRequest'), 'Invalid', 'terminal'],
  ['a request that is too large', 413, status('RequestEntityTooLarge'), 'Invalid', 'terminal'],
  ['a body of another type', 415, status('UnsupportedMediaType'), 'Invalid', 'terminal'],
  ['a request that took too long to come', 408, '', 'Timeout', 'retryable'],
  [
    'a conflict that speaks of the uid',
    409,
    status('AlreadyExists', { details: { causes: [{ field: 'metadata.uid' }] } }),
    'AlreadyExists',
    'conflict',
  ],
  ['an object that is not there', 404, status('NotFound'), 'NotFound', 'terminal'],
  ['a right that is missing', 403, status('Forbidden'), 'Forbidden', 'terminal'],
  ['a token that is old', 401, status('Unauthorized'), 'Unauthorized', 'retryable'],
  ['a version that is gone', 410, status('Expired'), 'Gone', 'retryable'],
  ['too much at once', 429, status('TooManyRequests'), 'TooManyRequests', 'retryable'],
  ['a server that took too long', 504, status('Timeout'), 'Timeout', 'retryable'],
  ['a load balancer without a server', 502, '<html>', 'Unavailable', 'retryable'],
  ['a body that is JSON but no object', 500, 'null', 'Unavailable', 'retryable'],
  ['a redirect', 307, '', 'Unknown', 'retryable'],
];

describe('errorOfResponse', () => {
  for (const [sentence, code, body, expected, kind] of answers) {
    it(sentence, () => {
      const error = errorOfResponse(code, body, undefined);
      expect([error.code, error.class, error.status]).toEqual([expected, kind, code]);
      expect(error.message).toBe(body.includes('said') ? 'said' : `HTTP status ${code}`);
    });
  }
});

it('an answer that asks for patience is an error that does', () => {
  const details = { retryAfterSeconds: 5 };
  expect(errorOfResponse(429, status('TooManyRequests'), '7').retryAfterMs).toBe(7_000);
  expect(errorOfResponse(429, status('TooManyRequests', { details }), undefined)).toMatchObject({
    retryAfterMs: 5_000,
    reason: 'TooManyRequests',
    details,
  });
  expect(errorOfResponse(429, '', undefined).retryAfterMs).toBeUndefined();
});

describe('isNamespaceGoing', () => {
  const refusal = (causes: object[]) => errorOfResponse(403, status('Forbidden', { details: { causes } }), undefined);
  const rows: [string, unknown, boolean][] = [
    ['a refusal because the namespace is being deleted', refusal([{ reason: 'NamespaceTerminating' }]), true],
    [
      'a conflict for that reason',
      errorOfResponse(
        409,
        status('Conflict', { details: { causes: [{ reason: 'NamespaceTerminating' }] } }),
        undefined,
      ),
      false,
    ],
    ['another refusal', refusal([{ reason: 'FieldValueInvalid' }]), false],
    ['a refusal without a cause', errorOfResponse(403, status('Forbidden'), undefined), false],
    ['no refusal', new Error('x'), false],
  ];
  it.each(rows)('%s', (_, error, expected) => {
    expect(isNamespaceGoing(error)).toBe(expected);
  });
});

describe('patience', () => {
  const now = Date.parse('2026-01-02T03:04:05Z');
  const rows: [string, string | undefined, number | undefined, number | undefined][] = [
    ['seconds in the header', '60', undefined, 60_000],
    ['a date in the header', 'Fri, 02 Jan 2026 03:04:15 GMT', undefined, 10_000],
    ['a date that has passed', 'Fri, 02 Jan 2026 03:04:00 GMT', undefined, undefined],
    ['seconds in the body only', undefined, 5, 5_000],
    ['the header before the body', '2', 5, 2_000],
    ['nonsense', 'soon', undefined, undefined],
    ['a figure that would silence us for good', '999999999', undefined, 3_600_000],
    ['nothing', undefined, undefined, undefined],
  ];
  for (const [sentence, header, body, expected] of rows) {
    it(sentence, () => expect(patience(header, body, now)).toBe(expected));
  }
});

describe('errorOfTransport', () => {
  const kept = new KubeError('Fenced', 'x');
  const rows: [string, unknown, string][] = [
    ['our own errors are kept', kept, 'Fenced'],
    ['a deadline', new DOMException('x', 'TimeoutError'), 'Timeout'],
    ['a reset', Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }), 'Unavailable'],
    ['an answer that is no JSON', new SyntaxError('x'), 'Unavailable'],
    ['something that is no error', undefined, 'Unavailable'],
  ];
  for (const [sentence, cause, expected] of rows) {
    it(sentence, () => expect(errorOfTransport(cause).code).toBe(expected));
  }
});
