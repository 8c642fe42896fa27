import { type Coordinator, CoordinatorUnavailable } from "../../coordinator-client/coordinator.ts";
import { brokerPath, producerIdBlockPath } from "../../coordinator-client/znodes/paths.ts";
import { decodeProducerIdBlock, encodeProducerIdBlock, type ProducerIdBlock } from "../../coordinator-client/znodes/producer-id-block.ts";
import type { Clock } from "../../protocol/base/clock.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import { InvariantViolation, invariant } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import { isWorthTelling } from "../../protocol/base/worth-telling.ts";
import type { Outcome } from "../../protocol/errors/kafka-errors.ts";

export interface ProducerIdsParts {
  readonly coordinator: Pick<Coordinator, "read" | "write">;
  readonly brokerId: BrokerId;
  readonly membership: { readonly epoch: number };
  readonly clock: Clock;
  readonly log: Logger;
}

/** Ids that no other producer of the cluster has or will get. */
export interface ProducerIdSource {
  next(): Promise<Outcome<{ readonly producerId: number }>>;
}

const blockSize = 1000;
/** When so few ids are left, the next block is fetched. */
const fetchAheadBelow = 100;
/** Writes tried for one block: each conflict means that another broker took one. */
const attemptsMax = 10;
/** Requests that wait for a block; more are told to retry. */
const waitersMax = 10_000;
/** How long a request waits for a block. The fetch continues without it. */
const waitMaxMs = 5_000;
/** After a failed fetch; requests meanwhile are answered with the failure at once. */
const pauseMs = 200;

type Answer = Awaited<ReturnType<ProducerIdSource["next"]>>;

/**
 * Hands out producer ids from blocks of a thousand, each claimed by compare-and-set on `/latest_producer_id_block`, as Kafka's brokers do;
 * a cluster may hold both.
 *
 * Why no id is given twice:
 * 1. A block begins after the last one written, and is ours only when the node's version is the one we read: of two brokers that read the
 *    same, one writes.
 * 2. After a write whose answer was lost, the node is read: when it now names our block, it is ours. It cannot be another claim of the same
 *    range: for us to write it, the version had to be the one we read, so one write of it succeeded at most; and no other process writes
 *    our broker id, as the data directory is locked.
 * 3. Each write holds only where this broker is registered, so not in a coordinator that lost its state, or went back in time, and would
 *    start over with ids that are in use. It is made only while this life has a registration: one that an earlier life left in a copy of
 *    the coordinator's state would pass that check. A broker never takes a block that is not above all of its own, whatever the coordinator
 *    says.
 * 4. When the node cannot be read, the block is forgotten. The next claim reads what is there and begins after it, whether or not the
 *    forgotten write was or will be carried out.
 */
export class ProducerIds implements ProducerIdSource {
  readonly #parts: ProducerIdsParts;
  #nextId = 0;
  /** Inclusive; below `#nextId`: the block is used up. */
  #lastId = -1;
  #ahead: ProducerIdBlock | null = null;
  /** Inclusive: of all blocks that were ever ours. */
  #highestId = -1;
  #isFetching = false;
  /** In a row. */
  #failures = 0;
  #failure: { readonly answer: Answer; readonly untilMs: number } | null = null;
  readonly #waiters = new Set<(answer: Answer) => void>();

  constructor(parts: ProducerIdsParts) {
    this.#parts = parts;
  }

  next(): Promise<Answer> {
    const taken = this.#take();
    if (this.#idsLeft < fetchAheadBelow) this.#fetch();
    if (taken !== null) return Promise.resolve(taken);
    if (!this.#isFetching && this.#failure !== null) return Promise.resolve(this.#failure.answer);
    if (this.#waiters.size >= waitersMax) return Promise.resolve(loading);
    return new Promise((resolve) => {
      const settle = (answer: Answer) => {
        timer.cancel();
        this.#waiters.delete(settle);
        resolve(answer);
      };
      const timer = this.#parts.clock.schedule(waitMaxMs, () => settle(loading));
      this.#waiters.add(settle);
    });
  }

  get #idsLeft(): number {
    return this.#lastId - this.#nextId + 1 + (this.#ahead === null ? 0 : blockSize);
  }

  #take(): Answer | null {
    if (this.#nextId > this.#lastId && this.#ahead !== null) {
      invariant(this.#ahead.firstId > this.#lastId, "no id is given twice", () => ({ ahead: this.#ahead, last: this.#lastId }));
      this.#nextId = this.#ahead.firstId;
      this.#lastId = this.#ahead.lastId;
      this.#ahead = null;
    }
    return this.#nextId > this.#lastId ? null : { error: null, producerId: this.#nextId++ };
  }

  #fetch(): void {
    const { clock, log } = this.#parts;
    if (this.#isFetching || (this.#failure !== null && clock.monotonicMs() < this.#failure.untilMs)) return;
    this.#isFetching = true;
    this.#claim().then(
      (block) => {
        this.#isFetching = false;
        this.#failure = null;
        this.#failures = 0;
        this.#ahead = block;
        log.debug(block, "claimed producer ids");
        for (const settle of [...this.#waiters]) {
          const answer = this.#take();
          if (answer !== null) settle(answer);
        }
        if (this.#waiters.size > 0) this.#fetch();
      },
      (error: unknown) => {
        if (error instanceof InvariantViolation) throw error;
        this.#isFetching = false;
        const answer = failed(error);
        this.#failure = { answer, untilMs: clock.monotonicMs() + pauseMs };
        const failures = ++this.#failures;
        if (isWorthTelling(failures))
          log.warn({ err: error, failures }, "no producer ids could be claimed: producers that are new are told to ask again");
        for (const settle of [...this.#waiters]) settle(answer);
      },
    );
  }

  async #claim(): Promise<ProducerIdBlock> {
    const { coordinator, brokerId, membership } = this.#parts;
    const notRegistered = () => new CoordinatorUnavailable(`broker ${brokerId} is not registered: it claims no producer ids`);
    for (let attempt = 0; attempt < attemptsMax; attempt++) {
      const node = await coordinator.read(producerIdBlockPath);
      // Kafka writes an empty node when it sets the tree up
      const last = node === null || node.data.length === 0 ? null : decodeProducerIdBlock(producerIdBlockPath, node.data);
      const firstId = Math.max(last === null ? 0 : last.lastId + 1, this.#highestId + 1);
      const block = { brokerId, firstId, lastId: firstId + blockSize - 1 };
      if (!Number.isSafeInteger(block.lastId)) throw new Error(`${producerIdBlockPath} has no ids left that Ottla can count`);
      const data = encodeProducerIdBlock(block);
      const path = producerIdBlockPath;
      if (membership.epoch < 0) throw notRegistered();
      const result = await coordinator.write([
        { kind: "check", path: brokerPath(brokerId), version: -1 },
        node === null ? { kind: "create", path, data, mode: "persistent" } : { kind: "set", path, data, version: node.version },
      ]);
      if (result.kind === "conflict" && result.failedIndex === 0) throw notRegistered();
      if (result.kind === "written" || (result.kind === "unknown" && (await this.#isWritten(block)))) {
        invariant(block.firstId > this.#highestId, "a block is behind all that were ever ours", () => ({
          block,
          highest: this.#highestId,
        }));
        this.#highestId = block.lastId;
        return block;
      }
    }
    throw new CoordinatorUnavailable(`${producerIdBlockPath} could not be written in ${attemptsMax} attempts`);
  }

  async #isWritten(block: ProducerIdBlock): Promise<boolean> {
    const node = await this.#parts.coordinator.read(producerIdBlockPath);
    return node?.data.equals(encodeProducerIdBlock(block)) ?? false;
  }
}

const loading = { error: "COORDINATOR_LOAD_IN_PROGRESS", message: "the next producer ids are being fetched: ask again" } as const;

function failed(error: unknown): Answer {
  if (error instanceof CoordinatorUnavailable)
    return { error: "COORDINATOR_NOT_AVAILABLE", message: "ZooKeeper gives out no producer ids now: ask again" };
  return { error: "UNKNOWN_SERVER_ERROR", message: `no producer ids: ${error instanceof Error ? error.message : String(error)}` };
}
