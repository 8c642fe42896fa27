import type { Clock } from "../../protocol/base/clock.ts";
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

/** A fenced leader waits this long for the metadata that says who leads now; far more than it takes. */
const graceMs = 10_000;

/** Of all replicas, only some are looked at in one go: each is in about every `goes`-th, or in all when they are few. */
const goes = 60;
const lookedAtMin = 50;

/**
 * A safety net: every replica that this broker was assigned, and that has a leader, has a role here or a reason that was reported. One
 * without either is a bug in this program, or comes from metadata it was sent or files found on its disk; it would be missing silently. It
 * is then reported, and nothing more: input from others must not end the process.
 */
export class RoleCheck {
  readonly #parts: RoleCheckParts;
  readonly #assigned = new Map<string, AssignedReplica>();
  /** Those that were seen without a role and a reason, and since when. */
  readonly #idleSinceMs = new Map<string, number>();
  /** Continues where it was, whatever is added or deleted meanwhile. */
  #toLookAt = this.#assigned.entries();

  constructor(parts: RoleCheckParts) {
    this.#parts = parts;
  }

  /** The assignment was applied, whatever its result. A replica that still does nothing keeps the time since when. */
  assigned(replica: AssignedReplica): void {
    const key = partitionKey(replica.topicId, replica.state.partition);
    this.#assigned.set(key, replica);
    this.#lookAt(key, replica);
  }

  withdrawn(topicId: TopicId, partition: number): void {
    const key = partitionKey(topicId, partition);
    this.#assigned.delete(key);
    this.#idleSinceMs.delete(key);
  }

  /** All roles end with the session, and are assigned again with the next. */
  stoodDown(): void {
    this.#assigned.clear();
    this.#idleSinceMs.clear();
  }

  /** To be called about once a second. */
  look(): void {
    const { clock, logger, giveUp } = this.#parts;
    this.#lookAtSome();
    const now = clock.monotonicMs();
    for (const [key, sinceMs] of this.#idleSinceMs) {
      const replica = this.#assigned.get(key);
      if (replica === undefined || !this.#lookAt(key, replica)) continue;
      const { topic, state } = replica;
      if (state.leader < 0 || now - sinceMs < graceMs) continue;
      const reason = `it was assigned, with leader ${state.leader} in epoch ${state.leaderEpoch}, and has taken up no role; look at this broker's log, and restart it`;
      logger.error({ partition: partitionKey(topic, state.partition), state }, `a replica does nothing: ${reason}`);
      giveUp(replica, reason);
    }
  }

  #lookAtSome(): void {
    const count = Math.min(Math.max(Math.ceil(this.#assigned.size / goes), lookedAtMin), this.#assigned.size);
    for (let i = 0; i < count; i++) {
      let next = this.#toLookAt.next();
      if (next.done === true) {
        this.#toLookAt = this.#assigned.entries();
        next = this.#toLookAt.next();
      }
      if (next.done !== true) this.#lookAt(...next.value);
    }
  }

  /** Whether it does nothing. */
  #lookAt(key: string, { topicId, state }: AssignedReplica): boolean {
    const isIdle = !this.#parts.isAccountedFor(topicId, state.partition);
    if (!isIdle) this.#idleSinceMs.delete(key);
    else if (!this.#idleSinceMs.has(key)) this.#idleSinceMs.set(key, this.#parts.clock.monotonicMs());
    return isIdle;
  }
}
