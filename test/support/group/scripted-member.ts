import { zeroTopicId } from "../../../protocol/base/ids.ts";
import { apis } from "../../../protocol/messages/apis.ts";
import type { OffsetFetchRequest } from "../../../protocol/messages/offset-fetch.ts";
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
  /** Called with the duration of each heartbeat, milliseconds. */
  readonly onHeartbeat?: (tookMs: number) => void;
}

/**
 * A member of a group that does nothing but keep its membership, and commit one offset more for each of its partitions in every round. How
 * it keeps its membership depends on its protocol.
 */
export abstract class ScriptedMember {
  readonly name: string;
  memberId = "";
  owned: readonly number[] = [];
  /** When (of `performance.now`) it last had a commit acknowledged. */
  workedAtMs: number[] = [];
  protected readonly parts: ScriptedMemberParts;
  protected readonly coordinator: CoordinatorConnection;
  protected isStopping = false;
  readonly #positions = new Map<number, number>();
  #running: Promise<void> = Promise.resolve();

  constructor(parts: ScriptedMemberParts) {
    this.parts = parts;
    this.name = parts.name;
    this.coordinator = new CoordinatorConnection(parts.cluster, parts.groupId);
  }

  get coordinatorId(): number {
    return this.coordinator.brokerId;
  }

  start(): this {
    this.#running = this.run();
    this.#running.catch(() => {}); // seen at stop
    return this;
  }

  /** Ends without leaving the group. Rejects with an earlier failure, if any. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await this.#running;
    this.coordinator.close();
  }

  /** Until `isStopping`. */
  protected abstract run(): Promise<void>;

  /** Of these partitions, which are its own now. The ledger says what they must be at least. */
  protected async fetchPositions(
    partitions: readonly number[],
    version: number,
    as: Pick<OffsetFetchRequest["groups"][number], "memberId" | "memberEpoch">,
    when: string,
  ): Promise<void> {
    const { groupId, topic, ledger } = this.parts;
    const before = ledger.snapshot;
    const group = { groupId, ...as, topics: [{ name: topic, partitionIndexes: [...partitions] }] };
    const body = { groupId: "", topics: [], groups: [group], requireStable: true };
    const answer = await this.coordinator.ask(apis.offsetFetch, version, body, ({ groups }) => groups[0]?.errorCode ?? "");
    const [answered] = answer.groups;
    if (answered?.errorCode !== "NONE") throw new Error(`${this.name} cannot fetch positions: ${answered?.errorCode}`);
    for (const { partitionIndex, committedOffset } of answered.topics[0]?.partitions ?? []) {
      ledger.check(before, partitionIndex, committedOffset, `${this.name} ${when}`);
      this.#positions.set(partitionIndex, committedOffset);
    }
  }

  /** One offset more for each partition that it owns. Returns the answer's error. */
  protected async commit(generation: number, version: number): Promise<string> {
    const { groupId, topic, ledger } = this.parts;
    const partitions = this.owned.map((partitionIndex) => ({
      partitionIndex,
      committedOffset: (this.#positions.get(partitionIndex) ?? -1) + 1,
      committedLeaderEpoch: -1,
      commitTimestamp: -1,
      committedMetadata: null,
    }));
    const identity = { groupId, memberId: this.memberId, groupInstanceId: null, generationIdOrMemberEpoch: generation };
    const body = { ...identity, retentionTimeMs: -1, topics: [{ name: topic, topicId: zeroTopicId, partitions }] };
    const errorOf = (answer: { topics: readonly { partitions: readonly { errorCode: string }[] }[] }) =>
      answer.topics[0]?.partitions[0]?.errorCode ?? "NONE";
    const error = errorOf(await this.coordinator.ask(apis.offsetCommit, version, body, errorOf));
    if (error !== "NONE") return error;
    for (const { partitionIndex, committedOffset } of partitions) {
      this.#positions.set(partitionIndex, committedOffset);
      ledger.acknowledged(partitionIndex, committedOffset);
    }
    this.workedAtMs.push(performance.now());
    return error;
  }
}
