import { setTimeout as sleep } from "node:timers/promises";
import { zeroTopicId } from "../../../protocol/base/ids.ts";
import { decodeAssignment, encodeAssignment, encodeSubscription } from "../../../protocol/messages/consumer-protocol.ts";
import { heartbeatRequest, heartbeatResponse } from "../../../protocol/messages/heartbeat.ts";
import { type JoinGroupResponse, joinGroupRequest, joinGroupResponse } from "../../../protocol/messages/join-group.ts";
import { offsetCommitRequest, offsetCommitResponse } from "../../../protocol/messages/offset-commit.ts";
import { offsetFetchRequest, offsetFetchResponse } from "../../../protocol/messages/offset-fetch.ts";
import { syncGroupRequest, syncGroupResponse } from "../../../protocol/messages/sync-group.ts";
import type { TestCluster } from "../cluster.ts";
import type { AssignmentHistory, CommitLedger } from "./assignment-history.ts";
import { CoordinatorConnection } from "./raw-group.ts";

export interface ScriptedMemberParts {
  readonly name: string;
  readonly cluster: TestCluster;
  readonly groupId: string;
  readonly topic: string;
  readonly partitions: number;
  readonly sessionTimeoutMs: number;
  /** Between rounds of heartbeat and commit. */
  readonly pauseMs: number;
  readonly history: AssignmentHistory;
  readonly ledger: CommitLedger;
  /** Default true: a commit in every round. */
  readonly commits?: boolean;
  /** Told what each heartbeat took, milliseconds. */
  readonly onHeartbeat?: (tookMs: number) => void;
}

/** Errors with which a coordinator sends a member back to the beginning. */
const startAgain = ["REBALANCE_IN_PROGRESS", "ILLEGAL_GENERATION", "UNKNOWN_MEMBER_ID", "MEMBER_ID_REQUIRED"];

/**
 * A member of a classic group that does nothing but keep its membership, and commit one offset more for each of its partitions in every
 * round. It can be held back before it joins or before it synchronizes: that is the middle of a rebalance.
 */
export class ScriptedClassicMember {
  readonly name: string;
  memberId = "";
  generation = -1;
  owned: readonly number[] = [];
  /** When (of `performance.now`) it last had a commit acknowledged. */
  workedAtMs: number[] = [];
  isLeader = false;
  state: "joining" | "joined" | "working" = "joining";
  /** It waits for these before it sends the request. */
  beforeJoin: Promise<void> | null = null;
  beforeSync: Promise<void> | null = null;
  /** Called when it has sent its SyncGroup, and not waited for the answer. */
  onSyncSent: (() => void) | null = null;
  readonly #parts: ScriptedMemberParts;
  readonly #coordinator: CoordinatorConnection;
  readonly #positions = new Map<number, number>();
  #isStopping = false;
  #running: Promise<void> = Promise.resolve();

  constructor(parts: ScriptedMemberParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.#coordinator = new CoordinatorConnection(parts.cluster, parts.groupId);
  }

  get coordinatorId(): number {
    return this.#coordinator.brokerId;
  }

  start(): this {
    this.#running = this.#run();
    this.#running.catch(() => {}); // seen at stop
    return this;
  }

  /** Ends without leaving the group. Rejects with what went wrong on the way. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
    this.#coordinator.close();
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      this.state = "joining";
      this.#parts.history.released(this.name, this.owned);
      this.owned = [];
      await this.beforeJoin;
      if (this.#isStopping || !(await this.#enter())) continue;
      this.state = "working";
      while (!this.#isStopping && (await this.#round())) await sleep(this.#parts.pauseMs);
    }
  }

  async #enter(): Promise<boolean> {
    const joined = await this.#join();
    if (joined === null) return false;
    this.state = "joined";
    await this.beforeSync;
    const { groupId, history } = this.#parts;
    const body = {
      groupId,
      generationId: joined.generationId,
      memberId: this.memberId,
      groupInstanceId: null,
      protocolType: "consumer",
      protocolName: "range",
      assignments: this.isLeader ? this.#share(joined) : [],
    };
    const api = { request: syncGroupRequest, response: syncGroupResponse };
    const answer = this.#coordinator.ask(api, 5, body, ({ errorCode }) => errorCode);
    this.onSyncSent?.();
    const { errorCode, assignment } = await answer;
    if (!this.#isAccepted(errorCode)) return false;
    this.generation = joined.generationId;
    this.owned = decodeAssignment(assignment).assignedPartitions.flatMap(({ partitions }) => [...partitions]);
    history.assigned({ generation: this.generation, member: this.memberId, partitions: this.owned });
    await this.#fetchPositions();
    return true;
  }

  async #join(): Promise<JoinGroupResponse | null> {
    const { groupId, topic, sessionTimeoutMs } = this.#parts;
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
    const answer = await this.#coordinator.ask(
      { request: joinGroupRequest, response: joinGroupResponse },
      9,
      body,
      ({ errorCode }) => errorCode,
    );
    if (answer.errorCode === "MEMBER_ID_REQUIRED") this.memberId = answer.memberId;
    if (!this.#isAccepted(answer.errorCode)) return null;
    this.memberId = answer.memberId;
    this.isLeader = answer.leader === answer.memberId;
    return answer;
  }

  #share({ members }: JoinGroupResponse) {
    const { topic, partitions } = this.#parts;
    return members.map(({ memberId }, index) => {
      const own = Array.from({ length: partitions }, (_, partition) => partition).filter(
        (partition) => partition % members.length === index,
      );
      return { memberId, assignment: encodeAssignment({ assignedPartitions: [{ topic, partitions: own }], userData: null }) };
    });
  }

  async #fetchPositions(): Promise<void> {
    const { groupId, topic, ledger } = this.#parts;
    const before = ledger.snapshot;
    const group = { groupId, memberId: null, memberEpoch: -1, topics: [{ name: topic, partitionIndexes: [...this.owned] }] };
    const body = { groupId: "", topics: [], groups: [group], requireStable: true };
    const api = { request: offsetFetchRequest, response: offsetFetchResponse };
    const answer = await this.#coordinator.ask(api, 8, body, ({ groups }) => groups[0]?.errorCode ?? "");
    for (const { partitionIndex, committedOffset } of answer.groups[0]?.topics[0]?.partitions ?? []) {
      ledger.check(before, partitionIndex, committedOffset, `${this.name} in generation ${this.generation}`);
      this.#positions.set(partitionIndex, committedOffset);
    }
  }

  /** A heartbeat and a commit; false: join again. */
  async #round(): Promise<boolean> {
    const { groupId, topic, ledger, commits = true, onHeartbeat } = this.#parts;
    const identity = { groupId, memberId: this.memberId, groupInstanceId: null };
    const heartbeat = { ...identity, generationId: this.generation };
    const sentAtMs = performance.now();
    const alive = await this.#coordinator.ask(
      { request: heartbeatRequest, response: heartbeatResponse },
      4,
      heartbeat,
      ({ errorCode }) => errorCode,
    );
    onHeartbeat?.(performance.now() - sentAtMs);
    if (!this.#isAccepted(alive.errorCode)) return false;
    if (!commits) return true;
    const partitions = this.owned.map((partitionIndex) => ({
      partitionIndex,
      committedOffset: (this.#positions.get(partitionIndex) ?? -1) + 1,
      committedLeaderEpoch: -1,
      commitTimestamp: -1,
      committedMetadata: null,
    }));
    const body = {
      ...identity,
      generationIdOrMemberEpoch: this.generation,
      retentionTimeMs: -1,
      topics: [{ name: topic, topicId: zeroTopicId, partitions }],
    };
    const errorOf = (answer: { topics: readonly { partitions: readonly { errorCode: string }[] }[] }) =>
      answer.topics[0]?.partitions[0]?.errorCode ?? "NONE";
    const answer = await this.#coordinator.ask({ request: offsetCommitRequest, response: offsetCommitResponse }, 8, body, errorOf);
    if (!this.#isAccepted(errorOf(answer))) return false;
    for (const { partitionIndex, committedOffset } of partitions) {
      this.#positions.set(partitionIndex, committedOffset);
      ledger.acknowledged(partitionIndex, committedOffset);
    }
    this.workedAtMs.push(performance.now());
    return true;
  }

  #isAccepted(errorCode: string): boolean {
    if (errorCode === "NONE") return true;
    if (!startAgain.includes(errorCode)) throw new Error(`${this.name} was answered ${errorCode}`);
    if (errorCode === "UNKNOWN_MEMBER_ID") this.memberId = "";
    return false;
  }
}
