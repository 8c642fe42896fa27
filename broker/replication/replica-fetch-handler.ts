import type { Clock } from "../../protocol/base/clock.ts";
import type { ReplicaFetchedPartition, ReplicaFetchRequest, ReplicaFetchResponse } from "../../protocol/peer/messages.ts";
import type { FetchingReplica, ReplicaFetchService } from "../partition/contract.ts";
import type { PeerHandler } from "../runtime/peer-port.ts";
import { highWatermarkDelayMs, type ReplicationConfig } from "./replication-config.ts";

export interface ReplicaFetchHandlerParts {
  readonly service: ReplicaFetchService;
  readonly clock: Clock;
  readonly config: ReplicationConfig;
}

/**
 * The leader's side of replication: takes the offsets as acknowledgements, then answers as soon as there are records (or a refusal) to bring, or when the follower's wait is
 * over. Partitions with nothing new are left out, except from an answer given because the wait is over: should an answer be lost, the follower learns the
 * high watermark from the next of those.
 */
export function replicaFetchHandler(parts: ReplicaFetchHandlerParts): PeerHandler<"replica-fetch"> {
  return async (request) => {
    const { clock, config } = parts;
    const receivedAtMs = clock.monotonicMs();
    const fetch = new PendingFetch(parts, request, receivedAtMs);
    const deadlineMs = receivedAtMs + Math.min(Math.max(0, request.maxWaitMs), config.fetchWaitMaxMs);
    let look = await fetch.look();
    let tellHighWatermarksAtMs = Number.POSITIVE_INFINITY;
    while (!look.isEnough) {
      const nowMs = clock.monotonicMs();
      if (look.hasNewHighWatermark) tellHighWatermarksAtMs = Math.min(tellHighWatermarksAtMs, nowMs + highWatermarkDelayMs);
      const untilMs = Math.min(deadlineMs, tellHighWatermarksAtMs);
      if (nowMs >= untilMs) break;
      // Race: (1) looked, nothing there; (2) records are written; (3) only now we wait. So begin to wait first and look once more.
      const waiting = new AbortController();
      const changed = parts.service.replicaChanged(request.partitions, untilMs, waiting.signal);
      look = await fetch.look();
      if (look.isEnough) waiting.abort();
      else {
        await changed;
        look = await fetch.look();
      }
    }
    return fetch.answer(look, clock.monotonicMs() >= deadlineMs);
  };
}

/** What there is to tell at one moment. */
interface Look {
  readonly answers: readonly ReplicaFetchedPartition[];
  /** Of those, the ones with news: records, refusals, divergence, a high watermark not told yet. */
  readonly news: ReadonlySet<ReplicaFetchedPartition>;
  readonly records: readonly Buffer[];
  /** Answer now. */
  readonly isEnough: boolean;
  readonly hasNewHighWatermark: boolean;
}

class PendingFetch {
  readonly #parts: ReplicaFetchHandlerParts;
  readonly #request: ReplicaFetchRequest;
  readonly #from: FetchingReplica;
  readonly #maxBytes: number;

  constructor(parts: ReplicaFetchHandlerParts, request: ReplicaFetchRequest, receivedAtMs: number) {
    const { brokerId, brokerEpoch, maxBytes } = request;
    this.#parts = parts;
    this.#request = request;
    this.#from = { brokerId, brokerEpoch, receivedAtMs };
    this.#maxBytes = Math.min(Math.max(0, maxBytes), parts.config.fetchResponseMaxBytes);
  }

  async look(): Promise<Look> {
    const { service, config } = this.#parts;
    // All acknowledgements first and in one turn: a read that goes to the disk must not keep producers of other partitions waiting.
    const positions = this.#request.partitions.map((asked) => ({ asked, ...service.acknowledge(this.#from, asked) }));
    const answers: ReplicaFetchedPartition[] = [];
    const news = new Set<ReplicaFetchedPartition>();
    const records: Buffer[] = [];
    let bytes = 0;
    let isUrgent = false;
    for (const { asked, answer, isReadable, hasNewHighWatermark } of positions) {
      let told = answer;
      if (isReadable && (bytes === 0 || bytes < this.#maxBytes)) {
        const maxBytes = Math.min(config.fetchMaxBytes, this.#maxBytes - bytes);
        // the first one brings at least one batch, or a batch above the limits would stop replication for good
        const read = await service.readForReplica(asked, maxBytes, bytes === 0);
        told = read.answer;
        bytes += read.answer.recordsBytes;
        records.push(...read.records);
      }
      answers.push(told);
      const isUrgentOne = told.error !== "NONE" || told.diverging !== null;
      isUrgent ||= isUrgentOne;
      if (isUrgentOne || told.recordsBytes > 0 || hasNewHighWatermark) news.add(told);
    }
    return {
      answers,
      news,
      records,
      isEnough: isUrgent || (bytes > 0 && bytes >= this.#request.minBytes),
      hasNewHighWatermark: positions.some((position) => position.hasNewHighWatermark),
    };
  }

  answer({ answers, news, records }: Look, isWaitOver: boolean): { body: ReplicaFetchResponse; payload: readonly Buffer[] } {
    const told = isWaitOver ? answers : answers.filter((answer) => news.has(answer));
    for (const answer of told) this.#parts.service.noteAnswered(this.#from, answer);
    return { body: { error: "NONE", message: "", partitions: told }, payload: records };
  }
}
