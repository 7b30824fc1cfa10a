// SPDX-License-Identifier: Apache-2.0
// The errors of reading and issuing certificates.

export type TlsErrorCode = 'InvalidCertificate' | 'InvalidKey' | 'UnsupportedKey' | 'KeyMismatch';

/** Every TLS error is terminal: the same input fails the same way again. */
export class TlsError extends Error {
  override readonly name = 'TlsError';
  readonly class = 'terminal';
  readonly code: TlsErrorCode;

  constructor(code: TlsErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}
