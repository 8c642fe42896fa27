import type { BrokerId } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import type { StartingLeader } from "../../protocol/peer/messages.ts";
import { assertLiving, type ControllerState, emptyState, type TopicState } from "./controller-state.ts";
import type { DirtySet } from "./dirty-set.ts";

/** Who learns of a change before whom. */
export interface TellingOrder {
  readonly first: ReadonlySet<BrokerId>;
  readonly last: ReadonlySet<BrokerId>;
}

/** The state in force during a term, and the one place where it is replaced: what changed is queued for the brokers in the same step. */
export class StateBook {
  /** Kept alongside the state, for they end with what brokers acknowledge. */
  readonly starting = new StartingLeaders();
  readonly #tell: (dirty: DirtySet, order: TellingOrder | null) => number;
  #current: ControllerState = emptyState;
  #changeNumber = 0;

  /** `tell` marks what every live broker has to learn and numbers the change. */
  constructor(tell: (dirty: DirtySet, order: TellingOrder | null) => number) {
    this.#tell = tell;
  }

  get current(): ControllerState {
    return this.#current;
  }

  /** Of the last change. */
  get changeNumber(): number {
    return this.#changeNumber;
  }

  /** `dirty` null: nothing that brokers need to learn. `order` null: all learn of it at once. */
  commit(next: ControllerState, dirty: DirtySet | null, order: TellingOrder | null = null): void {
    assertLiving(next);
    this.#current = next;
    if (dirty === null) return;
    const number = this.#tell(dirty, order);
    invariant(number > this.#changeNumber, "each change is told under a number of its own", () => ({ number, last: this.#changeNumber }));
    this.#changeNumber = number;
  }
}

/** Each is in every update while it lasts. Beyond this number, clients learn of leaders a moment before they serve. */
const startingMax = 1_000;

/**
 * Leaders of partitions that were just created, until their brokers have acknowledged the update: a broker does so when it has assumed its
 * roles. Clients that learn of a leader sooner ask it, are refused, and some do not retry. A leader that does not acknowledge stays here
 * until another is elected.
 */
export class StartingLeaders {
  #starting: readonly (StartingLeader & { readonly changeNumber: number })[] = [];
  #latestNumber = -1;

  get current(): readonly StartingLeader[] {
    return this.#starting.map(({ brokerId, topicId, fromPartition }) => ({ brokerId, topicId, fromPartition }));
  }

  /** The change in which the last ones were sent; -1: there were none. */
  get latestNumber(): number {
    return this.#latestNumber;
  }

  /** These partitions, from `fromPartition` on, are sent to their leaders with this change. */
  begin({ id: topicId, partitions }: TopicState, fromPartition: number, changeNumber: number): void {
    const leaders = new Set(partitions.slice(fromPartition).flatMap(({ leader }) => (leader < 0 ? [] : [leader])));
    const added = [...leaders].map((brokerId) => ({ brokerId, topicId, fromPartition, changeNumber }));
    this.#starting = [...this.#starting, ...added].slice(-startingMax);
    this.#latestNumber = changeNumber;
  }

  /** Their registrations ended: what they led gets other leaders, or the same brokers again in a new epoch. */
  gone(brokerIds: readonly BrokerId[]): void {
    this.#starting = this.#starting.filter(({ brokerId }) => !brokerIds.includes(brokerId));
  }

  /** True: some of them serve now, which all brokers are to learn. */
  acknowledged(brokerId: BrokerId, changeNumber: number): boolean {
    const before = this.#starting.length;
    if (before === 0) return false;
    this.#starting = this.#starting.filter((one) => one.brokerId !== brokerId || one.changeNumber > changeNumber);
    return this.#starting.length < before;
  }
}
