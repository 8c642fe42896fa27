import type { TopicPartition } from "../../protocol/base/ids.ts";
import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";

/** Why partitions are revoked: in order, with time to commit; or they were lost, and another member may have them already. */
export type GivenUpAs = "revoked" | "lost";

/** `lost` stands for a request without an answer. */
export type GroupFailure = KafkaError | "lost";

/** Events of a member in either protocol. */
export type MemberEvent =
  /** There is a new subscription, or the topics' partitions have changed. */
  | { readonly kind: "join-wanted" }
  /** The application asks for a record. Matters only after it has not done so for too long. */
  | { readonly kind: "polled" }
  /** Time has passed. `busySinceMs`: since when the application has not asked for a record; null: it waits for one. */
  | { readonly kind: "ticked"; readonly busySinceMs: number | null }
  /** A commit was refused, for this generation or member epoch. */
  | { readonly kind: "commit-refused"; readonly generation: number; readonly failure: KafkaError }
  | { readonly kind: "gave-up"; readonly attempt: number; readonly partitions: readonly TopicPartition[] }
  | { readonly kind: "closed" };

/** Actions in either protocol. */
export type MemberAction =
  | { readonly kind: "give-up"; readonly attempt: number; readonly partitions: readonly TopicPartition[]; readonly as: GivenUpAs }
  | { readonly kind: "take"; readonly partitions: readonly TopicPartition[] }
  | { readonly kind: "fail"; readonly code: KafkaError };

/** A member's state after an event, and the resulting actions. */
export interface Step<S, A> {
  readonly state: S;
  readonly actions: readonly A[];
}
