import type { Timer } from "../../protocol/base/clock.ts";
import type { KafkaError, KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import { apis } from "../../protocol/messages/apis.ts";
import { consumerProtocolType, decodeAssignment, encodeAssignment } from "../../protocol/messages/consumer-protocol.ts";
import type { SyncGroupRequest } from "../../protocol/messages/sync-group.ts";
import { MalformedFrame } from "../../protocol/wire/reader.ts";
import { KafkaProtocolError } from "../errors.ts";
import type { Cluster } from "../metadata/cluster.ts";
import { byTopic, flat, type OwnedBefore, type PartitionCounts, subscribedTopics } from "./assignor.ts";
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
import type { CoordinatorLink } from "./coordinator-link.ts";
import { failureOf } from "./failure.ts";
import type { GroupSettings } from "./group-options.ts";
import type { GroupIdentity, Membership, MembershipHost } from "./membership.ts";

/** A join may be answered this much after the time that members have for it. */
const joinGraceMs = 5_000;

/** Membership in a classic group: the requests and timers around `stepClassic`. */
export class ClassicMember implements Membership {
  readonly #cluster: Cluster;
  readonly #link: CoordinatorLink;
  readonly #settings: GroupSettings;
  readonly #rules: ClassicSettings;
  readonly #host: MembershipHost;
  readonly #unsubscribe: () => void;
  #state: ClassicState = outsideGroup;
  #timer: Timer | null = null;
  /** Joining and syncing; aborted when they are overtaken. */
  #flight: AbortController | null = null;
  #before: OwnedBefore = { partitions: [], generation: -1 };
  /** As the leader last assigned them; null: another leads. */
  #countsAssigned: PartitionCounts | null = null;
  #lastFailure: Error | null = null;

  constructor(cluster: Cluster, link: CoordinatorLink, settings: GroupSettings, host: MembershipHost) {
    this.#cluster = cluster;
    this.#link = link;
    this.#settings = settings;
    this.#host = host;
    const { retryBackoffMs, retryBackoffMaxMs } = cluster.settings;
    const areCooperative = settings.assignors.every((name) => assignorNamed(name).rebalanceProtocol === "cooperative");
    this.#rules = {
      rebalanceProtocol: areCooperative ? "cooperative" : "eager",
      isStatic: settings.groupInstanceId !== null,
      heartbeatIntervalMs: settings.heartbeatIntervalMs,
      maxPollIntervalMs: settings.maxPollIntervalMs,
      retryBackoffMs,
      retryBackoffMaxMs,
    };
    this.#unsubscribe = cluster.metadata.onChange(() => this.#compareCounts());
  }

  get identity(): GroupIdentity {
    const { memberId, generation } = this.#state;
    return { memberId, generation, groupInstanceId: this.#settings.groupInstanceId };
  }

  get isSettled(): boolean {
    return this.#state.phase.kind === "stable";
  }

  join(): void {
    this.#dispatch({ kind: "join-wanted" });
  }

  polled(): void {
    if (this.#state.phase.kind === "left") this.#dispatch({ kind: "polled" });
  }

  commitRefused(generation: number, failure: KafkaError): void {
    this.#dispatch({ kind: "commit-refused", generation, failure });
  }

  async leave(): Promise<void> {
    this.#unsubscribe();
    const leaving = this.#dispatch({ kind: "closed" });
    await Promise.all(leaving);
  }

  /** Returns the goodbyes that are on their way. */
  #dispatch(event: ClassicEvent): Promise<void>[] {
    const { clock, log } = this.#cluster.runtime;
    const { groupId } = this.#settings;
    const before = this.#state;
    const { state, actions } = stepClassic(before, event, clock.monotonicMs(), this.#rules);
    this.#state = state;
    if (state.phase.kind !== before.phase.kind)
      log.debug(
        { group: groupId, member: state.memberId, generation: state.generation, event: event.kind },
        `${before.phase.kind} -> ${state.phase.kind}`,
      );
    if (state.attempt !== before.attempt && this.#flight !== null) {
      this.#flight.abort(new Error("overtaken"));
      this.#flight = null;
    }
    const leaving = actions.flatMap((action) => this.#perform(action) ?? []);
    this.#schedule();
    this.#host.changed();
    return leaving;
  }

  #schedule(): void {
    this.#timer?.cancel();
    this.#timer = null;
    const { kind } = this.#state.phase;
    if (kind === "outside" || kind === "left" || this.#cluster.isClosed) return;
    const { clock } = this.#cluster.runtime;
    const nowMs = clock.monotonicMs();
    const busySinceMs = this.#host.busySinceMs();
    const pollBeforeMs = busySinceMs === null ? Number.POSITIVE_INFINITY : busySinceMs + this.#rules.maxPollIntervalMs;
    // at least so often, for the application may begin to take too long at any time
    const atMs = Math.min(nextTickMs(this.#state), pollBeforeMs, nowMs + this.#rules.heartbeatIntervalMs);
    this.#timer = clock.schedule(Math.max(atMs - nowMs, 0), () =>
      this.#dispatch({ kind: "ticked", busySinceMs: this.#host.busySinceMs() }),
    );
  }

  /** A goodbye is returned, for `leave` to wait for. */
  #perform(action: ClassicAction): Promise<void> | null {
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

  #failed(error: unknown): KafkaError | "lost" {
    this.#lastFailure = error instanceof Error ? error : new Error(String(error));
    return failureOf(error);
  }

  async #join(attempt: number): Promise<void> {
    const { groupId, groupInstanceId, sessionTimeoutMs, maxPollIntervalMs, assignors } = this.#settings;
    const { memberId, owned } = this.#state;
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
      this.#dispatch({ kind: "joined", attempt, answer });
    } catch (error) {
      if (!this.#cluster.isClosed) this.#dispatch({ kind: "join-failed", attempt, failure: this.#failed(error), memberId: requiredId });
    }
  }

  async #sync(attempt: number, protocolName: string | null, assign: () => Promise<SyncGroupRequest["assignments"]>): Promise<void> {
    const { groupId, groupInstanceId, maxPollIntervalMs } = this.#settings;
    const { memberId, generation } = this.#state;
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
      if (this.#state.attempt === attempt) this.#before = { partitions: assigned, generation };
      this.#dispatch({ kind: "synced", attempt, assigned });
    } catch (error) {
      if (!this.#cluster.isClosed) this.#dispatch({ kind: "sync-failed", attempt, failure: this.#failed(error) });
    }
  }

  /** What the leader does: everybody's share. */
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

  /** New partitions and new topics call for a new assignment; so do topics that are gone. */
  #compareCounts(): void {
    if (this.#countsAssigned === null) return;
    const now = this.#countsOf([...this.#countsAssigned.keys()]);
    const isSame = [...this.#countsAssigned].every(([topic, count]) => (now.get(topic) ?? 0) === count);
    if (isSame) return;
    this.#countsAssigned = null;
    this.join();
  }

  async #heartbeat(attempt: number): Promise<void> {
    const { groupId, groupInstanceId, sessionTimeoutMs } = this.#settings;
    const { memberId, generation } = this.#state;
    const request = { groupId, generationId: generation, memberId, groupInstanceId };
    // an answer that comes after the session is of no use
    const signal = this.#after(sessionTimeoutMs);
    try {
      const errorOf = ({ errorCode }: { readonly errorCode: KafkaErrorCode }) => errorCode;
      await this.#link.request(apis.heartbeat, () => request, { errorOf, purpose: "groups", signal: signal.signal });
      this.#dispatch({ kind: "heartbeat-answered", attempt, failure: null });
    } catch (error) {
      if (!this.#cluster.isClosed) this.#dispatch({ kind: "heartbeat-answered", attempt, failure: this.#failed(error) });
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

  async #leave(memberId: string, reason: string): Promise<void> {
    const { groupId, groupInstanceId } = this.#settings;
    const request = { groupId, memberId, members: [{ memberId, groupInstanceId, reason }] };
    await this.#link
      .request(apis.leaveGroup, () => request, { errorOf: ({ errorCode }) => errorCode })
      .catch((error: unknown) => {
        this.#cluster.runtime.log.debug(
          { group: groupId, err: error },
          "leaving the group was not acknowledged; the session will end by itself",
        );
      });
  }
}

function readAssignment(bytes: Buffer, groupId: string): ReturnType<typeof decodeAssignment>["assignedPartitions"] {
  try {
    return decodeAssignment(bytes).assignedPartitions;
  } catch (error) {
    if (!(error instanceof MalformedFrame)) throw error;
    throw new KafkaProtocolError("INCONSISTENT_GROUP_PROTOCOL", `group ${groupId}`, `the assignment cannot be read: ${error.message}`);
  }
}
