import { partitionKey, type TopicId } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";

/** What a fetch requests of one partition. */
export interface FetchTarget {
  readonly topic: string;
  readonly topicId: TopicId;
  readonly partition: number;
  readonly fetchOffset: number;
  readonly currentLeaderEpoch: number;
  readonly lastFetchedEpoch: number;
  readonly partitionMaxBytes: number;
}

export interface SessionRequest {
  readonly sessionId: number;
  readonly sessionEpoch: number;
  /** In a full request every partition, in an incremental one those that are new or changed. */
  readonly toSend: readonly FetchTarget[];
  readonly toForget: readonly FetchTarget[];
}

/** Epoch -1: no session is wanted; 0: begin one; from 1 on: the next request of one. */
const beginEpoch = 0;

/**
 * A fetch session with one broker (KIP-227): the broker remembers what we fetch, and requests say only what changed.
 * A broker that gives no session (id 0) gets full requests; after any failure, a full request starts over.
 */
export class ClientFetchSession {
  #sessionId = 0;
  #nextEpoch = beginEpoch;
  #remembered = new Map<string, FetchTarget>();
  #sent: ReadonlyMap<string, FetchTarget> = new Map();

  /** The next request for exactly these partitions. */
  next(targets: readonly FetchTarget[]): SessionRequest {
    const wanted = new Map(targets.map((target) => [keyOf(target), target]));
    this.#sent = wanted;
    if (this.#nextEpoch === beginEpoch) return { sessionId: this.#sessionId, sessionEpoch: beginEpoch, toSend: targets, toForget: [] };
    const toSend = targets.filter((target) => !isSame(this.#remembered.get(keyOf(target)), target));
    const toForget = [...this.#remembered].filter(([key]) => !wanted.has(key)).map(([, target]) => target);
    return { sessionId: this.#sessionId, sessionEpoch: this.#nextEpoch, toSend, toForget };
  }

  /** The answer to the last request arrived. False: the session's error makes it void. */
  answered(errorCode: KafkaErrorCode, sessionId: number): boolean {
    if (errorCode !== "NONE") {
      // a session unknown to the broker has no id to close; any other is replaced by the next full request
      if (errorCode === "FETCH_SESSION_ID_NOT_FOUND") this.#sessionId = 0;
      this.#restart();
      return false;
    }
    if (sessionId === 0) {
      this.#sessionId = 0;
      this.#restart();
      return true;
    }
    this.#sessionId = sessionId;
    this.#nextEpoch = this.#nextEpoch >= 2 ** 31 - 1 ? 1 : this.#nextEpoch + 1;
    this.#remembered = new Map(this.#sent);
    return true;
  }

  /** No answer came: what the broker remembers is unknown. */
  failed(): void {
    this.#restart();
  }

  #restart(): void {
    this.#nextEpoch = beginEpoch;
    this.#remembered.clear();
  }
}

function keyOf({ topic, partition, topicId }: FetchTarget): string {
  return `${topicId} ${partitionKey(topic, partition)}`;
}

function isSame(known: FetchTarget | undefined, target: FetchTarget): boolean {
  return (
    known !== undefined &&
    known.fetchOffset === target.fetchOffset &&
    known.currentLeaderEpoch === target.currentLeaderEpoch &&
    known.lastFetchedEpoch === target.lastFetchedEpoch &&
    known.partitionMaxBytes === target.partitionMaxBytes
  );
}
