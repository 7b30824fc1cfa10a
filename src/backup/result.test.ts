// SPDX-License-Identifier: Apache-2.0
// Tests of the termination message.
import { describe, expect, it } from 'vitest';
import { REMEDIES } from './failures.ts';
import { decodeResult, encodeResult, type JobResult } from './result.ts';

const done: JobResult = {
  ok: true,
  key: 'a/b.db.zst',
  manifestKey: 'a/b.manifest.json',
  location: 's3://backups',
  size: 1,
  compressedSize: 1,
  sha256: 'ab'.repeat(32),
  snapshotSha256: 'cd'.repeat(32),
  revision: '18446744073709551615',
  member: 'orders-1',
  etcdVersion: '3.6.16',
  clusterId: 'deadbeef',
  startTime: '2026-11-23T06:31:45Z',
  completionTime: '2026-11-23T06:31:50Z',
};

describe('the termination message', () => {
  it('comes back as it was said', () => {
    expect(decodeResult(encodeResult(done))).toEqual(done);
    expect(decodeResult(encodeResult({ ok: false, reason: 'BucketNotFound', message: 'no' }))).toEqual({
      ok: false,
      reason: 'BucketNotFound',
      message: 'no',
    });
  });
  it('tells the remedy to whoever reads the pod', () => {
    expect(encodeResult({ ok: false, reason: 'ClockSkew', message: 'x' })).toContain(REMEDIES.ClockSkew);
  });
  it.each(['\u001b[31m', '"\\'.repeat(900), 'ä'.repeat(5000), '\n\r'.repeat(100), '\ud800'.repeat(5000)])(
    'stays one short line whatever the message: %#',
    (message) => {
      const text = encodeResult({ ok: false, reason: 'Unexpected', message });
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(4096);
      expect(decodeResult(text)).toMatchObject({ ok: false, reason: 'Unexpected' });
      expect(text).not.toContain('\n');
      expect(text).not.toContain('\u001b');
    },
  );
  it('keeps the first thousand characters of a message, and none where even they are too long', () => {
    const told = (message: string) => decodeResult(encodeResult({ ok: false, reason: 'Unexpected', message }));
    expect(told('x'.repeat(5000))).toMatchObject({ message: 'x'.repeat(1024) });
    expect(told('\ud800'.repeat(5000))).toMatchObject({ message: '' });
    expect(decodeResult(JSON.stringify({ ok: false, reason: 'Unexpected', message: 'x'.repeat(4000) }))).toMatchObject({
      message: 'x'.repeat(1024),
    });
  });
  it.each([undefined, '', 'null', '[]', '{"ok":true}', '{"ok":false}', '{"ok":true,"__proto__":{}}', 'x'.repeat(5000)])(
    'is nothing if it is not ours: %#',
    (text) => {
      expect(decodeResult(text)).toBeUndefined();
    },
  );
  it('with an unknown reason is an unexpected failure, never a success', () => {
    expect(decodeResult('{"ok":false,"reason":"constructor","message":"m"}')).toMatchObject({
      ok: false,
      reason: 'Unexpected',
    });
  });
});
