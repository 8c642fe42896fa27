import type { Clock } from "../../protocol/base/clock.ts";
import type { TopicPartition } from "../../protocol/base/ids.ts";
import { partitionKey, type TopicId } from "../../protocol/base/ids.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { AssignedReplica } from "./cluster-contract.ts";

export interface RoleCheckParts {
  readonly clock: Clock;
  readonly logger: Logger;
  /** It has a role, or the reason why not was reported to the controller. */
  readonly isAccountedFor: (topicId: TopicId, partition: number) => boolean;
  /** The controller, and clients that describe the topic, are to know that it does nothing. */
  readonly giveUp: (replica: AssignedReplica, reason: string) => void;
}

interface Assigned {
  readonly replica: AssignedReplica;
  /** When it was assigned, or last seen with a role or a reason. */
  readonly sinceMs: number;
}

/** A fenced leader waits this long for the metadata that says who leads now; far more than it takes. */
const graceMs = 10_000;

/**
 * A safety net: every replica that this broker was assigned, and that has a leader, has a role here or a reason that was reported. One
 * without either is a bug in this program, or comes from metadata it was sent or files found on its disk; it would be missing silently. It
 * is then reported, and nothing more: input from others must not end the process.
 */
export class RoleCheck {
  readonly #parts: RoleCheckParts;
  readonly #assigned = new Map<string, Assigned>();

  constructor(parts: RoleCheckParts) {
    this.#parts = parts;
  }

  /** The assignment was applied, whatever its result. */
  assigned(replica: AssignedReplica): void {
    const { topicId, state } = replica;
    const { clock, isAccountedFor } = this.#parts;
    const key = partitionKey(topicId, state.partition);
    // a replica that still does nothing keeps the time since when, however often it is assigned
    const known = isAccountedFor(topicId, state.partition) ? undefined : this.#assigned.get(key);
    this.#assigned.set(key, { replica, sinceMs: known?.sinceMs ?? clock.monotonicMs() });
  }

  withdrawn(topicId: TopicId, { partition }: TopicPartition): void {
    this.#assigned.delete(partitionKey(topicId, partition));
  }

  /** All roles end with the session, and are assigned again with the next. */
  stoodDown(): void {
    this.#assigned.clear();
  }

  look(): void {
    const { clock, logger, isAccountedFor, giveUp } = this.#parts;
    const now = clock.monotonicMs();
    for (const [key, { replica, sinceMs }] of this.#assigned) {
      const { topic, topicId, state } = replica;
      if (isAccountedFor(topicId, state.partition)) {
        this.#assigned.set(key, { replica, sinceMs: now });
        continue;
      }
      if (state.leader < 0 || now - sinceMs < graceMs) continue;
      const reason = `it was assigned, with leader ${state.leader} in epoch ${state.leaderEpoch}, and has taken up no role; look at this broker's log, and restart it`;
      logger.error({ partition: partitionKey(topic, state.partition), state }, `a replica does nothing: ${reason}`);
      giveUp(replica, reason);
    }
  }
}
