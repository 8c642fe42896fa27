import type { Timer } from "../../protocol/base/clock.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import { apis, type MessagePair } from "../../protocol/messages/apis.ts";
import { retryUntil } from "../base/backoff.ts";
import type { ConnectionPurpose } from "../base/client-event-map.ts";
import { ConnectionLost, KafkaProtocolError, RequestTimedOut } from "../base/errors.ts";
import type { Cluster } from "../metadata/cluster.ts";
import { RefreshPace } from "../metadata/refresh-pace.ts";
import type { BrokerConnection } from "../network/broker-connection.ts";
import type { Coordinated } from "./coordinated.ts";
import { CoordinatorWaits } from "./coordinator-waits.ts";

/** From this version on several groups are requested at once. */
const manyKeysSince = 4;

export interface CoordinatorRequest<Res> {
  /** The error that stands for the whole answer. */
  readonly errorOf: (answer: Res) => KafkaErrorCode;
  /** Joining and heartbeats have a connection of their own, for a join is answered only when all members have joined. */
  readonly purpose?: ConnectionPurpose;
  /** How long the coordinator may legitimately take. Milliseconds; default 0. */
  readonly waitMs?: number;
  readonly signal?: AbortSignal;
  /** Later versions of the request mean something else. */
  readonly versionMax?: number;
  /** Called before each attempt, with the coordinator that it goes to. */
  readonly onCoordinator?: (connection: BrokerConnection) => void;
}

/**
 * The connection to the broker that coordinates one group, or one transactional id: looked up when first needed, and again whenever the
 * coordinator has moved.
 */
export class CoordinatorLink {
  readonly #cluster: Cluster;
  readonly #of: Coordinated;
  /** For those who make several attempts by `request`; `retrying` tells by itself. */
  readonly waits: CoordinatorWaits;
  #node: BrokerId | null = null;
  #finding: Promise<BrokerId> | null = null;

  constructor(cluster: Cluster, of: Coordinated) {
    this.#cluster = cluster;
    this.#of = of;
    this.waits = new CoordinatorWaits(cluster, of);
  }

  /**
   * One attempt. Throws KafkaProtocolError for errors of the whole answer and of the search, ConnectionLost or RequestTimedOut; after any
   * that a move of the coordinator may explain, the next attempt looks it up again.
   */
  async request<Req, Res>(api: MessagePair<Req, Res>, build: (version: number) => Req, options: CoordinatorRequest<Res>): Promise<Res> {
    const { errorOf, purpose = "requests", waitMs = 0, signal, versionMax = Number.POSITIVE_INFINITY } = options;
    const { requestTimeoutMs } = this.#cluster.settings;
    let node: BrokerId | null = null;
    try {
      const coordinator = await this.#find();
      node = coordinator;
      signal?.throwIfAborted();
      const answer = await this.#whileCoordinating(coordinator, waitMs, signal, async (either) => {
        const connection = await this.#cluster.pool.toBroker(coordinator, purpose, either);
        options.onCoordinator?.(connection);
        return connection.request(api, build, { waitMs, timeoutMs: waitMs + requestTimeoutMs, signal: either, versionMax });
      });
      const code = errorOf(answer);
      if (code !== "NONE") throw new KafkaProtocolError(code, this.#of.what);
      return answer;
    } catch (error) {
      if (mayHaveMoved(error) && this.#node === node) this.#node = null;
      throw error;
    }
  }

  /** As `request`, repeated with pauses until `deadlineMs` (monotonic); whatever is retriable is retried. */
  async retrying<Req, Res>(
    api: MessagePair<Req, Res>,
    build: (version: number) => Req,
    options: CoordinatorRequest<Res>,
    deadlineMs: number,
  ): Promise<Res> {
    await this.#cluster.reach(deadlineMs);
    const { runtime, settings, signal: closed } = this.#cluster;
    const { clock, random } = runtime;
    const signal = options.signal === undefined ? closed : AbortSignal.any([closed, options.signal]);
    // another broker may coordinate at any moment
    const pace = new RefreshPace(settings);
    const pauseMs = () => pace.pauseMs(clock.monotonicMs(), random);
    const attempt = () => {
      pace.begins(clock.monotonicMs());
      return this.request(api, build, options);
    };
    const parts = { clock, random, limits: settings, deadlineMs, signal, pauseMs };
    return this.waits.until((failed) => retryUntil(attempt, { ...parts, onFailure: (error) => failed(error, { deadlineMs }) }));
  }

  /** An answer named another coordinator, or none. */
  forget(): void {
    this.#node = null;
  }

  #find(): Promise<BrokerId> {
    if (this.#node !== null) return Promise.resolve(this.#node);
    this.#finding ??= this.#ask()
      .then((node) => {
        this.#node = node;
        return node;
      })
      .finally(() => {
        this.#finding = null;
      });
    return this.#finding;
  }

  async #ask(): Promise<BrokerId> {
    const { pool, metadata, signal } = this.#cluster;
    const { id, keyType, what } = this.#of;
    const build = () => ({ key: id, keyType, coordinatorKeys: [id] });
    const found = await pool.askAny(
      async (connection, settled) => {
        const version = connection.versionOf(apis.findCoordinator) ?? 0;
        const answer = await connection.request(apis.findCoordinator, build, { signal: settled });
        const one = version < manyKeysSince ? answer : answer.coordinators.find(({ key }) => key === id);
        const code = one?.errorCode ?? "COORDINATOR_NOT_AVAILABLE";
        if (one === undefined || code !== "NONE")
          throw new KafkaProtocolError(code === "NONE" ? "COORDINATOR_NOT_AVAILABLE" : code, what, one?.errorMessage);
        return one.nodeId;
      },
      signal,
      { inTurns: true },
    );
    if (!metadata.snapshot.brokers.has(found)) await metadata.refresh();
    return found;
  }

  /**
   * A coordinator that hangs keeps its connection. When its answer is late, others are asked who coordinates now, one after the other and
   * with pauses that are a fifth of how late it is; a request to one that no longer does is abandoned.
   */
  async #whileCoordinating<T>(
    node: BrokerId,
    waitMs: number,
    signal: AbortSignal | undefined,
    attempt: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const { runtime, settings } = this.#cluster;
    const moved = new AbortController();
    let timer = null as Timer | null;
    let isOver = false;
    const check = () => {
      this.#ask()
        .then((now) => {
          if (now === node) return;
          if (this.#node === node) this.#node = now;
          moved.abort(new RequestTimedOut(`broker ${node} did not answer, and does not coordinate ${this.#of.what} any more`));
        })
        .catch(() => undefined)
        .finally(watch);
    };
    const sentAtMs = runtime.clock.monotonicMs();
    let isLate = false;
    const watch = () => {
      // requests that may legitimately take long are watched with more patience
      const longestMs = waitMs === 0 ? settings.slowAfterMs / 2 : 3 * settings.slowAfterMs;
      const pauseMs = isLate ? Math.min((runtime.clock.monotonicMs() - sentAtMs) / 5, longestMs) : settings.slowAfterMs;
      isLate = true;
      if (!isOver && !this.#cluster.isClosed) timer = runtime.clock.schedule(pauseMs, check);
    };
    watch();
    try {
      return await attempt(signal === undefined ? moved.signal : AbortSignal.any([signal, moved.signal]));
    } finally {
      isOver = true;
      timer?.cancel();
    }
  }
}

function mayHaveMoved(error: unknown): boolean {
  if (error instanceof KafkaProtocolError)
    return error.code === "NOT_COORDINATOR" || error.code === "COORDINATOR_NOT_AVAILABLE" || error.code === "REQUEST_TIMED_OUT";
  return error instanceof ConnectionLost || error instanceof RequestTimedOut;
}
