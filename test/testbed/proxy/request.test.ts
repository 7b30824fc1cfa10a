// SPDX-License-Identifier: Apache-2.0
// The reading of API paths, as a table.
import { expect, test } from 'vitest';
import { parseRequest, type RequestInfo } from './request.ts';

const table: { title: string; request: [string, string, string?]; want: Partial<RequestInfo> }[] = [
  {
    title: 'a GET of one core object is a get',
    request: ['GET', '/api/v1/namespaces/shop/pods/orders-0'],
    want: { verb: 'get', group: '', version: 'v1', resource: 'pods', namespace: 'shop', name: 'orders-0' },
  },
  {
    title: 'a GET of a collection is a list',
    request: ['GET', '/apis/apps/v1/namespaces/shop/statefulsets?limit=500'],
    want: { verb: 'list', group: 'apps', version: 'v1', resource: 'statefulsets', namespace: 'shop', name: '' },
  },
  {
    title: 'a GET of a collection over all namespaces has no namespace',
    request: ['GET', '/apis/etcd.quorate.dev/v1alpha1/etcdclusters'],
    want: { verb: 'list', group: 'etcd.quorate.dev', resource: 'etcdclusters', namespace: '' },
  },
  {
    title: 'watch=true makes a list a watch',
    request: ['GET', '/api/v1/namespaces/shop/pods?watch=true&resourceVersion=12&allowWatchBookmarks=true'],
    want: { verb: 'watch', resource: 'pods', namespace: 'shop', name: '' },
  },
  {
    title: 'watch=1 does so too',
    request: ['GET', '/api/v1/pods?watch=1'],
    want: { verb: 'watch', resource: 'pods', namespace: '' },
  },
  {
    title: 'watch=false does not',
    request: ['GET', '/api/v1/pods?watch=false'],
    want: { verb: 'list' },
  },
  {
    title: 'a watch selected by metadata.name carries the name',
    request: ['GET', '/api/v1/namespaces/shop/secrets?watch=true&fieldSelector=metadata.name%3Dorders-ca-peer'],
    want: { verb: 'watch', resource: 'secrets', name: 'orders-ca-peer' },
  },
  {
    title: 'a POST is a create named by its body',
    request: ['POST', '/api/v1/namespaces/shop/services', '{"metadata":{"name":"orders-0"}}'],
    want: { verb: 'create', resource: 'services', name: 'orders-0' },
  },
  {
    title: 'a POST with a generated name carries its prefix',
    request: ['POST', '/apis/events.k8s.io/v1/namespaces/shop/events', '{"metadata":{"generateName":"orders."}}'],
    want: { verb: 'create', group: 'events.k8s.io', resource: 'events', name: 'orders.' },
  },
  {
    title: 'a POST whose body is not JSON has no name',
    request: ['POST', '/api/v1/namespaces/shop/services', 'metadata: {name: x}'],
    want: { verb: 'create', name: '' },
  },
  {
    title: 'a PATCH of a subresource keeps the subresource apart',
    request: [
      'PATCH',
      '/apis/etcd.quorate.dev/v1alpha1/namespaces/shop/etcdclusters/orders/status?fieldManager=quorate',
    ],
    want: { verb: 'patch', resource: 'etcdclusters', name: 'orders', subresource: 'status' },
  },
  {
    title: 'a PUT is an update',
    request: ['PUT', '/apis/coordination.k8s.io/v1/namespaces/sys/leases/quorate'],
    want: { verb: 'update', group: 'coordination.k8s.io', resource: 'leases', namespace: 'sys', name: 'quorate' },
  },
  {
    title: 'a DELETE of one object is a delete',
    request: ['DELETE', '/api/v1/namespaces/shop/pods/orders-0'],
    want: { verb: 'delete', resource: 'pods', name: 'orders-0' },
  },
  {
    title: 'a DELETE of a collection is a deletecollection',
    request: ['DELETE', '/api/v1/namespaces/shop/pods'],
    want: { verb: 'deletecollection', resource: 'pods', name: '' },
  },
  {
    title: 'a Namespace is a resource of its own name',
    request: ['GET', '/api/v1/namespaces/shop'],
    want: { verb: 'get', resource: 'namespaces', namespace: 'shop', name: 'shop', subresource: '' },
  },
  {
    title: 'the status of a Namespace is its subresource, not a resource inside it',
    request: ['PUT', '/api/v1/namespaces/shop/status'],
    want: { verb: 'update', resource: 'namespaces', name: 'shop', subresource: 'status' },
  },
  {
    title: 'all Namespaces are listed without a name',
    request: ['GET', '/api/v1/namespaces'],
    want: { verb: 'list', resource: 'namespaces', namespace: '', name: '' },
  },
  {
    title: 'a cluster-wide object has no namespace',
    request: ['GET', '/apis/storage.k8s.io/v1/storageclasses/fast'],
    want: { verb: 'get', group: 'storage.k8s.io', resource: 'storageclasses', namespace: '', name: 'fast' },
  },
  { title: 'the version is no resource', request: ['GET', '/version'], want: { verb: 'other', resource: '' } },
  { title: 'discovery is no resource', request: ['GET', '/apis/apps/v1'], want: { verb: 'other', resource: '' } },
  {
    title: 'a broken escape is taken as it is',
    request: ['GET', '/api/v1/pods/%zz'],
    want: { verb: 'get', name: '%zz' },
  },
];

test.each(table)('$title', ({ request, want }) => {
  expect(parseRequest(...request)).toMatchObject(want);
});
