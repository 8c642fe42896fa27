import { abortable } from "../base/abort.ts";
import { type RetryParts, retryUntil } from "../base/backoff.ts";
import { ClientCounters } from "../base/client-counters.ts";
import type { ClientIdentity } from "../base/client-event-map.ts";
import { ClientEvents } from "../base/client-events.ts";
import { boundedLogger } from "../base/client-logger.ts";
import type { ClientMetrics } from "../base/client-metrics.ts";
import { type ClientOptions, type ClientSettings, clientSettings } from "../base/client-options.ts";
import type { ClientRuntime } from "../base/client-runtime.ts";
import { channelsOf } from "../base/diagnostics.ts";
import { ClientClosed, RequestTimedOut } from "../base/errors.ts";
import { logEvents } from "../base/event-log.ts";
import { nodeRuntime } from "../base/node-runtime.ts";
import { Retries, wholeCluster } from "../base/retries.ts";
import type { BrokerConnection } from "../network/broker-connection.ts";
import { ConnectionPool } from "../network/connection-pool.ts";
import { LeaderSearch } from "./leader-search.ts";
import { MetadataCache } from "./metadata-cache.ts";

export interface ClusterUse {
  readonly kind: ClientIdentity["kind"];
  readonly mayCreateTopics: boolean;
}

/** Of this process. Nothing depends on it: it tells clients apart for those who observe them. */
let clientsMade = 0;

/** A client's view of one cluster: connections and metadata, and closing both. */
export class Cluster {
  readonly identity: ClientIdentity;
  readonly runtime: ClientRuntime;
  readonly settings: ClientSettings;
  readonly pool: ConnectionPool;
  readonly metadata: MetadataCache;
  readonly search: LeaderSearch;
  readonly events: ClientEvents;
  readonly retries: Retries;
  readonly counters = new ClientCounters();
  readonly #closing = new AbortController();
  /** Asked for with each record, where the signal's own property would be several times as slow. */
  #isClosed = false;
  #hasReached = false;

  constructor(options: ClientOptions, { kind, mayCreateTopics }: ClusterUse) {
    const { runtime = nodeRuntime, logger } = options;
    this.settings = clientSettings(options);
    clientsMade++;
    this.identity = { id: `${kind}-${clientsMade}`, kind, clientId: this.settings.clientId };
    const { clock, transport, random } = runtime;
    const log = logger === undefined ? runtime.log : boundedLogger(logger, { client: this.identity.id }, clock);
    this.runtime = { clock, transport, random, log };
    this.events = new ClientEvents(log, channelsOf(runtime, this.identity));
    if (logger !== undefined) logEvents(this.events, log);
    this.pool = new ConnectionPool(this.runtime, this.settings, this.events, this.counters);
    this.retries = new Retries(this.runtime.clock, this.events);
    this.metadata = new MetadataCache(this.pool, this.runtime, this.settings, this.retries, this.events, { mayCreateTopics });
    this.search = new LeaderSearch(this.metadata, this.runtime.clock);
  }

  /** Aborts when the client is closed. */
  get signal(): AbortSignal {
    return this.#closing.signal;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** What all clients count. */
  metrics(): ClientMetrics {
    const { connectionsClosed, ...counted } = this.counters;
    const connections = counted.connectionsOpened - connectionsClosed;
    return { ...counted, connections, requestsInFlight: this.pool.pending, retries: this.retries.failures };
  }

  /**
   * Runs `attempt` until it succeeds, fails for good or `deadlineMs` (monotonic) is reached, with growing pauses.
   * Between attempts the metadata is refreshed, for the failure may be that we asked the wrong broker.
   */
  retrying<T>(deadlineMs: number, attempt: () => Promise<T>): Promise<T> {
    return this.#retry(deadlineMs, attempt, {});
  }

  /** As `retrying`, for what another broker may do at any moment: tried again whenever the metadata was refreshed, at its pace. */
  asSoonAsPossible<T>(deadlineMs: number, attempt: () => Promise<T>): Promise<T> {
    return this.#retry(deadlineMs, attempt, { pauseMs: () => 0 });
  }

  /**
   * Resolves when a broker answers, at once after one ever has. Rejects with ConnectionLost or RequestTimedOut at `deadlineMs` (monotonic),
   * or after `reachTimeoutMs` if that is sooner.
   */
  async reach(deadlineMs: number): Promise<void> {
    if (this.#hasReached) return;
    const { clock, random } = this.runtime;
    const leftMs = Math.max(1, Math.min(this.settings.reachTimeoutMs, deadlineMs - clock.monotonicMs()));
    const over = new AbortController();
    const timer = clock.schedule(leftMs, () => over.abort(new RequestTimedOut(`no broker answered within ${Math.round(leftMs)} ms`)));
    const signal = AbortSignal.any([this.signal, over.signal]);
    const parts = { clock, random, limits: this.settings, deadlineMs: clock.monotonicMs() + leftMs, signal };
    try {
      await abortable(
        this.#toldOf(() => this.pool.toAny(), parts),
        signal,
      );
      this.#hasReached = true;
    } finally {
      timer.cancel();
    }
  }

  async #retry<T>(deadlineMs: number, attempt: () => Promise<T>, pauses: Pick<RetryParts, "pauseMs">): Promise<T> {
    await this.reach(deadlineMs);
    const { clock, random } = this.runtime;
    const beforeNext = () => this.metadata.refresh(undefined, { inTurns: true }).catch(() => undefined);
    return this.#toldOf(attempt, { clock, random, limits: this.settings, deadlineMs, signal: this.signal, beforeNext, ...pauses });
  }

  /** Tries again, and tells of it. */
  #toldOf<T>(attempt: () => Promise<T>, parts: Omit<RetryParts, "onFailure">): Promise<T> {
    const { deadlineMs } = parts;
    const onFailure = (error: unknown) => this.retries.failed(wholeCluster, error, { deadlineMs });
    return this.retries.until(wholeCluster, () => retryUntil(attempt, { ...parts, onFailure }));
  }

  /** A connection to the broker with this id if it is known, else to any. */
  connection(brokerId: number | null): Promise<BrokerConnection> {
    return brokerId === null ? this.pool.toAny() : this.pool.toBroker(brokerId);
  }

  close(reason: Error = new ClientClosed("the client was closed")): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.retries.gaveUpAll();
    this.#closing.abort(reason);
    this.metadata.close(reason);
    this.pool.close();
  }
}
