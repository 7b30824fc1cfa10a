// SPDX-License-Identifier: Apache-2.0
// Watches that lie, stall or break: the operator's view is repaired, and nothing is done by a wrong view.
import { describe, expect, test } from 'vitest';
import { services } from '../../src/runtime/resources.ts';
import { cluster } from './harness/cluster.ts';
import { expired, identities, reappears, repairs } from './harness/scenario.ts';
import { useOperator } from './harness/suite.ts';
import { until } from './harness/until.ts';

const suite = useOperator({ namespaces: 5, proxy: true });

/** Deletes the client Service while the operator cannot see it. */
async function deleteUnseen(object: ReturnType<typeof cluster>): Promise<string> {
  const ref = { namespace: object.metadata.namespace ?? '', name: `${object.metadata.name}-client` };
  const { metadata } = await suite.kube.get(services, ref);
  await suite.kube.delete(services, ref);
  return metadata.uid ?? '';
}

/** The collections of a namespace that were read anew since a time: a list that is streamed ends with an event. */
async function relisted(namespace: string, since: number): Promise<string[]> {
  const relists = (await suite.proxy.requests({ namespace })).filter(
    ({ verb, query, startedAt, status, events = 0 }) =>
      startedAt > since &&
      (verb === 'list' ? status === 200 : verb === 'watch' && query.sendInitialEvents === 'true' && events > 0),
  );
  return [...new Set(relists.map(({ resource }) => resource))];
}

describe.concurrent('watches', () => {
  test('8. a watch that expires (410), at once and in the middle, is listed anew and deletes nothing', async () => {
    const object = cluster(suite.namespaces[0] ?? '', 'expired');
    const { namespace = '' } = object.metadata;
    await suite.available(object);
    const before = await identities(suite.kube, object);
    const status = { kind: 'status', code: 410, reason: 'Expired', message: 'too old resource version' } as const;
    const resumed = { verb: 'watch', namespace, query: { sendInitialEvents: '', resourceVersion: '?*' } } as const;
    const allRelisted = (since: number, hits: number) =>
      until('each expired collection is read anew', {
        within: 30_000,
        read: () => relisted(namespace, since),
        holds: (found) => found.length >= hits || `${hits} watches were struck`,
      });
    const start = Date.now();
    const atStart = await suite.proxy.rule(resumed, status, { oncePerObject: true });
    const ended = await suite.proxy.rule({ verb: 'watch', namespace }, { kind: 'cut' });
    const cut = await ended.struck(5, 5000);
    await atStart.struck(cut.hits, 30_000);
    await allRelisted(start, cut.hits);
    const again = Date.now();
    const midway = await suite.proxy.rule({ verb: 'watch', namespace }, { kind: 'inject', line: expired, close: true });
    const { hits } = await midway.struck(5, 5000);
    await allRelisted(again, hits);
    const missed = (await suite.proxy.requests({ namespace, verb: 'create' }))
      .filter(({ startedAt, resource }) => startedAt > start && resource !== 'events')
      .map(({ path }) => path);
    expect(missed, 'what was taken for gone').toEqual([]);
    await repairs(suite.kube, object, 30_000);
    const deletes = (await suite.proxy.requests({ namespace, verb: ['delete', 'deletecollection'] })).map(
      ({ path }) => path,
    );
    expect(deletes).toEqual([]);
    const after = await identities(suite.kube, object);
    expect({ ...after, 'Service/expired-client': '' }).toEqual({ ...before, 'Service/expired-client': '' });
    await Promise.all([atStart.remove(), midway.remove()]);
    await suite.dismiss(object);
  });

  test('9. a watch that closes at once without a reason is not hammered, and starts from a fresh list', async () => {
    const object = cluster(suite.namespaces[1] ?? '', 'closing');
    const { namespace = '' } = object.metadata;
    await suite.available(object);
    const target = { verb: 'watch', namespace, resource: 'services' } as const;
    const resumed = { ...target, query: { sendInitialEvents: '' } };
    const start = Date.now();
    const closing = await suite.proxy.rule(resumed, { kind: 'cut', scope: 'new' });
    await suite.proxy.rule(target, { kind: 'cut' });
    await closing.struck(3, 60_000);
    const tries = (await suite.proxy.requests(resumed)).filter(({ startedAt }) => startedAt > start);
    const spanMs = (tries.at(-1)?.startedAt ?? 0) - start;
    expect(spanMs / Math.max(1, tries.length), 'mean time between tries').toBeGreaterThan(100);
    // Reading state anew does not match the rule, so this holds only if the old version was given up.
    await repairs(suite.kube, object, 60_000);
    await closing.remove();
    await suite.dismiss(object);
  });

  test('10. a watch that is silent but open is noticed within 60 s', async () => {
    const object = cluster(suite.namespaces[2] ?? '', 'silent');
    const { namespace = '' } = object.metadata;
    await suite.available(object);
    // The one that is open, or the next: each ends within a minute, and may do so just now.
    const freeze = await suite.proxy.rule(
      { verb: 'watch', namespace, resource: 'services' },
      { kind: 'freeze', scope: 'both' },
      { times: 1 },
    );
    await freeze.struck(1, 10_000);
    const silent = Date.now();
    const uid = await deleteUnseen(object);
    // And repaired 10 s after that.
    await reappears(suite.kube, object, uid, 70_000);
    const anew = (await suite.proxy.requests({ namespace, resource: 'services', verb: ['list', 'watch'] }))
      .map(({ startedAt }) => startedAt - silent)
      .filter((ms) => ms > 0);
    expect(Math.min(...anew), 'milliseconds until it was asked anew').toBeLessThan(60_000);
    await freeze.remove();
    await suite.dismiss(object);
  });

  test('15. a watch line that is cut or malformed is repaired by a resync', async () => {
    const object = cluster(suite.namespaces[3] ?? '', 'garbled');
    const { namespace = '' } = object.metadata;
    await suite.available(object);
    const watch = { verb: 'watch', namespace, resource: 'services' } as const;
    const garble = await suite.proxy.rule(watch, { kind: 'garble', event: { type: 'DELETED' } }, { times: 1 });
    const uid = await deleteUnseen(object);
    await garble.struck(1, 5000);
    await reappears(suite.kube, object, uid, 30_000);
    const start = Date.now();
    const half = await suite.proxy.rule(
      { verb: 'watch', namespace },
      { kind: 'inject', line: '{"type":"MODIFIED","object":{"kind":"Po' },
    );
    const { hits } = await half.struck(5, 5000);
    await until('each collection whose watch made no sense is read anew', {
      within: 30_000,
      read: () => relisted(namespace, start),
      holds: (found) => found.length >= hits || `${hits} watches were struck`,
    });
    await repairs(suite.kube, object, 30_000);
    expect((await suite.settle(object)).status?.membersSummary).toBe('1/1');
  });

  test('3. its own writes not visible for 5 s lead to no second create', async () => {
    const object = cluster(suite.namespaces[4] ?? '', 'delayed', { replicas: 3 });
    const { namespace = '' } = object.metadata;
    const slow = await suite.proxy.rule(
      { verb: 'watch', namespace },
      { kind: 'delay-events', event: { name: 'delayed*' }, ms: 5000 },
    );
    await suite.available(object, 120_000);
    const creates = await suite.proxy.writes({ verb: 'create', namespace });
    const counts = Map.groupBy(creates, ({ resource, name }) => `${resource}/${name}`);
    const repeated = [...counts]
      .filter(([, records]) => records.length > 1)
      .map(([key, { length }]) => `${key}: ${length}`);
    expect(counts.size).toBeGreaterThan(10);
    expect(repeated).toEqual([]);
    expect((await slow.state()).hits, 'events that came late').toBeGreaterThan(10);
    await slow.remove();
    await suite.dismiss(object);
  });
});
