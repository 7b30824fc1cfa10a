// SPDX-License-Identifier: Apache-2.0
// Where the testbed keeps what the tests need on this machine.
import path from 'node:path';

export const repository = path.resolve(import.meta.dirname, '../../..');
/** What `make testbed` wrote; a developer may point the tests at another cluster. */
export const kubeconfigFile = process.env.QUORATE_KUBECONFIG ?? path.join(repository, '.testbed/kubeconfig');
/** The cluster's CA and certificates. */
export const pki = process.env.QUORATE_PKI ?? path.join(repository, '.testbed/pki');
export const bin = path.join(repository, '.testbed/bin');
/** Written when an operator image was built and loaded into the nodes. */
export const operatorImageFile = path.join(repository, '.testbed/operator-image.json');
