import { setTimeout as sleep } from "node:timers/promises";
import { ScriptedMember } from "./scripted-member.ts";

/** Of a group of the new protocol (KIP-848): revokes at once what it is told to, and confirms with its next heartbeat. */
export class ScriptedIncrementalMember extends ScriptedMember {
  epoch = 0;
  #topicId: string | null = null;

  protected override async run(): Promise<void> {
    while (!this.isStopping) {
      const mayCommit = await this.#heartbeat();
      // when it is refused, the next heartbeat says what to do
      if (mayCommit && this.owned.length > 0 && this.parts.commits !== false) await this.commit(this.epoch, 9);
      await sleep(this.parts.pauseMs);
    }
  }

  async #heartbeat(): Promise<boolean> {
    const { topic, sessionTimeoutMs, history, onHeartbeat } = this.parts;
    const sentAtMs = performance.now();
    const { memberId, epoch: memberEpoch } = this;
    const topicPartitions = this.#topicId === null ? [] : [{ topicId: this.#topicId, partitions: [...this.owned] }];
    const joining = memberEpoch === 0 ? { rebalanceTimeoutMs: sessionTimeoutMs, subscribedTopicNames: [topic] } : {};
    const answer = await this.coordinator.heartbeat({ memberId, memberEpoch, topicPartitions, ...joining });
    onHeartbeat?.(performance.now() - sentAtMs);
    if (["FENCED_MEMBER_EPOCH", "UNKNOWN_MEMBER_ID"].includes(answer.errorCode)) {
      history.released(this.name, this.owned);
      this.owned = [];
      this.epoch = 0;
      return false;
    }
    if (answer.errorCode !== "NONE") throw new Error(`${this.name} was answered ${answer.errorCode}: ${answer.errorMessage}`);
    this.memberId = answer.memberId ?? this.memberId;
    this.epoch = answer.memberEpoch;
    if (answer.assignment !== null) await this.#take(answer.assignment.topicPartitions);
    return true;
  }

  async #take(assigned: readonly { readonly topicId: string; readonly partitions: readonly number[] }[]): Promise<void> {
    const { history } = this.parts;
    this.#topicId = assigned[0]?.topicId ?? this.#topicId;
    const partitions = assigned.flatMap((of) => [...of.partitions]);
    history.released(
      this.name,
      this.owned.filter((partition) => !partitions.includes(partition)),
    );
    const added = partitions.filter((partition) => !this.owned.includes(partition));
    history.expectFree(added, this.name);
    history.assigned({ generation: this.epoch, member: this.name, partitions });
    this.owned = partitions;
    if (added.length === 0) return;
    await this.fetchPositions(added, 9, { memberId: this.memberId, memberEpoch: this.epoch }, `in epoch ${this.epoch}`);
  }
}
