import { sleep } from "../../protocol/base/clock.ts";
import { apis } from "../../protocol/messages/apis.ts";
import { noProducerId } from "../../protocol/records/batch-header.ts";
import { backoffMs } from "../base/backoff.ts";
import { isRetriableFailure, KafkaProtocolError, UnsupportedApi } from "../base/errors.ts";
import type { RetrySubject } from "../base/retries.ts";
import type { Cluster } from "../metadata/cluster.ts";
import type { ProducerIdentity } from "./numbering.ts";

const subject: RetrySubject = { what: "a producer id" };

export type FetchedIdentity =
  | { readonly error: null; readonly identity: ProducerIdentity }
  /** A retry would not help. */
  | { readonly error: Error };

/**
 * Gets producer ids from whichever broker answers; one attempt at a time, with growing pauses. Two brokers that are both asked return an id
 * each, of which one stays unused.
 */
export class IdentitySource {
  readonly #cluster: Cluster;
  #isFetching = false;
  #lastError: Error | null = null;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /** Why there is none yet. */
  get lastError(): Error | null {
    return this.#lastError;
  }

  /** Null: another call is running already, or the client was closed. */
  async fetch(): Promise<FetchedIdentity | null> {
    if (this.#isFetching) return null;
    this.#isFetching = true;
    const { runtime, settings, signal, retries } = this.#cluster;
    try {
      for (let failures = 1; ; failures++) {
        try {
          const identity = await this.#ask();
          this.#lastError = null;
          retries.worked(subject);
          return { error: null, identity };
        } catch (error) {
          if (signal.aborted) return null;
          if (error instanceof UnsupportedApi) return { error: tooOld(error) };
          if (!isRetriableFailure(error)) return { error: error as Error };
          this.#lastError = error as Error;
          retries.failed(subject, error);
          runtime.log.debug({ err: error }, "no producer id yet");
        }
        await sleep(runtime.clock, backoffMs(failures, settings, runtime.random), signal).catch(() => undefined);
        if (signal.aborted) return null;
      }
    } finally {
      this.#isFetching = false;
    }
  }

  #ask(): Promise<ProducerIdentity> {
    const { pool, signal } = this.#cluster;
    const fresh = { producerId: noProducerId, producerEpoch: -1, enable2Pc: false, keepPreparedTxn: false };
    const request = { transactionalId: null, transactionTimeoutMs: 0, ...fresh };
    return pool.askAny(async (connection, settled) => {
      const { errorCode, producerId, producerEpoch } = await connection.request(apis.initProducerId, () => request, { signal: settled });
      if (errorCode !== "NONE") throw new KafkaProtocolError(errorCode, "getting a producer id");
      return { producerId, producerEpoch };
    }, signal);
  }
}

function tooOld(cause: UnsupportedApi): UnsupportedApi {
  return new UnsupportedApi("these brokers give out no producer ids (InitProducerId): set enableIdempotence to false to write to them", {
    cause,
  });
}
