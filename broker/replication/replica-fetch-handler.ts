import type { Clock } from "../../protocol/base/clock.ts";
import { partitionKey, type TopicId } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import type {
  ReplicaFetchedPartition,
  ReplicaFetchPartition,
  ReplicaFetchRequest,
  ReplicaFetchResponse,
} from "../../protocol/peer/messages.ts";
import type { FetchingReplica, ReplicaLeader, ReplicaLeaders, ReplicaPosition, ReplicaRead } from "../partition/replication-contract.ts";
import type { PeerHandler } from "../runtime/peer-port.ts";
import type { ReplicationConfig } from "./replication-config.ts";

export interface ReplicaFetchHandlerParts {
  readonly leaders: ReplicaLeaders;
  readonly clock: Clock;
  readonly config: ReplicationConfig;
}

/**
 * A new high watermark without records waits this long for records to travel with: a produce then costs each follower one round trip, not
 * two.
 */
export const highWatermarkDelayMs = 50;

/**
 * The leader's side of replication: takes the offsets as acknowledgements, then answers as soon as there are records (or a refusal) to
 * send, or when the follower's wait is over. Partitions with nothing new are left out, except from an answer given because the wait is
 * over: should an answer be lost, the follower learns the high watermark from the next of those.
 */
export function replicaFetchHandler(parts: ReplicaFetchHandlerParts): PeerHandler<"replica-fetch"> {
  return async (request) => {
    const { clock, config } = parts;
    const deadlineMs = clock.monotonicMs() + Math.min(Math.max(0, request.maxWaitMs), config.fetchWaitMaxMs);
    const fetch = new PendingFetch(parts, request);
    try {
      let tellHighWatermarksAtMs = Number.POSITIVE_INFINITY;
      for (;;) {
        const nowMs = clock.monotonicMs();
        const isWaitOver = nowMs >= deadlineMs;
        if (isWaitOver || nowMs >= tellHighWatermarksAtMs || fetch.mayBeEnough) {
          const found = await fetch.read();
          if (isWaitOver || nowMs >= tellHighWatermarksAtMs || found.isEnough) return fetch.answer(found, isWaitOver);
          for (const release of found.releases) release();
        }
        if (fetch.hasNews) tellHighWatermarksAtMs = Math.min(tellHighWatermarksAtMs, nowMs + highWatermarkDelayMs);
        await fetch.moved(Math.min(deadlineMs, tellHighWatermarksAtMs));
      }
    } finally {
      fetch.end();
    }
  };
}

interface Found {
  readonly answers: readonly ReplicaFetchedPartition[];
  readonly records: readonly Buffer[];
  /** To be called when the records are sent, or not sent. */
  readonly releases: readonly (() => void)[];
  readonly isEnough: boolean;
}

interface Answered {
  readonly body: ReplicaFetchResponse;
  readonly payload: readonly Buffer[];
  readonly onSent: () => void;
}

class PendingFetch {
  readonly #parts: ReplicaFetchHandlerParts;
  readonly #request: ReplicaFetchRequest;
  readonly #from: FetchingReplica;
  readonly #maxBytes: number;
  readonly #positions: ReplicaPosition[];
  /** Made when there is something to wait for: place in the request by partition. */
  #places: Map<string, number> | null = null;
  /** Partitions that moved since they were checked. */
  readonly #moved = new Set<string>();
  #wake: () => void = () => undefined;
  readonly #unwatch: () => void;

  constructor(parts: ReplicaFetchHandlerParts, request: ReplicaFetchRequest) {
    const { brokerId, brokerEpoch, maxBytes, partitions } = request;
    const { leaders, clock, config } = parts;
    this.#parts = parts;
    this.#request = request;
    this.#from = { brokerId, brokerEpoch, receivedAtMs: clock.monotonicMs() };
    this.#maxBytes = Math.min(Math.max(0, maxBytes), config.fetchResponseMaxBytes);
    // Race: (1) checked, nothing there; (2) records are written; (3) only now we watch. So watch first.
    this.#unwatch = leaders.onWritten(({ topicId, partition }) => {
      this.#moved.add(partitionKey(topicId, partition));
      this.#wake();
    });
    // All acknowledgements in one turn, before anything is read: a read that goes to the disk must not keep producers of other partitions
    // waiting.
    this.#positions = partitions.map((asked) => this.#acknowledge(asked));
  }

  get mayBeEnough(): boolean {
    return this.#positions.some((position) => position.isReadable || isUrgent(position.answer));
  }

  get hasNews(): boolean {
    return this.#positions.some((position) => position.hasNews);
  }

  /**
   * Resolves when a partition of the request moved, or at `untilMs`; what moved was checked again. The cost of waiting grows with what
   * moves, not with what is fetched.
   */
  async moved(untilMs: number): Promise<void> {
    const { clock } = this.#parts;
    this.#places ??= new Map(this.#request.partitions.map(({ topicId, partition }, place) => [partitionKey(topicId, partition), place]));
    while (!this.#lookAgain() && clock.monotonicMs() < untilMs) {
      await new Promise<void>((resolve) => {
        const timer = clock.schedule(untilMs - clock.monotonicMs(), resolve);
        this.#wake = () => {
          timer.cancel();
          resolve();
        };
      });
    }
  }

  /** As many records as may be sent, in the request's order. */
  async read(): Promise<Found> {
    const { config } = this.#parts;
    const answers: ReplicaFetchedPartition[] = [];
    const records: Buffer[] = [];
    const releases: (() => void)[] = [];
    let bytes = 0;
    for (const [place, asked] of this.#request.partitions.entries()) {
      const position = this.#positions[place]!;
      let { answer } = position;
      if (position.isReadable && (bytes === 0 || bytes < this.#maxBytes)) {
        const maxBytes = Math.min(config.fetchMaxBytes, this.#maxBytes - bytes);
        // the first partition returns at least one batch, or a batch above the limits would stop replication for good
        const read = await this.#read(asked, maxBytes, bytes === 0);
        answer = read.answer;
        bytes += answer.recordsBytes;
        records.push(...read.records);
        if (read.release !== undefined) releases.push(read.release);
      }
      answers.push(answer);
    }
    return { answers, records, releases, isEnough: answers.some(isUrgent) || (bytes > 0 && bytes >= this.#request.minBytes) };
  }

  answer({ answers, records, releases }: Found, isWaitOver: boolean): Answered {
    const isNews = (answer: ReplicaFetchedPartition, place: number) =>
      isUrgent(answer) || answer.recordsBytes > 0 || this.#positions[place]!.hasNews;
    const told = isWaitOver ? answers : answers.filter(isNews);
    const bytes = records.reduce((sum, chunk) => sum + chunk.length, 0);
    const bytesTold = told.reduce((sum, { recordsBytes }) => sum + recordsBytes, 0);
    invariant(bytes === bytesTold, "a follower is told of all the records that come, and of no others", () => ({ bytes, bytesTold }));
    for (const answer of told) this.#noteAnswered(answer);
    return {
      body: { error: "NONE", message: "", partitions: told },
      payload: records,
      onSent: () => {
        for (const release of releases) release();
      },
    };
  }

  end(): void {
    this.#unwatch();
    this.#wake();
  }

  /** Checks what moved. False: none of the requested partitions did. */
  #lookAgain(): boolean {
    let any = false;
    for (const key of this.#moved) {
      const place = this.#places?.get(key);
      if (place === undefined) continue;
      this.#positions[place] = this.#positionOf(this.#request.partitions[place]!);
      any = true;
    }
    this.#moved.clear();
    return any;
  }

  #acknowledge(asked: ReplicaFetchPartition): ReplicaPosition {
    const leader = this.#leaderOf(asked);
    return typeof leader === "string" ? nothingToRead(asked, leader) : leader.acknowledgeFetch(this.#from, asked);
  }

  #positionOf(asked: ReplicaFetchPartition): ReplicaPosition {
    const leader = this.#leaderOf(asked);
    return typeof leader === "string" ? nothingToRead(asked, leader) : leader.positionOf(this.#from, asked);
  }

  async #read(asked: ReplicaFetchPartition, maxBytes: number, minOneBatch: boolean): Promise<ReplicaRead> {
    const leader = this.#leaderOf(asked);
    if (typeof leader === "string") return { answer: refusal(asked, leader), records: [] };
    return leader.readForReplica(asked, maxBytes, minOneBatch);
  }

  #noteAnswered(answer: ReplicaFetchedPartition): void {
    const leader = this.#leaderOf(answer);
    if (typeof leader !== "string") leader.noteAnswered(this.#from, answer);
  }

  #leaderOf({ topicId, partition }: { readonly topicId: TopicId; readonly partition: number }): ReplicaLeader | KafkaErrorCode {
    return this.#parts.leaders.leaderOf(topicId, partition);
  }
}

function nothingToRead(asked: ReplicaFetchPartition, error: KafkaErrorCode): ReplicaPosition {
  return { answer: refusal(asked, error), isReadable: false, hasNews: false };
}

function refusal({ topicId, partition }: ReplicaFetchPartition, error: KafkaErrorCode): ReplicaFetchedPartition {
  return {
    topicId,
    partition,
    error,
    leaderEpoch: -1,
    highWatermark: -1,
    logStartOffset: -1,
    diverging: null,
    epochs: [],
    recordsBytes: 0,
  };
}

/** To be acted upon at once, unlike a high watermark. */
function isUrgent({ error, diverging }: ReplicaFetchedPartition): boolean {
  return error !== "NONE" || diverging !== null;
}
