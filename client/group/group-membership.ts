import type { TopicPartition } from "../../protocol/base/ids.ts";
import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import type { CoordinatorWaits } from "../coordinator/coordinator-waits.ts";
import type { GivenUpAs } from "./member-step.ts";

/** The member as which offsets are committed. */
export interface GroupIdentity {
  readonly memberId: string;
  /** The generation, or in the new protocol the member's epoch; -1: not in the group. */
  readonly generation: number;
  readonly groupInstanceId: string | null;
}

/** No member: from outside the group, which must have no members then. */
export const noMember: GroupIdentity = { memberId: "", generation: -1, groupInstanceId: null };

/** Membership in a group, in one protocol or the other. */
export interface Membership {
  readonly identity: GroupIdentity;
  /** In the group, with nothing to add or to revoke. */
  readonly isSettled: boolean;
  /** Joins, or rejoins for the present `topics`. */
  join(): void;
  /** The application asks for a record. Cheap. */
  polled(): void;
  commitRefused(generation: number, code: KafkaError): void;
  /** Leaves. Resolves when that was answered, or got lost: the session then ends by itself. */
  leave(): Promise<void>;
}

/** What a membership needs of the consumer that it belongs to. */
export interface MembershipHost {
  /** Where it says that it waits for its coordinator. */
  readonly waits: CoordinatorWaits;
  /** The present subscription. */
  topics(): readonly string[];
  /** Since when the application has not asked for a record; null: it waits for one. Monotonic. */
  busySinceMs(): number | null;
  /** Resolves when the application has released them. */
  giveUp(partitions: readonly TopicPartition[], as: GivenUpAs): Promise<void>;
  take(partitions: readonly TopicPartition[]): void;
  /** The failure is thrown to the application; the membership is over. */
  fail(error: Error): void;
  /** `isSettled` may have changed. */
  changed(): void;
}
