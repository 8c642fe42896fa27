import type { Clock } from "../../protocol/base/clock.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { ClusterStore } from "./cluster-store.ts";
import type { FencedWriter } from "./fenced-writer.ts";
import type { StateBook } from "./state-book.ts";

/** What all parts of one controller's term work with. It ends with the term: the writer then refuses, and a later term has its own. */
export interface TermContext {
  /** Reads of the coordinator, and the operations that transactions are made of. */
  readonly store: ClusterStore;
  /** Every write goes through it; it knows the term and its epoch. */
  readonly writer: FencedWriter;
  /** The cluster as the controller knows it. */
  readonly book: StateBook;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}
