import { setTimeout as sleep } from "node:timers/promises";
import { zeroTopicId } from "../../../protocol/base/ids.ts";
import { offsetCommitRequest, offsetCommitResponse } from "../../../protocol/messages/offset-commit.ts";
import { offsetFetchRequest, offsetFetchResponse } from "../../../protocol/messages/offset-fetch.ts";
import { CoordinatorConnection } from "./raw-group.ts";
import type { ScriptedMemberParts } from "./scripted-classic-member.ts";

/** As ScriptedClassicMember, in the new protocol (KIP-848): gives up at once what it is told to, and says so with its next heartbeat. */
export class ScriptedIncrementalMember {
  readonly name: string;
  memberId = "";
  epoch = 0;
  owned: readonly number[] = [];
  workedAtMs: number[] = [];
  readonly #parts: ScriptedMemberParts;
  readonly #coordinator: CoordinatorConnection;
  readonly #positions = new Map<number, number>();
  #topicId: string | null = null;
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

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
    this.#coordinator.close();
  }

  async #run(): Promise<void> {
    while (!this.#isStopping) {
      const mayCommit = await this.#heartbeat();
      if (mayCommit && this.owned.length > 0 && this.#parts.commits !== false) await this.#commit();
      await sleep(this.#parts.pauseMs);
    }
  }

  async #heartbeat(): Promise<boolean> {
    const { topic, sessionTimeoutMs, history, onHeartbeat } = this.#parts;
    const sentAtMs = performance.now();
    const { memberId, epoch: memberEpoch } = this;
    const topicPartitions = this.#topicId === null ? [] : [{ topicId: this.#topicId, partitions: [...this.owned] }];
    const joining = memberEpoch === 0 ? { rebalanceTimeoutMs: sessionTimeoutMs, subscribedTopicNames: [topic] } : {};
    const answer = await this.#coordinator.heartbeat({ memberId, memberEpoch, topicPartitions, ...joining });
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
    const { history } = this.#parts;
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
    if (added.length > 0) await this.#fetchPositions(added);
  }

  async #fetchPositions(partitions: readonly number[]): Promise<void> {
    const { groupId, topic, ledger } = this.#parts;
    const before = ledger.snapshot;
    const { memberId, epoch: memberEpoch } = this;
    const group = { groupId, memberId, memberEpoch, topics: [{ name: topic, partitionIndexes: [...partitions] }] };
    const body = { groupId: "", topics: [], groups: [group], requireStable: true };
    const api = { request: offsetFetchRequest, response: offsetFetchResponse };
    const answer = await this.#coordinator.ask(api, 9, body, ({ groups }) => groups[0]?.errorCode ?? "");
    if (answer.groups[0]?.errorCode !== "NONE") throw new Error(`${this.name} cannot fetch positions: ${answer.groups[0]?.errorCode}`);
    for (const { partitionIndex, committedOffset } of answer.groups[0].topics[0]?.partitions ?? []) {
      ledger.check(before, partitionIndex, committedOffset, `${this.name} in epoch ${this.epoch}`);
      this.#positions.set(partitionIndex, committedOffset);
    }
  }

  async #commit(): Promise<void> {
    const { groupId, topic, ledger } = this.#parts;
    const partitions = this.owned.map((partitionIndex) => ({
      partitionIndex,
      committedOffset: (this.#positions.get(partitionIndex) ?? -1) + 1,
      committedLeaderEpoch: -1,
      commitTimestamp: -1,
      committedMetadata: null,
    }));
    const identity = { groupId, memberId: this.memberId, groupInstanceId: null, generationIdOrMemberEpoch: this.epoch };
    const errorOf = (answer: { topics: readonly { partitions: readonly { errorCode: string }[] }[] }) =>
      answer.topics[0]?.partitions[0]?.errorCode ?? "NONE";
    const body = { ...identity, retentionTimeMs: -1, topics: [{ name: topic, topicId: zeroTopicId, partitions }] };
    const answer = await this.#coordinator.ask({ request: offsetCommitRequest, response: offsetCommitResponse }, 9, body, errorOf);
    if (errorOf(answer) !== "NONE") return; // the next heartbeat says what to do
    for (const { partitionIndex, committedOffset } of partitions) {
      this.#positions.set(partitionIndex, committedOffset);
      ledger.acknowledged(partitionIndex, committedOffset);
    }
    this.workedAtMs.push(performance.now());
  }
}
