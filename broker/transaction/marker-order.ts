import type { TopicPartition } from "../../protocol/base/ids.ts";
import type { Producer } from "./transaction.ts";

/** What the markers of one transaction say. */
export interface EndedTransaction extends Producer {
  readonly transactionalId: string;
  /** The leader epoch of the state's partition: a marker of an earlier coordinator is refused. */
  readonly coordinatorEpoch: number;
  /** The rules by which it was ended: see `EndMarker`. */
  readonly transactionVersion: number;
  readonly kind: "commit" | "abort";
}

/** A transaction whose outcome is decided and committed: every partition is to get its marker. */
export interface MarkerOrder extends EndedTransaction {
  readonly partitions: readonly TopicPartition[];
  /** Aborts when this broker no longer coordinates the transaction. */
  readonly signal: AbortSignal;
}

export interface MarkerSender {
  /** Until every partition has its marker, or the order's signal aborts. A later order about the same id takes the place of an earlier. */
  send(order: MarkerOrder): void;
}
