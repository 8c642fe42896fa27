import type { Clock, Timer } from "../../protocol/base/clock.ts";
import { type BrokerId, partitionKey, type TopicId, type TopicPartition } from "../../protocol/base/ids.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import { isWorthTelling } from "../../protocol/base/worth-telling.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import { printable } from "../../protocol/wire/printable.ts";
import type { EndedTransaction, MarkerOrder, MarkerSender } from "./marker-order.ts";

/** What one broker is asked to write, in the partitions that it leads. */
export interface Markers extends EndedTransaction {
  /** Rises with each order; the same however often it is delivered. */
  readonly order: number;
  readonly partitions: readonly TopicPartition[];
}

/**
 * By the place in `markers` and in its partitions, what became of each. Rejects, or has too few answers: whatever is not answered is not
 * known, and asked again. Settles within a time of its own: until then nothing else goes to a broker that does not answer.
 */
export type Deliver = (to: BrokerId, markers: readonly Markers[]) => Promise<readonly (readonly KafkaErrorCode[])[]>;

/** Where partitions are, as this broker's metadata has it. */
export interface LeaderView {
  readonly topics: ReadonlyMap<
    string,
    { readonly id: TopicId; readonly partitions: readonly { readonly partition: number; readonly leader: BrokerId }[] }
  >;
  readonly deletedTopics: ReadonlyMap<TopicId, string>;
  readonly brokers: ReadonlyMap<BrokerId, unknown>;
}

export interface BatchingSenderParts {
  readonly images: { readonly current: LeaderView; onChange(listener: (view: LeaderView) => void): () => void };
  readonly deliver: Deliver;
  /** These have their marker. False: the coordinator could not take note of it now. */
  readonly marked: (ended: EndedTransaction, partitions: readonly TopicPartition[]) => Promise<boolean>;
  /** A partition has a marker of a later coordinator: nothing more is sent. */
  readonly fenced: (ended: EndedTransaction) => void;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Open {
  readonly order: MarkerOrder;
  readonly number: number;
  /** Without a marker, and not under way. */
  readonly idle: Map<string, TopicPartition>;
  /** Monotonic. */
  readonly sinceMs: number;
  /** On their way to a broker, or their answer to the coordinator. */
  underway: number;
  failures: number;
  timer: Timer | null;
}

interface Piece {
  readonly open: Open;
  readonly partitions: TopicPartition[];
}

/** What goes to one broker: what is added while a request is under way goes with the next one. */
interface Line {
  waiting: Piece[];
  requests: number;
}

/** More would not be faster: what waits goes out together. */
const requestsPerBrokerMax = 2;
const partitionsPerRequestMax = 2_000;
const pauseMinMs = 20;
const pauseMaxMs = 2_000;
/**
 * A deletion is on record only until every broker knows of it: (1) a topic is written to in a transaction; (2) it is deleted; (3) the
 * brokers are restarted, and hear of neither; (4) the transaction is ended. A coordinator that leads and has not heard of a partition for
 * so long takes it for deleted: otherwise the id could never be used again.
 */
const unknownMaxMs = 600_000;

/**
 * Sends markers to the leaders, those for one broker together, until each partition has its own. A partition without a leader, a broker
 * that cannot be reached, too few in-sync replicas: all of it passes, and the transaction is decided, so there is no end to the attempts
 * other than the end of the leadership. Memory is bounded by what the machines keep: an order is no more than its transaction there.
 */
export class BatchingMarkerSender implements MarkerSender {
  readonly #parts: BatchingSenderParts;
  readonly #orders = new Map<string, Open>();
  readonly #lines = new Map<BrokerId, Line>();
  #ordersCount = 0;

  constructor(parts: BatchingSenderParts) {
    this.#parts = parts;
    parts.images.onChange(() => this.#onImage());
  }

  /** Transactions whose markers are being written. */
  get size(): number {
    return this.#orders.size;
  }

  send(order: MarkerOrder): void {
    this.#orders.get(order.transactionalId)?.timer?.cancel();
    const idle = new Map(order.partitions.map((place) => [partitionKey(place.topic, place.partition), place]));
    const open: Open = {
      order,
      number: this.#ordersCount++,
      idle,
      sinceMs: this.#parts.clock.monotonicMs(),
      underway: 0,
      failures: 0,
      timer: null,
    };
    this.#orders.set(order.transactionalId, open);
    this.#route(open);
  }

  close(): void {
    for (const { timer } of this.#orders.values()) timer?.cancel();
    this.#orders.clear();
    this.#lines.clear();
  }

  /**
   * Race: (1) an order is under way; (2) the leadership ends and comes back, and the log has the same order; (3) the answer to the first.
   */
  #isWanted(open: Open): boolean {
    const { order } = open;
    if (this.#orders.get(order.transactionalId) !== open) return false;
    if (!order.signal.aborted) return true;
    this.#drop(open);
    return false;
  }

  #drop(open: Open): void {
    open.timer?.cancel();
    open.timer = null;
    if (this.#orders.get(open.order.transactionalId) === open) this.#orders.delete(open.order.transactionalId);
  }

  #route(open: Open): void {
    open.timer?.cancel();
    open.timer = null;
    if (!this.#isWanted(open)) return;
    const { images, clock } = this.#parts;
    const view = images.current;
    const deleted = new Set(view.deletedTopics.values());
    const isOld = clock.monotonicMs() - open.sinceMs >= unknownMaxMs;
    const gone: TopicPartition[] = [];
    const byLeader = new Map<BrokerId, TopicPartition[]>();
    for (const [key, place] of open.idle) {
      const leader = leaderOf(view, place);
      const isGone = leader === "unknown" && (isOld || deleted.has(place.topic));
      if (leader === null || (leader === "unknown" && !isGone)) continue;
      open.idle.delete(key);
      if (leader === "unknown") gone.push(place);
      else {
        const known = byLeader.get(leader);
        if (known === undefined) byLeader.set(leader, [place]);
        else known.push(place);
      }
    }
    for (const [leader, partitions] of byLeader)
      for (let at = 0; at < partitions.length; at += partitionsPerRequestMax)
        this.#enqueue(leader, { open, partitions: partitions.slice(at, at + partitionsPerRequestMax) });
    if (gone.length > 0) this.#report({ open, partitions: gone });
    if (open.order.partitions.length === 0) this.#report({ open, partitions: [] });
    if (open.idle.size > 0) this.#failed(open, "LEADER_NOT_AVAILABLE");
  }

  #enqueue(leader: BrokerId, piece: Piece): void {
    piece.open.underway += piece.partitions.length;
    const line = this.#lines.get(leader) ?? { waiting: [], requests: 0 };
    this.#lines.set(leader, line);
    line.waiting.push(piece);
    this.#next(leader, line);
  }

  #next(leader: BrokerId, line: Line): void {
    while (line.requests < requestsPerBrokerMax && line.waiting.length > 0) {
      const pieces = takePieces(line, (open) => this.#isWanted(open));
      if (pieces.length === 0) continue;
      line.requests++;
      void this.#deliver(leader, pieces).then(() => {
        line.requests--;
        this.#next(leader, line);
      });
    }
    if (line.requests === 0 && line.waiting.length === 0 && this.#lines.get(leader) === line) this.#lines.delete(leader);
  }

  async #deliver(leader: BrokerId, pieces: readonly Piece[]): Promise<void> {
    const markers = pieces.map(({ open: { order, number }, partitions }): Markers => ({ ...endedOf(order), order: number, partitions }));
    const answers = await this.#parts.deliver(leader, markers).catch((error: unknown) => {
      this.#parts.log.debug({ err: error, broker: leader }, "markers of transactions could not be delivered, trying again");
      return [];
    });
    for (const [at, piece] of pieces.entries()) this.#answered(piece, answers[at] ?? []);
  }

  #answered({ open, partitions }: Piece, answers: readonly KafkaErrorCode[]): void {
    open.underway -= partitions.length;
    if (!this.#isWanted(open)) return;
    const done: TopicPartition[] = [];
    let unanswered: KafkaErrorCode | null = null;
    for (const [at, place] of partitions.entries()) {
      const answer = answers[at] ?? "UNKNOWN_SERVER_ERROR";
      if (answer === "TRANSACTION_COORDINATOR_FENCED") {
        this.#drop(open);
        this.#parts.log.warn(told(open.order), "a partition has the marker of a later coordinator: this one sends none");
        return this.#parts.fenced(endedOf(open.order));
      }
      // the partition has seen a later epoch of the producer, which begins after this marker was written
      if (answer === "NONE" || answer === "INVALID_PRODUCER_EPOCH") done.push(place);
      else {
        unanswered = answer;
        open.idle.set(partitionKey(place.topic, place.partition), place);
      }
    }
    if (done.length > 0) this.#report({ open, partitions: done });
    if (unanswered !== null) this.#failed(open, unanswered);
  }

  #report({ open, partitions }: Piece): void {
    open.underway += partitions.length;
    void this.#parts.marked(endedOf(open.order), partitions).then((isNoted) => {
      open.underway -= partitions.length;
      if (!this.#isWanted(open)) return;
      if (!isNoted) {
        // asked again, they say that they have it
        for (const place of partitions) open.idle.set(partitionKey(place.topic, place.partition), place);
        this.#failed(open, "COORDINATOR_NOT_AVAILABLE");
      } else if (open.idle.size === 0 && open.underway === 0) this.#drop(open);
    });
  }

  #failed(open: Open, why: KafkaErrorCode): void {
    open.failures++;
    if (isWorthTelling(open.failures))
      this.#parts.log.warn(
        { ...told(open.order), left: open.idle.size + open.underway, why, attempts: open.failures },
        "a transaction cannot be completed yet: partitions have no marker",
      );
    this.#later(open);
  }

  #later(open: Open): void {
    if (open.timer !== null) return;
    const pauseMs = Math.min(pauseMinMs * 2 ** Math.min(open.failures, 10), pauseMaxMs);
    open.timer = this.#parts.clock.schedule(pauseMs, () => this.#route(open));
  }

  /** Those that wait may have a leader now, or be gone. */
  #onImage(): void {
    for (const open of [...this.#orders.values()]) {
      if (open.timer === null) continue;
      this.#route(open);
    }
  }
}

/** For the broker's log, without more of a client's text than fits there. */
function told(order: MarkerOrder): EndedTransaction {
  return { ...endedOf(order), transactionalId: printable(order.transactionalId) };
}

/** Up to a request's worth, without what nobody waits for any more. */
function takePieces(line: Line, isWanted: (open: Open) => boolean): readonly Piece[] {
  const taken: Piece[] = [];
  let count = 0;
  let at = 0;
  for (; at < line.waiting.length; at++) {
    const piece = line.waiting[at]!;
    if (!isWanted(piece.open)) continue;
    if (count > 0 && count + piece.partitions.length > partitionsPerRequestMax) break;
    taken.push(piece);
    count += piece.partitions.length;
  }
  line.waiting = line.waiting.slice(at);
  return taken;
}

function endedOf({
  transactionalId,
  producerId,
  producerEpoch,
  coordinatorEpoch,
  transactionVersion,
  kind,
}: MarkerOrder): EndedTransaction {
  return { transactionalId, producerId, producerEpoch, coordinatorEpoch, transactionVersion, kind };
}

/**
 * Null: nobody leads it now. A topic that was deleted and made again has other partitions of the same names: a marker changes nothing in
 * them. One that is merely unknown may be there in the next image; what is on record as deleted, or unknown for long, needs no marker.
 */
function leaderOf({ topics, brokers }: LeaderView, { topic, partition }: TopicPartition): BrokerId | "unknown" | null {
  const found = topics.get(topic)?.partitions[partition];
  if (found === undefined) return "unknown";
  return brokers.has(found.leader) ? found.leader : null;
}
