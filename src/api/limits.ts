// SPDX-License-Identifier: Apache-2.0
// Ranges that both the API server's rules and effectiveSpec() hold, each written once.

export const STORAGE = { min: '256Mi', max: '64Ti' } as const;
export const QUOTA = { min: '16Mi', max: '100Gi', default: '2Gi' } as const;
export const REQUEST = { min: '16Ki', max: '10Mi' } as const;
/**
 * Room for etcd's write-ahead log beside the database: the segment that holds the last snapshot, the one being written
 * and the next one, which etcd lays out in advance, each of 64 MB (measured: an empty member already uses two).
 */
export const LOG_RESERVE = '192Mi';
export const HEARTBEAT = { min: '1ms', max: '10s' } as const;
/** etcd refuses to start outside of these. */
export const ELECTION = { heartbeats: 5, max: '50s' } as const;
/** Bytes of JSON; a Kubernetes structure that the schema does not look into. */
export const AFFINITY_BYTES = 32_768;
/** Kubernetes' own affinity has nine; the API server takes JSON of ten thousand, which is more than a stack holds. */
export const AFFINITY_LEVELS = 16;
