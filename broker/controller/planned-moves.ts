import type { BrokerId } from "../../protocol/base/ids.ts";
import { InvariantViolation } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { HandOverRequest } from "../../protocol/peer/messages.ts";
import type { PeerRequester } from "../runtime/peer-port.ts";
import type { PartitionChange } from "./controller-state.ts";
import type { Sender } from "./dirty-set.ts";
import type { EventQueue } from "./event-queue.ts";
import type { StateBook } from "./state-book.ts";
import type { UpdateSender } from "./update-sender.ts";

export interface PlannedMovesParts {
  readonly sender: Sender;
  readonly peers: PeerRequester;
  readonly book: Pick<StateBook, "current">;
  readonly updates: Pick<UpdateSender, "acknowledged" | "changeNumber">;
  readonly queue: Pick<EventQueue, "letUrgentPass">;
  readonly log: Logger;
}

/** For a leader until every in-sync replica has what it has: a few round trips, but a follower may collect garbage just now. */
const handOverMaxMs = 300;
/** Beyond that, for its answer. */
const answerMaxMs = 200;
/** For the brokers, between two steps. */
const takenUpMaxMs = 100;

/**
 * What goes on with the brokers within a step of leaderships that move though nobody failed, and between two: see
 * `StateWriter.applyInSteps`.
 */
export class PlannedMoves {
  readonly #parts: PlannedMovesParts;

  constructor(parts: PlannedMovesParts) {
    this.#parts = parts;
  }

  /**
   * These changes are written, and nobody has been told: the old leaders stop to take records, and all in-sync replicas get what they
   * have, as far as that is a matter of moments. A leader that does not answer loses its leaderships all the same.
   */
  async handOver(changes: readonly PartitionChange[]): Promise<void> {
    const { current } = this.#parts.book;
    const leaving = changes.flatMap(({ topic: name, record: { partition, leader } }) => {
      const topic = current.topics.get(name);
      const now = topic?.partitions[partition];
      if (topic === undefined || now === undefined || now.leader === leader || current.unreached.has(now.leader)) return [];
      return [{ leader: now.leader, led: { topicId: topic.id, partition, leaderEpoch: now.leaderEpoch } }];
    });
    const byLeader = Map.groupBy(leaving, ({ leader }) => leader);
    await Promise.all(
      [...byLeader].map(([leader, ofOne]) =>
        this.#ask(
          leader,
          ofOne.map(({ led }) => led),
        ),
      ),
    );
  }

  async #ask(leader: BrokerId, partitions: HandOverRequest["partitions"]): Promise<void> {
    const { sender, peers, book, log } = this.#parts;
    const broker = book.current.brokers.get(leader);
    if (broker === undefined) return;
    const request = { ...sender, maxWaitMs: handOverMaxMs, partitions };
    try {
      const options = { timeoutMs: handOverMaxMs + answerMaxMs, lane: "control" } as const;
      const { body } = await peers.request(broker.peer, "hand-over", request, options);
      if (body.error !== "NONE")
        log.warn({ leader, error: body.error }, `a leader loses its leaderships before it handed over: ${body.message}`);
    } catch (error) {
      if (error instanceof InvariantViolation) throw error;
      log.warn({ leader, err: error }, "a leader was asked to hand over, and did not answer");
    }
  }

  /** Until the brokers have taken up what was decided last, as far as they do so soon; elections go first, too. */
  async takenUp(): Promise<void> {
    const { updates, queue } = this.#parts;
    await updates.acknowledged(updates.changeNumber, takenUpMaxMs);
    await queue.letUrgentPass();
  }
}
