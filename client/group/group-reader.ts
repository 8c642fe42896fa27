import type { AssignedPartition, Place } from "../fetch/assigned-partition.ts";
import type { GivenUpAs } from "./member-step.ts";

/** Handlers that run in parallel. */
interface ParallelHandlers {
  /** Since when the oldest of them has been running; null: none runs. Monotonic. */
  readonly busySinceMs: number | null;
  /** Resolves when none of the partitions' records is being handled any more, or that has taken too long. None begins to be. */
  release(partitions: readonly AssignedPartition[], as: GivenUpAs): Promise<void>;
}

/** The consumer, as its group sees it. */
export interface GroupReader {
  /** The assigned partitions, by key; the group adds and removes them. */
  readonly partitions: Map<string, AssignedPartition>;
  /** Everything before it was handled: the record that the application is handling does not count. */
  processed(partition: AssignedPartition): Place;
  /** One of its records was handed out last, and the next was not requested yet. */
  isHandled(partition: AssignedPartition): boolean;
  /** Null: the application iterates, and handles one record at a time. */
  handlers(): ParallelHandlers | null;
  /** Some partitions may be fetched, or handed out, that could not before. */
  wake(): void;
  /** Thrown by the iteration when its turn comes. */
  fail(error: Error, partition: AssignedPartition | null): void;
}
