import type { TopicPartition } from "../../protocol/base/ids.ts";
import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";

/** Why partitions are given up: in order, with time to commit; or they were lost, and somebody else may have them already. */
export type GivenUpAs = "revoked" | "lost";

/** `lost` stands for a request that brought no answer. */
export type GroupFailure = KafkaError | "lost";

/** What happens to a member in either protocol. */
export type MemberEvent =
  /** There is a new subscription, or the topics' partitions have changed. */
  | { readonly kind: "join-wanted" }
  /** The application asks for a record. Of interest only after it has not for too long. */
  | { readonly kind: "polled" }
  /** Time has passed. `busySinceMs`: since when the application has not asked for a record; null: it waits for one. */
  | { readonly kind: "ticked"; readonly busySinceMs: number | null }
  /** A commit was refused, for this generation or member epoch. */
  | { readonly kind: "commit-refused"; readonly generation: number; readonly failure: KafkaError }
  | { readonly kind: "gave-up"; readonly attempt: number; readonly partitions: readonly TopicPartition[] }
  | { readonly kind: "closed" };

/** What is to be done in either protocol. */
export type MemberAction =
  | { readonly kind: "give-up"; readonly attempt: number; readonly partitions: readonly TopicPartition[]; readonly as: GivenUpAs }
  | { readonly kind: "take"; readonly partitions: readonly TopicPartition[] }
  | { readonly kind: "fail"; readonly code: KafkaError };

/** What a member is after an event, and what is to be done about it. */
export interface Step<S, A> {
  readonly state: S;
  readonly actions: readonly A[];
}
