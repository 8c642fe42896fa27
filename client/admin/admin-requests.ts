import { type BrokerId, noBroker } from "../../protocol/base/ids.ts";
import { apis, type MessagePair } from "../../protocol/messages/apis.ts";
import type { MetadataResponse } from "../../protocol/messages/metadata.ts";
import { KafkaProtocolError } from "../base/errors.ts";
import { whileAlive } from "../metadata/broker-watch.ts";
import type { Cluster } from "../metadata/cluster.ts";
import { metadataRequest } from "../metadata/metadata-request.ts";
import type { BrokerConnection } from "../network/broker-connection.ts";
import type { ConfigResource, ItemResult } from "./admin-types.ts";
import { alteredConfigs } from "./configs.ts";
import { type ItemAnswer, shouldAskAgain } from "./item-answer.ts";

export type Altered = ItemResult<{ readonly resource: ConfigResource }>;

/** How an administrator's requests are sent: to whom, for how long, and again after temporary failures. */
export class AdminRequests {
  readonly #cluster: Cluster;
  readonly #operationTimeoutMs: number;
  /** The broker to ask, after one refused to forward; null: any. */
  #controller: BrokerId | null = null;

  constructor(cluster: Cluster, operationTimeoutMs: number) {
    this.#cluster = cluster;
    this.#operationTimeoutMs = operationTimeoutMs;
  }

  deadlineMs(): number {
    return this.#cluster.runtime.clock.monotonicMs() + this.#operationTimeoutMs;
  }

  /** How long a broker may take for its part; its answer should arrive before we close the connection. */
  brokerTimeoutMs(): number {
    return Math.ceil(Math.min(this.#cluster.settings.requestTimeoutMs, this.#operationTimeoutMs) * 0.9);
  }

  retrying<T>(attempt: () => Promise<T>): Promise<T> {
    return this.#cluster.retrying(this.deadlineMs(), attempt);
  }

  async metadata(names: readonly string[] | null): Promise<MetadataResponse> {
    const build = (version: number) => metadataRequest(names, version, { withReasons: true });
    return this.retrying(() => this.#cluster.pool.askAny((connection, signal) => connection.request(apis.metadata, build, { signal })));
  }

  /**
   * Any broker will do: it forwards what only the controller may do. One that does not answers NOT_CONTROLLER, and then the controller is
   * asked.
   */
  async ask<Req, Res>(api: MessagePair<Req, Res>, build: (version: number) => Req): Promise<Res> {
    try {
      const connection = await this.#cluster.connection(this.#controller);
      return await whileAlive(this.#cluster, connection, (signal) => connection.request(api, build, { signal }));
    } catch (error) {
      this.#controller = null;
      throw error;
    }
  }

  askAbout<Req, Res>(resource: ConfigResource, api: MessagePair<Req, Res>, request: Req): Promise<Res> {
    return this.retrying(async () => {
      const connection = await this.#connectionFor(resource);
      return whileAlive(this.#cluster, connection, (signal) => connection.request(api, () => request, { signal }));
    });
  }

  /** Again after a temporary failure, until the operation times out. To do the same twice changes nothing more. */
  async alter<Req>(resource: ConfigResource, api: MessagePair<Req, Parameters<typeof alteredConfigs>[1]>, request: Req): Promise<Altered> {
    let altered: Altered | null = null;
    const attempt = async () => {
      altered = alteredConfigs(resource, await this.askAbout(resource, api, request));
      const { error } = altered;
      if (error instanceof KafkaProtocolError && (shouldAskAgain(error.code) || error.code === "REQUEST_TIMED_OUT")) throw error;
      return altered;
    };
    return this.retrying(attempt).catch((error: unknown) => {
      if (altered === null || altered.error !== error) throw error;
      return altered;
    });
  }

  async #connectionFor(resource: ConfigResource): Promise<BrokerConnection> {
    if ("topic" in resource || resource.broker === null) return this.#cluster.connection(null);
    if (!this.#cluster.metadata.snapshot.brokers.has(resource.broker)) await this.#cluster.metadata.refresh();
    return this.#cluster.connection(resource.broker);
  }

  /** Requests all items, then again those with temporary failures, until the operation times out. Results in the order of the items. */
  async perItem<I, T>(
    items: readonly I[],
    doing: string,
    keyOf: (item: I) => string,
    ask: (open: readonly I[]) => Promise<readonly ItemAnswer<T>[]>,
    deadlineMs = this.deadlineMs(),
  ): Promise<readonly ItemResult<T>[]> {
    const results = new Map<string, ItemResult<T>>();
    let open = items;
    const attempt = async () => {
      const answers = new Map((await ask(open)).map((answer) => [answer.key, answer]));
      let failure: KafkaProtocolError | null = null;
      const again: I[] = [];
      for (const item of open) {
        const key = keyOf(item);
        const { errorCode = "UNKNOWN_SERVER_ERROR", errorMessage = null, value, isFinal = false } = answers.get(key) ?? {};
        if (errorCode === "NONE") {
          results.set(key, { ...(value as T), error: null });
          continue;
        }
        const error = new KafkaProtocolError(errorCode, `${doing} ${key}`, errorMessage);
        results.set(key, { ...(value ?? ({} as Partial<T>)), error });
        if (!shouldAskAgain(errorCode) || isFinal) continue;
        again.push(item);
        failure = error;
      }
      open = again;
      if (failure !== null) await this.#followController(failure);
    };
    await this.#cluster.retrying(deadlineMs, attempt).catch((error: unknown) => {
      // an answer with a reason is better than none
      if (!(error instanceof KafkaProtocolError) || open.some((item) => !results.has(keyOf(item)))) throw error;
    });
    return items.map((item) => results.get(keyOf(item)) as ItemResult<T>);
  }

  async #followController(failure: KafkaProtocolError): Promise<never> {
    if (failure.code === "NOT_CONTROLLER") {
      await this.#cluster.metadata.refresh();
      const { controllerId } = this.#cluster.metadata.snapshot;
      this.#controller = controllerId === noBroker ? null : controllerId;
    }
    throw failure;
  }
}
