// SPDX-License-Identifier: Apache-2.0
// The operator's own metrics, prefix `quorate_`.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export class Metrics {
  readonly registry = new Registry();
  readonly #reconciles: Counter<'controller' | 'result'>;
  readonly #seconds: Histogram<'controller'>;
  readonly #requests: Counter<'method' | 'status'>;
  readonly #requestSeconds: Histogram<'method'>;
  readonly #leader: Gauge;
  readonly #watchAge: Gauge<'kind'>;
  readonly #depth: Gauge<'controller'>;

  constructor() {
    const registers = [this.registry];
    // The default, a timer at every 10 ms, costs an idle process as much as its other work.
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: 500 });
    this.#reconciles = new Counter({
      name: 'quorate_reconcile_total',
      help: 'Reconciles by outcome.',
      labelNames: ['controller', 'result'],
      registers,
    });
    this.#seconds = new Histogram({
      name: 'quorate_reconcile_duration_seconds',
      help: 'Duration of a reconcile.',
      labelNames: ['controller'],
      registers,
    });
    this.#requests = new Counter({
      name: 'quorate_kubernetes_requests_total',
      help: 'Requests to the Kubernetes API by the status of the answer, or "none".',
      labelNames: ['method', 'status'],
      registers,
    });
    this.#requestSeconds = new Histogram({
      name: 'quorate_kubernetes_request_duration_seconds',
      help: 'Duration of requests to the Kubernetes API.',
      labelNames: ['method'],
      registers,
    });
    this.#leader = new Gauge({ name: 'quorate_leader', help: '1 while this process leads.', registers });
    this.#watchAge = new Gauge({
      name: 'quorate_watch_age_seconds',
      help: 'Time since the most silent watch of a kind was heard.',
      labelNames: ['kind'],
      registers,
    });
    this.#depth = new Gauge({
      name: 'quorate_queue_depth',
      help: 'Keys waiting for a worker.',
      labelNames: ['controller'],
      registers,
    });
  }

  reconciled(controller: string, result: 'success' | 'error', ms: number): void {
    this.#reconciles.inc({ controller, result });
    this.#seconds.observe({ controller }, ms / 1000);
  }

  request(method: string, status: number | 'none', ms: number): void {
    this.#requests.inc({ method, status: String(status) });
    this.#requestSeconds.observe({ method }, ms / 1000);
  }

  /** Prometheus text, with the gauges as they are now. */
  async render(now: {
    leading: boolean;
    watchAges: Record<string, number>;
    depth: Record<string, number>;
  }): Promise<string> {
    this.#leader.set(now.leading ? 1 : 0);
    for (const [kind, age] of Object.entries(now.watchAges)) this.#watchAge.set({ kind }, age);
    for (const [controller, depth] of Object.entries(now.depth)) this.#depth.set({ controller }, depth);
    return this.registry.metrics();
  }
}
