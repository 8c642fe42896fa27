import type { TopicPartition } from "../../protocol/base/ids.ts";
import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import type { GivenUpAs } from "./member-step.ts";

/** As whom offsets are committed. */
export interface GroupIdentity {
  readonly memberId: string;
  /** The generation, or in the new protocol the member's epoch; -1: not in the group. */
  readonly generation: number;
  readonly groupInstanceId: string | null;
}

/** Nobody in particular: from outside the group, which must have no members then. */
export const noMember: GroupIdentity = { memberId: "", generation: -1, groupInstanceId: null };

/** Being a member of a group, in one protocol or the other. */
export interface Membership {
  readonly identity: GroupIdentity;
  /** In the group, with nothing to take or to give up. */
  readonly isSettled: boolean;
  /** Joins, or joins again for what `topics` says now. */
  join(): void;
  /** The application asks for a record. Cheap. */
  polled(): void;
  commitRefused(generation: number, code: KafkaError): void;
  /** Says goodbye. Resolves when that was answered, or not heard: the session ends by itself. */
  leave(): Promise<void>;
}

/** What a membership asks of the consumer that it belongs to. */
export interface MembershipHost {
  /** What is subscribed to now. */
  topics(): readonly string[];
  /** Since when the application has not asked for a record; null: it waits for one. Monotonic. */
  busySinceMs(): number | null;
  /** Resolves when the application has let go of them. */
  giveUp(partitions: readonly TopicPartition[], as: GivenUpAs): Promise<void>;
  take(partitions: readonly TopicPartition[]): void;
  /** The application is told; the membership is over. */
  fail(error: Error): void;
  /** `isSettled` may be different now. */
  changed(): void;
}
