import type { Clock } from "../../protocol/base/clock.ts";
import { partitionKey, type TopicId, type TopicPartition } from "../../protocol/base/ids.ts";
import type { AssignedReplica } from "./cluster-contract.ts";
import { OpeningTurns } from "./opening-turns.ts";

export interface AssignmentsParts {
  readonly clock: Clock;
  /** `log.dir.stall.timeout.ms`: when no replica gets ready in this long, the others are not waited for any more. */
  readonly stallTimeoutMs: number;
  /** Its log is open, under this topic id. */
  readonly isOpen: (replica: AssignedReplica) => boolean;
  /**
   * Opens the log if necessary, and changes the role: what an open replica led it leads no more when this returns. Does nothing once the
   * assignment is not current any more.
   */
  readonly apply: (replica: AssignedReplica, isCurrent: () => boolean) => Promise<void>;
  /** So many more have their roles, or all that are waited for. */
  readonly applied: () => void;
}

/**
 * Replicas that get their roles, of a long list, until those among them that follow are fetched: the last ones may take longer than the lag
 * time, and the first ones would be out of sync by then.
 */
const appliedUntilTold = 250;

interface Wanted {
  readonly replica: AssignedReplica;
  readonly isCurrent: () => boolean;
}

interface Opening {
  /** The newest: an older one that is not begun is skipped. */
  wanted: Wanted;
  done: Promise<void>;
}

/**
 * Applies what replicas are assigned, and waits for it as long as it goes on. A disk that hangs holds up its own replicas, and nothing
 * else: the controller's next updates, and with them what this broker tells clients of other partitions, would come when it is back.
 *
 * What is left behind goes on by itself, each replica's changes in their order:
 * 1. A replica whose log is open ends its role in the call, whatever is under way for it; the newest assignment decides what follows.
 * 2. One whose log is being opened, and has had no role, is assigned the newest once it is open.
 */
export class Assignments {
  readonly #parts: AssignmentsParts;
  /** Waiting to be opened, or being opened, by name. */
  readonly #opening = new Map<string, Opening>();
  /** Open, and not in their new roles yet, by name. */
  readonly #settling = new Set<string>();
  readonly #turns: OpeningTurns;
  #sinceTold = 0;

  constructor(parts: AssignmentsParts) {
    this.#parts = parts;
    this.#turns = new OpeningTurns(parts.clock, parts.stallTimeoutMs);
  }

  /** Resolves when all have their roles, but for those that hang. What an earlier call has left behind is not waited for again. */
  async run(replicas: readonly AssignedReplica[], isCurrent: () => boolean): Promise<void> {
    const awaited: Promise<void>[] = [];
    for (const replica of replicas) {
      const name = partitionKey(replica.topic, replica.state.partition);
      const isBehind = this.#opening.has(name) || this.#settling.has(name);
      const done = this.#start(name, { replica, isCurrent });
      if (isBehind) this.#leaveBehind(done);
      else awaited.push(done);
    }
    await this.#whileTheyGoOn(awaited);
    this.#tell();
  }

  /** Resolves when nothing is being opened under this name. What only waits to be opened, for this topic, is not opened any more. */
  async end({ topic, partition }: TopicPartition, topicId: TopicId): Promise<void> {
    const name = partitionKey(topic, partition);
    const opening = this.#opening.get(name);
    if (opening?.wanted.replica.topicId === topicId && this.#turns.giveUp(name)) this.#opening.delete(name);
    else await opening?.done;
  }

  #start(name: string, wanted: Wanted): Promise<void> {
    const known = this.#opening.get(name);
    if (known !== undefined) {
      known.wanted = wanted;
      return known.done;
    }
    if (this.#parts.isOpen(wanted.replica)) return this.#settle(name, wanted);
    const opening: Opening = { wanted, done: Promise.resolve() };
    this.#opening.set(name, opening);
    opening.done = this.#turns.run(name, () => this.#open(name, opening));
    return opening.done;
  }

  async #settle(name: string, wanted: Wanted): Promise<void> {
    this.#settling.add(name);
    try {
      await this.#apply(wanted);
    } finally {
      this.#settling.delete(name);
    }
  }

  async #open(name: string, opening: Opening): Promise<void> {
    try {
      for (let applied: Wanted | null = null; applied !== opening.wanted; ) {
        applied = opening.wanted;
        await this.#apply(applied);
      }
    } finally {
      this.#opening.delete(name);
    }
  }

  async #apply({ replica, isCurrent }: Wanted): Promise<void> {
    await this.#parts.apply(replica, isCurrent);
    if (++this.#sinceTold >= appliedUntilTold) this.#tell();
  }

  #tell(): void {
    this.#sinceTold = 0;
    this.#parts.applied();
  }

  #leaveBehind(work: Promise<void>): void {
    // what it throws is a bug of this program: nobody takes it, and the process ends, as it would if somebody waited
    void work.then(() => this.#tell());
  }

  /** Until all are done, or none of them was for `stallTimeoutMs`. Rejects with the first failure. */
  #whileTheyGoOn(works: readonly Promise<void>[]): Promise<void> {
    const { clock, stallTimeoutMs } = this.#parts;
    const left = new Set(works);
    let leftBefore = left.size;
    if (left.size === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const look = () => {
        if (left.size < leftBefore) {
          leftBefore = left.size;
          timer = clock.schedule(stallTimeoutMs, look);
          return;
        }
        for (const work of left) this.#leaveBehind(work);
        resolve();
      };
      let timer = clock.schedule(stallTimeoutMs, look);
      const end = (settle: () => void) => {
        timer.cancel();
        settle();
      };
      for (const work of works)
        work.then(
          () => {
            left.delete(work);
            if (left.size === 0) end(resolve);
          },
          (error) => end(() => reject(error)),
        );
    });
  }
}
