import type { ClientConsumeOrder, ClientProduceOrder } from "./orders.ts";

/** One call of it is one call of the client's `send`. */
export interface SendingClient {
  /** Resolves when all are acknowledged by all in-sync replicas. */
  send(values: readonly Buffer[]): Promise<unknown>;
  close(): Promise<unknown>;
}

/** A client as its documentation shows it, tuned as the others are. */
export interface BenchClient {
  producer(order: ClientProduceOrder): Promise<SendingClient>;
  /** From the beginning, until `take` answers true, in a group of its own where it needs one. */
  consume(order: ClientConsumeOrder, take: (value: Buffer) => boolean): Promise<void>;
}

/** The same for all where they have such a setting, but for the linger: each has the one that suits it best. */
export const tuning = {
  batchBytes: 128 * 1024,
  fetchWaitMs: 500,
  fetchBytes: 16 * 1024 * 1024,
  partitionBytes: 1024 * 1024,
} as const;
