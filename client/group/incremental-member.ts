import type { Timer } from "../../protocol/base/clock.ts";
import { newTopicId, type TopicPartition } from "../../protocol/base/ids.ts";
import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import { apis } from "../../protocol/messages/apis.ts";
import type { ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse } from "../../protocol/messages/consumer-group-heartbeat.ts";
import { KafkaProtocolError } from "../errors.ts";
import type { Cluster } from "../metadata/cluster.ts";
import type { CoordinatorLink } from "./coordinator-link.ts";
import { failureOf } from "./failure.ts";
import type { GroupSettings } from "./group-options.ts";
import {
  type HeartbeatContent,
  type IncrementalAction,
  type IncrementalEvent,
  type IncrementalSettings,
  type IncrementalState,
  isReconciled,
  nextIncrementalTickMs,
  outsideIncremental,
  stepIncremental,
} from "./incremental-state.ts";
import type { GroupIdentity, Membership, MembershipHost } from "./membership.ts";

/** Member epochs with a meaning of their own (KIP-848). */
const leavingEpoch = -1;
const comingBackEpoch = -2;

/** How often at least the time that the application takes is looked at. */
const lookEveryMs = 3_000;

type WireAssignment = NonNullable<ConsumerGroupHeartbeatResponse["assignment"]>["topicPartitions"];

/** Membership in a group of the new protocol: the heartbeats and timers around `stepIncremental`. */
export class IncrementalMember implements Membership {
  readonly #cluster: Cluster;
  readonly #link: CoordinatorLink;
  readonly #settings: GroupSettings;
  readonly #rules: IncrementalSettings;
  readonly #host: MembershipHost;
  readonly #unsubscribe: () => void;
  #state: IncrementalState;
  #timer: Timer | null = null;
  #lastFailure: Error | null = null;
  /** Names of topics that the coordinator has named by their ids. */
  readonly #namesById = new Map<string, string>();
  readonly #idsByName = new Map<string, string>();
  /** The last assignment as it came, while some of its topics are not known; null: all are. */
  #unresolved: { readonly attempt: number; readonly assignment: WireAssignment } | null = null;

  constructor(cluster: Cluster, link: CoordinatorLink, settings: GroupSettings, host: MembershipHost) {
    this.#cluster = cluster;
    this.#link = link;
    this.#settings = settings;
    this.#host = host;
    // ours for as long as this consumer lives (KIP-1082): a join whose answer is lost can be repeated, and left again
    this.#state = { ...outsideIncremental, memberId: newTopicId(cluster.runtime.random) };
    const { retryBackoffMs, retryBackoffMaxMs } = cluster.settings;
    this.#rules = { maxPollIntervalMs: settings.maxPollIntervalMs, retryBackoffMs, retryBackoffMaxMs };
    this.#unsubscribe = cluster.metadata.onChange(() => this.#resolveAgain());
  }

  get identity(): GroupIdentity {
    const { memberId, epoch, phase, giving } = this.#state;
    const isMember = phase === "in-group" && epoch > 0 && giving?.as !== "lost";
    return { memberId, generation: isMember ? epoch : -1, groupInstanceId: this.#settings.groupInstanceId };
  }

  get isSettled(): boolean {
    return isReconciled(this.#state) && this.#unresolved === null;
  }

  join(): void {
    this.#dispatch({ kind: "join-wanted" });
  }

  polled(): void {
    if (this.#state.phase === "left") this.#dispatch({ kind: "polled" });
  }

  commitRefused(generation: number, failure: KafkaError): void {
    this.#dispatch({ kind: "commit-refused", generation, failure });
  }

  async leave(): Promise<void> {
    this.#unsubscribe();
    await Promise.all(this.#dispatch({ kind: "closed" }));
  }

  /** Returns the goodbyes that are on their way. */
  #dispatch(event: IncrementalEvent): Promise<void>[] {
    const { clock, log } = this.#cluster.runtime;
    const before = this.#state;
    const { state, actions } = stepIncremental(before, event, clock.monotonicMs(), this.#rules);
    this.#state = state;
    if (state.phase !== before.phase || state.epoch !== before.epoch)
      log.debug(
        { group: this.#settings.groupId, member: state.memberId, epoch: state.epoch, event: event.kind },
        `${before.phase} -> ${state.phase}`,
      );
    if (state.attempt !== before.attempt) this.#unresolved = null;
    const leaving = actions.flatMap((action) => this.#perform(action) ?? []);
    this.#schedule();
    this.#host.changed();
    return leaving;
  }

  #schedule(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#state.phase !== "in-group" || this.#cluster.isClosed) return;
    const { clock } = this.#cluster.runtime;
    const nowMs = clock.monotonicMs();
    const busySinceMs = this.#host.busySinceMs();
    const pollBeforeMs = busySinceMs === null ? Number.POSITIVE_INFINITY : busySinceMs + this.#rules.maxPollIntervalMs;
    const atMs = Math.min(nextIncrementalTickMs(this.#state), pollBeforeMs, nowMs + lookEveryMs);
    this.#timer = clock.schedule(Math.max(atMs - nowMs, 0), () =>
      this.#dispatch({ kind: "ticked", busySinceMs: this.#host.busySinceMs() }),
    );
  }

  /** A goodbye is returned, for `leave` to wait for. */
  #perform(action: IncrementalAction): Promise<void> | null {
    switch (action.kind) {
      case "heartbeat":
        void this.#heartbeat(action.attempt, action.content);
        return null;
      case "leave":
        return this.#leave(action.memberId);
      case "give-up":
        void this.#host
          .giveUp(action.partitions, action.as)
          .then(() => this.#dispatch({ kind: "gave-up", attempt: action.attempt, partitions: action.partitions }));
        return null;
      case "take":
        this.#host.take(action.partitions);
        return null;
      case "fail":
        this.#host.fail(this.#lastFailure ?? new KafkaProtocolError(action.code, `group ${this.#settings.groupId}`));
        return null;
    }
  }

  async #heartbeat(attempt: number, { all, topics, owned }: HeartbeatContent): Promise<void> {
    const { groupId, groupInstanceId, maxPollIntervalMs, serverAssignor } = this.#settings;
    const { memberId, epoch } = this.#state;
    const request: ConsumerGroupHeartbeatRequest = {
      groupId,
      memberId,
      memberEpoch: epoch,
      instanceId: all ? groupInstanceId : null,
      rackId: null,
      rebalanceTimeoutMs: all ? maxPollIntervalMs : -1,
      subscribedTopicNames: all || topics ? [...this.#host.topics()] : null,
      subscribedTopicRegex: null,
      serverAssignor: all ? serverAssignor : null,
      topicPartitions: all || owned ? this.#wireOwned(epoch) : null,
    };
    try {
      const answer = await this.#link.request(apis.consumerGroupHeartbeat, () => request, {
        errorOf: ({ errorCode }) => errorCode,
        purpose: "groups",
      });
      if (answer.assignment !== null) await this.#learnNames(answer.assignment.topicPartitions);
      this.#answered(attempt, answer);
    } catch (error) {
      if (this.#cluster.isClosed) return;
      this.#lastFailure = error instanceof Error ? error : new Error(String(error));
      this.#dispatch({ kind: "refused", attempt, failure: failureOf(error) });
    }
  }

  #answered(attempt: number, { memberId, memberEpoch, heartbeatIntervalMs, assignment }: ConsumerGroupHeartbeatResponse): void {
    let assigned: TopicPartition[] | null = null;
    if (assignment !== null && attempt === this.#state.attempt) {
      const isWhole = assignment.topicPartitions.every(({ topicId }) => this.#namesById.has(topicId));
      this.#unresolved = isWhole ? null : { attempt, assignment: assignment.topicPartitions };
      assigned = this.#named(assignment.topicPartitions);
    }
    this.#dispatch({ kind: "answered", attempt, answer: { memberId, memberEpoch, heartbeatIntervalMs, assigned } });
  }

  #wireOwned(epoch: number): { topicId: string; partitions: number[] }[] {
    // who joins has nothing; what it had is lost
    if (epoch === 0) return [];
    return [...Map.groupBy(this.#state.owned, ({ topic }) => this.#idsByName.get(topic) ?? "")]
      .filter(([topicId]) => topicId !== "")
      .map(([topicId, ofTopic]) => ({ topicId, partitions: ofTopic.map(({ partition }) => partition) }));
  }

  /** Topics that are new to us are asked about once; what is then still unknown is found with later metadata. */
  async #learnNames(assignment: WireAssignment): Promise<void> {
    const { metadata } = this.#cluster;
    const learn = () => {
      for (const { name, topicId } of metadata.snapshot.topics.values()) {
        this.#namesById.set(topicId, name);
        this.#idsByName.set(name, topicId);
      }
    };
    for (const name of this.#host.topics()) metadata.topic(name);
    learn();
    if (assignment.every(({ topicId }) => this.#namesById.has(topicId))) return;
    await metadata.refresh().catch(() => undefined);
    learn();
  }

  #named(assignment: WireAssignment): TopicPartition[] {
    return assignment.flatMap(({ topicId, partitions }) => {
      const topic = this.#namesById.get(topicId);
      return topic === undefined ? [] : partitions.map((partition) => ({ topic, partition }));
    });
  }

  #resolveAgain(): void {
    const unresolved = this.#unresolved;
    if (unresolved === null || unresolved.attempt !== this.#state.attempt) return;
    const { topics } = this.#cluster.metadata.snapshot;
    const byId = new Map([...topics.values()].map(({ topicId, name }) => [topicId, name]));
    const found = unresolved.assignment.filter(({ topicId }) => !this.#namesById.has(topicId) && byId.has(topicId));
    if (found.length === 0) return;
    for (const { topicId } of found) {
      this.#namesById.set(topicId, byId.get(topicId) as string);
      this.#idsByName.set(byId.get(topicId) as string, topicId);
    }
    if (unresolved.assignment.every(({ topicId }) => this.#namesById.has(topicId))) this.#unresolved = null;
    this.#dispatch({ kind: "retargeted", attempt: unresolved.attempt, assigned: this.#named(unresolved.assignment) });
  }

  async #leave(memberId: string): Promise<void> {
    const { groupId, groupInstanceId } = this.#settings;
    const request: ConsumerGroupHeartbeatRequest = {
      groupId,
      memberId,
      memberEpoch: groupInstanceId === null ? leavingEpoch : comingBackEpoch,
      instanceId: groupInstanceId,
      rackId: null,
      rebalanceTimeoutMs: -1,
      subscribedTopicNames: null,
      subscribedTopicRegex: null,
      serverAssignor: null,
      topicPartitions: null,
    };
    await this.#link
      .request(apis.consumerGroupHeartbeat, () => request, { errorOf: ({ errorCode }) => errorCode })
      .catch((error: unknown) => {
        this.#cluster.runtime.log.debug(
          { group: groupId, err: error },
          "leaving the group was not acknowledged; the session will end by itself",
        );
      });
  }
}
