import type { Clock } from "../../protocol/base/clock.ts";
import type { TopicPartition } from "../../protocol/base/ids.ts";
import { partitionKey, type TopicId } from "../../protocol/base/ids.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { AssignedReplica } from "./cluster-contract.ts";

export interface RoleCheckParts {
  readonly clock: Clock;
  readonly logger: Logger;
  /** It has a role, or the controller was told why not. */
  readonly isAccountedFor: (topicId: TopicId, partition: number) => boolean;
  /** The controller, and those who describe the topic, are to know that nothing is done with it. */
  readonly giveUp: (replica: AssignedReplica, reason: string) => void;
}

interface Assigned {
  readonly replica: AssignedReplica;
  /** When it was assigned, or last seen with a role or a reason. */
  readonly sinceMs: number;
}

/** A leader that was fenced waits this long for the metadata that says who leads now; far more than it takes. */
const graceMs = 10_000;

/**
 * A second opinion: every replica that this broker was assigned, and that somebody leads, has a role here or a reason that was reported.
 * One without is a mistake in this program, or comes from what it was told or found on its disk; it would be missing without a word. It is
 * said then, and not more: what others sent must not end the process.
 */
export class RoleCheck {
  readonly #parts: RoleCheckParts;
  readonly #assigned = new Map<string, Assigned>();

  constructor(parts: RoleCheckParts) {
    this.#parts = parts;
  }

  /** The assignment was carried out, whatever came of it. */
  assigned(replica: AssignedReplica): void {
    const { topicId, state } = replica;
    const { clock, isAccountedFor } = this.#parts;
    const key = partitionKey(topicId, state.partition);
    // one that still does nothing has not begun to do nothing now, however often it is told something
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
