import { newTopicId, type TopicPartition } from "../../protocol/base/ids.ts";
import { apis } from "../../protocol/messages/apis.ts";
import type { ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse } from "../../protocol/messages/consumer-group-heartbeat.ts";
import type { CoordinatorLink } from "../coordinator/coordinator-link.ts";
import type { Cluster } from "../metadata/cluster.ts";
import type { Membership, MembershipHost } from "./group-membership.ts";
import type { GroupSettings } from "./group-options.ts";
import {
  type HeartbeatContent,
  type IncrementalAction,
  type IncrementalEvent,
  type IncrementalState,
  isReconciled,
  nextIncrementalTickMs,
  outsideIncremental,
  stepIncremental,
} from "./incremental-state.ts";
import { MemberDriver } from "./member-driver.ts";
import type { MemberAction } from "./member-step.ts";

/** Member epochs with a meaning of their own (KIP-848). */
const leavingEpoch = -1;
const comingBackEpoch = -2;

/** How often at least the application's processing time is checked. */
const lookEveryMs = 3_000;

type WireAssignment = NonNullable<ConsumerGroupHeartbeatResponse["assignment"]>["topicPartitions"];

type IncrementalDriver = MemberDriver<IncrementalState, IncrementalEvent, IncrementalAction>;

/** Membership in a group of the new protocol: the heartbeats around `stepIncremental`. */
export function incrementalMember(cluster: Cluster, link: CoordinatorLink, settings: GroupSettings, host: MembershipHost): Membership {
  return new IncrementalMember(cluster, link, settings, host).driver;
}

class IncrementalMember {
  readonly #cluster: Cluster;
  readonly #link: CoordinatorLink;
  readonly #settings: GroupSettings;
  readonly #host: MembershipHost;
  readonly driver: IncrementalDriver;
  /** Names of topics that the coordinator has named by their ids. */
  readonly #namesById = new Map<string, string>();
  readonly #idsByName = new Map<string, string>();
  /** The last assignment as received, while some of its topics are not known; null: all are. */
  #unresolved: { readonly attempt: number; readonly assignment: WireAssignment } | null = null;

  constructor(cluster: Cluster, link: CoordinatorLink, settings: GroupSettings, host: MembershipHost) {
    this.#cluster = cluster;
    this.#link = link;
    this.#settings = settings;
    this.#host = host;
    const { retryBackoffMs, retryBackoffMaxMs } = cluster.settings;
    const rules = { maxPollIntervalMs: settings.maxPollIntervalMs, retryBackoffMs, retryBackoffMaxMs };
    this.driver = new MemberDriver(
      { cluster, settings, host },
      {
        step: (state, event, nowMs) => stepIncremental(state, event, nowMs, rules),
        phaseOf: ({ phase }) => phase,
        generationOf: ({ epoch }) => epoch,
        identityOf: ({ memberId, epoch, phase, giving }) => {
          const isMember = phase === "in-group" && epoch > 0 && giving?.as !== "lost";
          return { memberId, generation: isMember ? epoch : -1, groupInstanceId: settings.groupInstanceId };
        },
        isSettled: (state) => isReconciled(state) && this.#unresolved === null,
        nextTickMs: nextIncrementalTickMs,
        lookEveryMs,
        overtaken: () => {
          this.#unresolved = null;
        },
        closing: () => unsubscribe(),
        perform: (action) => this.#perform(action),
      },
      // ours for as long as this consumer lives (KIP-1082): after a join whose answer was lost, we can join again, or leave
      { ...outsideIncremental, memberId: newTopicId(cluster.runtime.random) },
    );
    const unsubscribe = cluster.metadata.onChange(() => this.#resolveAgain());
  }

  #perform(action: Exclude<IncrementalAction, MemberAction>): Promise<void> | null {
    switch (action.kind) {
      case "heartbeat":
        void this.#heartbeat(action.attempt, action.content);
        return null;
      case "leave":
        return this.#leave(action.memberId);
    }
  }

  async #heartbeat(attempt: number, { all, topics, owned }: HeartbeatContent): Promise<void> {
    const { groupId, groupInstanceId, maxPollIntervalMs, serverAssignor } = this.#settings;
    const { memberId, epoch } = this.driver.state;
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
      this.driver.failed(error, (failure) => ({ kind: "refused", attempt, failure }));
    }
  }

  #answered(attempt: number, { memberId, memberEpoch, heartbeatIntervalMs, assignment }: ConsumerGroupHeartbeatResponse): void {
    let assigned: TopicPartition[] | null = null;
    if (assignment !== null && attempt === this.driver.state.attempt) {
      const isWhole = assignment.topicPartitions.every(({ topicId }) => this.#namesById.has(topicId));
      this.#unresolved = isWhole ? null : { attempt, assignment: assignment.topicPartitions };
      assigned = this.#named(assignment.topicPartitions);
    }
    this.driver.succeeded({ kind: "answered", attempt, answer: { memberId, memberEpoch, heartbeatIntervalMs, assigned } });
  }

  #wireOwned(epoch: number): { topicId: string; partitions: number[] }[] {
    // a member that joins has nothing; what it had is lost
    if (epoch === 0) return [];
    return [...Map.groupBy(this.driver.state.owned, ({ topic }) => this.#idsByName.get(topic) ?? "")]
      .filter(([topicId]) => topicId !== "")
      .map(([topicId, ofTopic]) => ({ topicId, partitions: ofTopic.map(({ partition }) => partition) }));
  }

  /** Topics that are new to us are requested once; what is then still unknown is found with later metadata. */
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
    if (unresolved === null || unresolved.attempt !== this.driver.state.attempt) return;
    const { topics } = this.#cluster.metadata.snapshot;
    const byId = new Map([...topics.values()].map(({ topicId, name }) => [topicId, name]));
    const found = unresolved.assignment.filter(({ topicId }) => !this.#namesById.has(topicId) && byId.has(topicId));
    if (found.length === 0) return;
    for (const { topicId } of found) {
      this.#namesById.set(topicId, byId.get(topicId) as string);
      this.#idsByName.set(byId.get(topicId) as string, topicId);
    }
    if (unresolved.assignment.every(({ topicId }) => this.#namesById.has(topicId))) this.#unresolved = null;
    this.driver.dispatch({ kind: "retargeted", attempt: unresolved.attempt, assigned: this.#named(unresolved.assignment) });
  }

  #leave(memberId: string): Promise<void> {
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
    return this.driver.goodbye(this.#link.request(apis.consumerGroupHeartbeat, () => request, { errorOf: ({ errorCode }) => errorCode }));
  }
}
