import type { ClientRuntime } from "../base/client-runtime.ts";
import type { AssignedPartition } from "../fetch/assigned-partition.ts";
import type { ConsumerRecord } from "./consumer-options.ts";
import type { DeadLetters } from "./dead-letters.ts";
import type { Handling, Task } from "./handling.ts";
import type { TakenRecord } from "./record-taker.ts";
import type { RunSettings } from "./run-options.ts";

/** The consumer, as a run sees it. */
export interface RunSource<K, V> {
  readonly partitions: ReadonlyMap<string, AssignedPartition>;
  /** The next record of a partition that may be taken from; null: it is not available yet. Throws a failure, which ends the run. */
  take(mayTake: (partition: AssignedPartition) => boolean): TakenRecord | null;
  read(taken: TakenRecord): ConsumerRecord<K, V>;
  /** Handlers may be started. */
  mayHandle(): boolean;
  /** Nothing more will come, beyond what was taken. */
  isAtEnd(): boolean;
  /** Resolves at the next change. */
  changed(): Promise<void>;
  wake(): void;
  /** Aborts when the consumer is closed, without waiting for anything. */
  readonly closed: AbortSignal;
}

/** Calls the application's handler: `records` are those of `tasks`. */
export type RunHandler<K, V> = (
  records: readonly ConsumerRecord<K, V>[],
  tasks: readonly Task[],
  handling: Handling,
) => void | Promise<void>;

export interface RunParts<K, V> {
  readonly runtime: ClientRuntime;
  readonly settings: RunSettings;
  readonly source: RunSource<K, V>;
  readonly handler: RunHandler<K, V>;
  /** Null: the run ends when a handler has failed for the last time. */
  readonly deadLetters: DeadLetters | null;
}
