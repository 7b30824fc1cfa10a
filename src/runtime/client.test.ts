// SPDX-License-Identifier: Apache-2.0
// Tests that the client deletes what was read, and nothing else.
import { json } from 'node:stream/consumers';
import { expect, it, onTestFinished } from 'vitest';
import { KubeClient } from './client.ts';
import { ok, serve } from './fixtures.ts';
import { jobs } from './resources.ts';

/** What the server was asked for when a Job with these metadata was deleted. */
async function deletion(read: { uid?: string; resourceVersion?: string }) {
  const asked: unknown[] = [];
  const auth = await serve((request, response) => {
    void json(request).then((body) => {
      asked.push({ method: request.method, url: request.url, body });
      ok(response);
    });
  });
  const client = new KubeClient({ auth });
  onTestFinished(() => client.close());
  const code = await client.delete(jobs, { metadata: { namespace: 'shop', name: 'j', ...read } }).then(
    () => undefined,
    (e: unknown) => (e as { code?: string }).code,
  );
  return { asked, code };
}

it('of an object that was read its UID and version are sent', async () => {
  const read = { uid: 'u', resourceVersion: '7' };
  const { asked, code } = await deletion(read);
  const body = expect.objectContaining({ preconditions: read, propagationPolicy: 'Background' }) as object;
  expect(asked).toEqual([{ method: 'DELETE', url: '/apis/batch/v1/namespaces/shop/jobs/j', body }]);
  expect(code).toBeUndefined();
});

it.each([[{ uid: 'u' }], [{ resourceVersion: '7' }]])('nothing is asked for when only %o is known', async (read) => {
  expect(await deletion(read)).toEqual({ asked: [], code: 'Invalid' });
});
