import type { Timer } from "../../protocol/base/clock.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import { apis } from "../../protocol/messages/apis.ts";
import { consumerProtocolType, decodeAssignment, encodeAssignment } from "../../protocol/messages/consumer-protocol.ts";
import type { SyncGroupRequest } from "../../protocol/messages/sync-group.ts";
import { MalformedFrame } from "../../protocol/wire/reader.ts";
import { KafkaProtocolError } from "../base/errors.ts";
import type { CoordinatorLink } from "../coordinator/coordinator-link.ts";
import type { Cluster } from "../metadata/cluster.ts";
import { assignorNamed, joinProtocols, membersOf } from "./assignors.ts";
import {
  type ClassicAction,
  type ClassicEvent,
  type ClassicSettings,
  type ClassicState,
  nextTickMs,
  outsideGroup,
  stepClassic,
} from "./classic-state.ts";
import type { Membership, MembershipHost } from "./group-membership.ts";
import type { GroupSettings } from "./group-options.ts";
import { watchHeldJoin } from "./held-join.ts";
import { MemberDriver } from "./member-driver.ts";
import type { MemberAction } from "./member-step.ts";
import { byTopic, flat, type OwnedBefore, type PartitionCounts, subscribedTopics } from "./partition-assignor.ts";

/** A join may be answered this long after the time that members have for it. */
const joinGraceMs = 5_000;

type ClassicDriver = MemberDriver<ClassicState, ClassicEvent, ClassicAction>;

/** Membership in a classic group: the requests around `stepClassic`. */
export function classicMember(cluster: Cluster, link: CoordinatorLink, settings: GroupSettings, host: MembershipHost): Membership {
  return new ClassicMember(cluster, link, settings, host).driver;
}

class ClassicMember {
  readonly #cluster: Cluster;
  readonly #link: CoordinatorLink;
  readonly #settings: GroupSettings;
  readonly #host: MembershipHost;
  readonly driver: ClassicDriver;
  /** Joining and syncing; aborted when they are superseded. */
  #flight: AbortController | null = null;
  #before: OwnedBefore = { partitions: [], generation: -1 };
  /** As we last assigned them as the leader; null: another member leads. */
  #countsAssigned: PartitionCounts | null = null;

  constructor(cluster: Cluster, link: CoordinatorLink, settings: GroupSettings, host: MembershipHost) {
    this.#cluster = cluster;
    this.#link = link;
    this.#settings = settings;
    this.#host = host;
    const rules = classicRules(cluster, settings);
    this.driver = new MemberDriver(
      { cluster, settings, host },
      {
        step: (state, event, nowMs) => stepClassic(state, event, nowMs, rules),
        phaseOf: ({ phase }) => phase.kind,
        generationOf: ({ generation }) => generation,
        identityOf: ({ memberId, generation }) => ({ memberId, generation, groupInstanceId: settings.groupInstanceId }),
        isSettled: ({ phase }) => phase.kind === "stable",
        nextTickMs,
        lookEveryMs: settings.heartbeatIntervalMs,
        overtaken: () => {
          this.#flight?.abort(new Error("overtaken"));
          this.#flight = null;
        },
        closing: () => unsubscribe(),
        perform: (action) => this.#perform(action),
      },
      outsideGroup,
    );
    const unsubscribe = cluster.metadata.onChange(() => this.#compareCounts());
  }

  #perform(action: Exclude<ClassicAction, MemberAction>): Promise<void> | null {
    switch (action.kind) {
      case "join":
        void this.#join(action.attempt);
        return null;
      case "sync":
        this.#countsAssigned = null;
        void this.#sync(action.attempt, action.protocolName, async () => []);
        return null;
      case "assign-and-sync":
        void this.#sync(action.attempt, action.protocolName, () => this.#assign(action));
        return null;
      case "heartbeat":
        void this.#heartbeat(action.attempt);
        return null;
      case "leave":
        return this.#leave(action.memberId, action.reason);
    }
  }

  async #join(attempt: number): Promise<void> {
    const { groupId, groupInstanceId, sessionTimeoutMs, maxPollIntervalMs, assignors } = this.#settings;
    const { memberId, owned } = this.driver.state;
    const protocols = joinProtocols(assignors.map(assignorNamed), this.#host.topics(), owned, this.#before);
    const request = {
      groupId,
      sessionTimeoutMs,
      rebalanceTimeoutMs: maxPollIntervalMs,
      memberId,
      groupInstanceId,
      protocolType: consumerProtocolType,
      protocols,
      reason: null,
    };
    const flight = new AbortController();
    this.#flight = flight;
    let requiredId = "";
    const notHeld = this.#watchHeld();
    try {
      const errorOf = (answer: { readonly errorCode: KafkaErrorCode; readonly memberId: string }) => {
        requiredId = answer.memberId;
        return answer.errorCode;
      };
      const waitMs = maxPollIntervalMs + joinGraceMs;
      const answer = await this.#link.request(apis.joinGroup, () => request, {
        errorOf,
        purpose: "groups",
        waitMs,
        signal: flight.signal,
      });
      this.driver.succeeded({ kind: "joined", attempt, answer });
    } catch (error) {
      this.driver.failed(error, (failure) => ({ kind: "join-failed", attempt, failure, memberId: requiredId }));
    } finally {
      notHeld();
    }
  }

  /** Only for those who listen: it costs requests. */
  #watchHeld(): () => void {
    if (!this.#cluster.retries.areWatched) return () => undefined;
    const { groupId } = this.#settings;
    return watchHeldJoin({ cluster: this.#cluster, link: this.#link, groupId, waits: this.#host.waits }, this.driver);
  }

  async #sync(attempt: number, protocolName: string | null, assign: () => Promise<SyncGroupRequest["assignments"]>): Promise<void> {
    const { groupId, groupInstanceId, maxPollIntervalMs } = this.#settings;
    const { memberId, generation } = this.driver.state;
    const flight = new AbortController();
    this.#flight = flight;
    try {
      const assignments = await assign();
      if (flight.signal.aborted) return;
      const request = {
        groupId,
        generationId: generation,
        memberId,
        groupInstanceId,
        protocolType: consumerProtocolType,
        protocolName,
        assignments,
      };
      const options = {
        errorOf: ({ errorCode }: { readonly errorCode: KafkaErrorCode }) => errorCode,
        purpose: "groups" as const,
        waitMs: maxPollIntervalMs + joinGraceMs,
        signal: flight.signal,
      };
      const { assignment } = await this.#link.request(apis.syncGroup, () => request, options);
      const assigned = flat(readAssignment(assignment, groupId));
      if (this.driver.state.attempt === attempt) this.#before = { partitions: assigned, generation };
      this.driver.succeeded({ kind: "synced", attempt, assigned });
    } catch (error) {
      this.driver.failed(error, (failure) => ({ kind: "sync-failed", attempt, failure }));
    }
  }

  /** The leader's part: the assignment of all members. */
  async #assign({ protocolName, members }: Extract<ClassicAction, { kind: "assign-and-sync" }>): Promise<SyncGroupRequest["assignments"]> {
    const name = this.#settings.assignors.find((each) => each === protocolName);
    if (name === undefined)
      throw new KafkaProtocolError("INCONSISTENT_GROUP_PROTOCOL", `group ${this.#settings.groupId}`, `the group chose "${protocolName}"`);
    const assignor = assignorNamed(name);
    const subscribed = membersOf(assignor, members);
    const topics = new Set(subscribed.flatMap((member) => member.topics));
    const { metadata } = this.#cluster;
    if ([...topics].some((topic) => metadata.topic(topic) === undefined)) await metadata.refresh();
    const counts = this.#countsOf([...topics]);
    this.#countsAssigned = new Map([...topics].map((topic) => [topic, counts.get(topic) ?? 0]));
    const assignment = assignor.assign(subscribed, counts);
    this.#cluster.runtime.log.debug(
      { group: this.#settings.groupId, members: members.length, topics: subscribedTopics(subscribed, counts) },
      "assigned partitions as the leader of the group",
    );
    return [...assignment].map(([memberId, partitions]) => ({
      memberId,
      assignment: encodeAssignment({ assignedPartitions: byTopic(partitions), userData: null }),
    }));
  }

  #countsOf(topics: readonly string[]): PartitionCounts {
    return new Map(
      topics.flatMap((topic) => {
        const known = this.#cluster.metadata.topic(topic);
        return known === undefined ? [] : [[topic, known.partitions.length] as const];
      }),
    );
  }

  /** New partitions and new topics need a new assignment; so do deleted topics. */
  #compareCounts(): void {
    if (this.#countsAssigned === null) return;
    const now = this.#countsOf([...this.#countsAssigned.keys()]);
    const isSame = [...this.#countsAssigned].every(([topic, count]) => (now.get(topic) ?? 0) === count);
    if (isSame) return;
    this.#countsAssigned = null;
    this.driver.join();
  }

  async #heartbeat(attempt: number): Promise<void> {
    const { groupId, groupInstanceId, sessionTimeoutMs } = this.#settings;
    const { memberId, generation } = this.driver.state;
    const request = { groupId, generationId: generation, memberId, groupInstanceId };
    // an answer that comes after the session is of no use
    const signal = this.#after(sessionTimeoutMs);
    try {
      const errorOf = ({ errorCode }: { readonly errorCode: KafkaErrorCode }) => errorCode;
      await this.#link.request(apis.heartbeat, () => request, { errorOf, purpose: "groups", signal: signal.signal });
      this.driver.succeeded({ kind: "heartbeat-answered", attempt, failure: null });
    } catch (error) {
      this.driver.failed(error, (failure) => ({ kind: "heartbeat-answered", attempt, failure }));
    } finally {
      signal.timer.cancel();
    }
  }

  #after(delayMs: number): { readonly signal: AbortSignal; readonly timer: Timer } {
    const over = new AbortController();
    const timer = this.#cluster.runtime.clock.schedule(delayMs, () =>
      over.abort(new KafkaProtocolError("REQUEST_TIMED_OUT", `group ${this.#settings.groupId}`)),
    );
    return { signal: over.signal, timer };
  }

  #leave(memberId: string, reason: string): Promise<void> {
    const { groupId, groupInstanceId } = this.#settings;
    const request = { groupId, memberId, members: [{ memberId, groupInstanceId, reason }] };
    return this.driver.goodbye(this.#link.request(apis.leaveGroup, () => request, { errorOf: ({ errorCode }) => errorCode }));
  }
}

function classicRules({ settings: { retryBackoffMs, retryBackoffMaxMs } }: Cluster, settings: GroupSettings): ClassicSettings {
  const areCooperative = settings.assignors.every((name) => assignorNamed(name).rebalanceProtocol === "cooperative");
  return {
    rebalanceProtocol: areCooperative ? "cooperative" : "eager",
    isStatic: settings.groupInstanceId !== null,
    heartbeatIntervalMs: settings.heartbeatIntervalMs,
    maxPollIntervalMs: settings.maxPollIntervalMs,
    retryBackoffMs,
    retryBackoffMaxMs,
  };
}

function readAssignment(bytes: Buffer, groupId: string): ReturnType<typeof decodeAssignment>["assignedPartitions"] {
  try {
    return decodeAssignment(bytes).assignedPartitions;
  } catch (error) {
    if (!(error instanceof MalformedFrame)) throw error;
    throw new KafkaProtocolError("INCONSISTENT_GROUP_PROTOCOL", `group ${groupId}`, `the assignment cannot be read: ${error.message}`);
  }
}
