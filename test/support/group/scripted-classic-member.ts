import { setTimeout as sleep } from "node:timers/promises";
import { apis } from "../../../protocol/messages/apis.ts";
import { decodeAssignment, encodeAssignment, encodeSubscription } from "../../../protocol/messages/consumer-protocol.ts";
import type { JoinGroupResponse } from "../../../protocol/messages/join-group.ts";
import { ScriptedMember } from "./scripted-member.ts";

/** Errors with which a coordinator makes a member start over. */
const startAgain = ["REBALANCE_IN_PROGRESS", "ILLEGAL_GENERATION", "UNKNOWN_MEMBER_ID", "MEMBER_ID_REQUIRED"];

/** Of a classic group. It can be held back before it joins or before it synchronizes: that is the middle of a rebalance. */
export class ScriptedClassicMember extends ScriptedMember {
  generation = -1;
  isLeader = false;
  state: "joining" | "joined" | "working" = "joining";
  /** It waits for these before it sends the request. */
  beforeJoin: Promise<void> | null = null;
  beforeSync: Promise<void> | null = null;
  /** Called when it has sent its SyncGroup, before the answer. */
  onSyncSent: (() => void) | null = null;

  protected override async run(): Promise<void> {
    while (!this.isStopping) {
      this.state = "joining";
      this.parts.history.released(this.name, this.owned);
      this.owned = [];
      await this.beforeJoin;
      if (this.isStopping || !(await this.#enter())) continue;
      this.state = "working";
      while (!this.isStopping && (await this.#round())) await sleep(this.parts.pauseMs);
    }
  }

  async #enter(): Promise<boolean> {
    const joined = await this.#join();
    if (joined === null) return false;
    this.state = "joined";
    await this.beforeSync;
    const { groupId, history } = this.parts;
    const body = {
      groupId,
      generationId: joined.generationId,
      memberId: this.memberId,
      groupInstanceId: null,
      protocolType: "consumer",
      protocolName: "range",
      assignments: this.isLeader ? this.#share(joined) : [],
    };
    const answer = this.coordinator.ask(apis.syncGroup, 5, body, ({ errorCode }) => errorCode);
    this.onSyncSent?.();
    const { errorCode, assignment } = await answer;
    if (!this.#isAccepted(errorCode)) return false;
    this.generation = joined.generationId;
    this.owned = decodeAssignment(assignment).assignedPartitions.flatMap(({ partitions }) => [...partitions]);
    history.assigned({ generation: this.generation, member: this.memberId, partitions: this.owned });
    await this.fetchPositions(this.owned, 8, { memberId: null, memberEpoch: -1 }, `in generation ${this.generation}`);
    return true;
  }

  async #join(): Promise<JoinGroupResponse | null> {
    const { groupId, topic, sessionTimeoutMs } = this.parts;
    const metadata = encodeSubscription({ topics: [topic], userData: null, ownedPartitions: [], generationId: -1, rackId: null });
    const body = {
      groupId,
      sessionTimeoutMs,
      rebalanceTimeoutMs: sessionTimeoutMs,
      memberId: this.memberId,
      groupInstanceId: null,
      protocolType: "consumer",
      protocols: [{ name: "range", metadata }],
      reason: null,
    };
    const answer = await this.coordinator.ask(apis.joinGroup, 9, body, ({ errorCode }) => errorCode);
    if (answer.errorCode === "MEMBER_ID_REQUIRED") this.memberId = answer.memberId;
    if (!this.#isAccepted(answer.errorCode)) return null;
    this.memberId = answer.memberId;
    this.isLeader = answer.leader === answer.memberId;
    return answer;
  }

  #share({ members }: JoinGroupResponse) {
    const { topic, partitions } = this.parts;
    return members.map(({ memberId }, index) => {
      const own = Array.from({ length: partitions }, (_, partition) => partition).filter(
        (partition) => partition % members.length === index,
      );
      return { memberId, assignment: encodeAssignment({ assignedPartitions: [{ topic, partitions: own }], userData: null }) };
    });
  }

  /** A heartbeat and a commit; false: rejoin. */
  async #round(): Promise<boolean> {
    const { groupId, commits = true, onHeartbeat } = this.parts;
    const heartbeat = { groupId, memberId: this.memberId, groupInstanceId: null, generationId: this.generation };
    const sentAtMs = performance.now();
    const alive = await this.coordinator.ask(apis.heartbeat, 4, heartbeat, ({ errorCode }) => errorCode);
    onHeartbeat?.(performance.now() - sentAtMs);
    if (!this.#isAccepted(alive.errorCode)) return false;
    return !commits || this.#isAccepted(await this.commit(this.generation, 8));
  }

  #isAccepted(errorCode: string): boolean {
    if (errorCode === "NONE") return true;
    if (!startAgain.includes(errorCode)) throw new Error(`${this.name} was answered ${errorCode}`);
    if (errorCode === "UNKNOWN_MEMBER_ID") this.memberId = "";
    return false;
  }
}
