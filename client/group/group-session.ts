import { sleep, type Timer } from "../../protocol/base/clock.ts";
import type { TopicPartition } from "../../protocol/base/ids.ts";
import { asError } from "../base/as-error.ts";
import { CommitFailed, InvalidArgument, isRetriableFailure, KafkaProtocolError, NoCommittedOffset } from "../base/errors.ts";
import { groupCoordinator } from "../coordinator/coordinated.ts";
import { CoordinatorLink } from "../coordinator/coordinator-link.ts";
import type { WaitFailed } from "../coordinator/coordinator-waits.ts";
import type { GroupMetadata } from "../coordinator/group-metadata.ts";
import { AssignedPartition, type ResetPolicy, type StartPosition } from "../fetch/assigned-partition.ts";
import type { Cluster } from "../metadata/cluster.ts";
import type { Isolation } from "../metadata/offset-lookup.ts";
import { RefreshPace } from "../metadata/refresh-pace.ts";
import { classicMember } from "./classic-member.ts";
import { failureOf, isOfCoordinator, refusalsOfMember } from "./failure.ts";
import { type GroupIdentity, type Membership, type MembershipHost, noMember } from "./group-membership.ts";
import { type CommittedOffset, fetchCommitted, type OffsetToCommit } from "./group-offsets.ts";
import type { GroupSettings, PartitionsCallback } from "./group-options.ts";
import type { GroupReader } from "./group-reader.ts";
import { type GroupCounters, GroupTally } from "./group-tally.ts";
import { incrementalMember } from "./incremental-member.ts";
import type { GivenUpAs } from "./member-step.ts";
import { keyOf } from "./partition-assignor.ts";
import { type FoundPosition, PositionKeeper } from "./position-keeper.ts";
import { SafePoints } from "./safe-points.ts";
import { type TopicPattern, TopicWatch } from "./topic-watch.ts";

export interface GroupSessionParts {
  readonly cluster: Cluster;
  readonly settings: GroupSettings;
  readonly offsetReset: ResetPolicy;
  readonly stopAtEnd: boolean;
  readonly isolation: Isolation;
  readonly reader: GroupReader;
}

/** How long leaving may take altogether. */
const closeTimeoutMs = 5_000;

/** A consumer's part in its group: which partitions it reads, from which positions, and what it commits. */
export class GroupSession {
  readonly #cluster: Cluster;
  readonly #settings: GroupSettings;
  readonly #parts: GroupSessionParts;
  readonly #link: CoordinatorLink;
  readonly #member: Membership;
  readonly #topics: TopicWatch;
  readonly #safePoints: SafePoints;
  /** Partitions that are ours or about to be, with a count of their assignments to us. */
  readonly #wanted = new Map<string, object>();
  readonly #positions: PositionKeeper;
  readonly #tally: GroupTally;
  readonly #closing = new AbortController();
  #takesUnderWay = 0;
  #givesUnderWay = 0;
  /** Partitions that are ours, but where to begin could not be found out. */
  #notTaken: TopicPartition[] = [];
  /** Why we are no longer in the group; null: we are, or intend to be. */
  #end: Error | null = null;
  #isSubscribed = false;
  #timer: Timer | null = null;

  constructor(parts: GroupSessionParts) {
    const { cluster, settings, reader } = parts;
    this.#parts = parts;
    this.#cluster = cluster;
    this.#settings = settings;
    this.#tally = new GroupTally(cluster, settings.groupId);
    this.#link = new CoordinatorLink(cluster, groupCoordinator(settings.groupId));
    this.#positions = new PositionKeeper({
      cluster,
      link: this.#link,
      groupId: settings.groupId,
      isolation: parts.isolation,
      partition: (key) => reader.partitions.get(key),
    });
    this.#safePoints = new SafePoints(cluster.runtime.clock, () => reader.wake());
    const host: MembershipHost = {
      waits: this.#link.waits,
      topics: () => this.#topics.topics,
      busySinceMs: () => this.#busySinceMs,
      giveUp: (partitions, as) => this.#giveUp(partitions, as),
      take: (partitions) => void this.#take(partitions),
      fail: (error) => {
        this.#end = error;
        reader.fail(error, null);
      },
      changed: () => {
        this.#lookAtRebalance();
        if (parts.stopAtEnd) reader.wake();
      },
    };
    const memberOf = settings.groupProtocol === "consumer" ? incrementalMember : classicMember;
    this.#member = memberOf(cluster, this.#link, settings, host);
    this.#topics = new TopicWatch(cluster, () => this.#member.join());
  }

  /** Resolves once the topics are known; the partitions come later, see `onAssigned`. */
  async subscribe(patterns: readonly TopicPattern[]): Promise<void> {
    await this.#topics.watch(patterns, this.#deadlineMs());
    if (this.#closing.signal.aborted) return;
    if (!this.#isSubscribed) {
      if (this.#safePoints.busySinceMs !== null) this.#safePoints.left(); // the application's processing time begins now
      if (this.#settings.autoCommit) this.#scheduleCommit();
    }
    this.#isSubscribed = true;
    this.#end = null;
    this.#member.join();
  }

  /** Another iteration begins: what failed once is retried. Returns the failure that only another `subscribe` can fix. */
  tryAgain(): Error | null {
    const again = this.#notTaken.filter((each) => this.#wanted.has(keyOf(each)));
    this.#notTaken = [];
    void this.#take(again);
    return this.#end;
  }

  get isSubscribed(): boolean {
    return this.#isSubscribed;
  }

  /** All partitions that are to be ours are, with their positions. */
  get isSettled(): boolean {
    return this.#member.isSettled && this.#takesUnderWay === 0;
  }

  metadata(): GroupMetadata {
    const { groupId, autoCommit } = this.#settings;
    if (autoCommit) throw new InvalidArgument("autoCommit has to be false: it commits what is processed outside of transactions");
    return { groupId, ...this.#identity };
  }

  get #identity(): GroupIdentity {
    return this.#isSubscribed ? this.#member.identity : noMember;
  }

  get counters(): GroupCounters {
    return this.#tally.counters;
  }

  get mayHandOut(): boolean {
    return this.#safePoints.mayHandOut;
  }

  get #busySinceMs(): number | null {
    const handlers = this.#parts.reader.handlers();
    return handlers === null ? this.#safePoints.busySinceMs : handlers.busySinceMs;
  }

  /**
   * For handlers that run in parallel: another may be started. False as well while one of them takes longer than the application may; once
   * it is done, a member that had to leave the group for that rejoins.
   */
  mayHandle(): boolean {
    const sinceMs = this.#busySinceMs;
    if (sinceMs !== null && this.#cluster.runtime.clock.monotonicMs() >= sinceMs + this.#settings.maxPollIntervalMs) return false;
    this.#member.polled();
    return this.#safePoints.mayHandOut;
  }

  asked(): void {
    this.#safePoints.asked();
    this.#member.polled();
  }

  handedOut(): void {
    this.#safePoints.handedOut();
  }

  left(): void {
    this.#safePoints.left();
  }

  /** Retried until `requestTimeoutMs`, over rebalances too, as long as the partitions are ours. */
  commit(offsets: readonly OffsetToCommit[]): Promise<void> {
    return this.#commit(offsets, this.#deadlineMs());
  }

  committed(partitions: readonly TopicPartition[]): Promise<readonly CommittedOffset[]> {
    return fetchCommitted(this.#link, this.#settings.groupId, partitions, this.#deadlineMs());
  }

  /** Commits what was processed, notifies the application, leaves; within a few seconds whatever happens. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(new Error("the consumer was closed"));
    this.#timer?.cancel();
    this.#topics.close();
    const { runtime } = this.#cluster;
    const tooLate = new AbortController();
    const timer = runtime.clock.schedule(closeTimeoutMs, () => tooLate.abort());
    const goodbye = this.#sayGoodbye().catch((error: unknown) => {
      runtime.log.warn({ group: this.#settings.groupId, err: error }, "leaving the group failed");
    });
    await Promise.race([goodbye, new Promise<void>((resolve) => tooLate.signal.addEventListener("abort", () => resolve()))]);
    timer.cancel();
  }

  async #sayGoodbye(): Promise<void> {
    const ours = this.#isSubscribed ? [...this.#parts.reader.partitions.values()] : [];
    const isMember = this.#member.identity.generation >= 0;
    if (this.#settings.autoCommit && isMember) await this.#commitProcessed(ours, closeTimeoutMs / 2);
    if (ours.length > 0) await (isMember ? this.#settings.onRevoked : this.#settings.onLost)?.(named(ours));
    this.#wanted.clear();
    const { memberId } = this.#member.identity;
    if (ours.length > 0) this.#tally.gaveUp(ours, isMember ? "revoked" : "lost");
    await this.#member.leave();
    if (this.#isSubscribed) this.#tally.look(true, { ...noMember, memberId });
  }

  /** Failed for good is settled, too: nothing more comes before the application subscribes again. */
  #lookAtRebalance(): void {
    if (this.#closing.signal.aborted) return;
    this.#tally.look(this.isSettled || (this.#end !== null && this.#givesUnderWay === 0), this.#member.identity);
  }

  #deadlineMs(): number {
    return this.#cluster.runtime.clock.monotonicMs() + this.#cluster.settings.requestTimeoutMs;
  }

  /** New partitions: finds where to begin, notifies the application, then hands their records out. */
  async #take(partitions: readonly TopicPartition[]): Promise<void> {
    if (partitions.length === 0) return;
    const given = {};
    for (const each of partitions) this.#wanted.set(keyOf(each), given);
    this.#takesUnderWay++;
    let left = partitions;
    try {
      for await (const found of this.#positions.find(partitions, this.#parts.stopAtEnd, this.#closing.signal)) {
        const begin = async () => {
          // meanwhile, some may have been reassigned to others again
          const ours = found.filter((each) => this.#wanted.get(keyOf(each)) === given && !this.#closing.signal.aborted);
          const added = ours.map((each) => this.#add(each));
          if (added.length > 0) await this.#callBack(this.#settings.onAssigned, added);
          for (const partition of added) partition.isHeld = false;
          if (added.length > 0) this.#tally.took(added);
        };
        await (this.#settings.onAssigned === null ? begin() : this.#safePoints.run(begin));
        const begun = new Set(found.map(keyOf));
        left = left.filter((each) => !begun.has(keyOf(each)));
        this.#parts.reader.wake();
      }
    } catch (error) {
      if (this.#closing.signal.aborted || this.#cluster.isClosed) return;
      this.#notTaken.push(...left.filter((each) => this.#wanted.get(keyOf(each)) === given));
      this.#parts.reader.fail(asError(error), null);
    } finally {
      this.#takesUnderWay--;
      this.#lookAtRebalance();
      this.#parts.reader.wake();
    }
  }

  #add({ topic, partition, offset, leaderEpoch, topicId, endOffset }: FoundPosition): AssignedPartition {
    const { offsetReset, reader } = this.#parts;
    const from: StartPosition = offset >= 0 ? { offset } : offsetReset === "earliest" ? "beginning" : "end";
    const added = new AssignedPartition(topic, partition, from, topicId);
    added.isHeld = true;
    added.stopAt(endOffset);
    this.#positions.begin(added, offset);
    if (offset >= 0) added.knowsEpochBefore(leaderEpoch);
    else if (offsetReset === "none") {
      const error = new NoCommittedOffset({ topic, partition }, this.#settings.groupId);
      added.block(error);
      reader.fail(error, added);
    }
    reader.partitions.set(keyOf(added), added);
    return added;
  }

  /**
   * 1. Nothing more of these is handed out. 2. What was processed is committed. 3. The application is notified. 4. They are no longer ours.
   *    Begins when none of their records is being handled, or handlers that run in parallel were waited for long enough. An application
   *    with a callback is notified between two records, and gets none until it is done; otherwise the other partitions continue meanwhile.
   */
  async #giveUp(partitions: readonly TopicPartition[], as: GivenUpAs): Promise<void> {
    const { reader } = this.#parts;
    for (const each of partitions) this.#wanted.delete(keyOf(each));
    const ours = () => partitions.flatMap((each) => reader.partitions.get(keyOf(each)) ?? []);
    const hold = () => {
      for (const partition of ours()) partition.hold();
    };
    const letGo = async () => {
      hold();
      const theirs = ours();
      if (this.#closing.signal.aborted || theirs.length === 0) return; // `close` handles them
      // by now it may be too late
      const isOrderly = as === "revoked" && this.#member.identity.generation >= 0;
      if (isOrderly && this.#settings.autoCommit) await this.#commitProcessed(theirs, this.#cluster.settings.requestTimeoutMs);
      if (this.#closing.signal.aborted) return;
      await this.#callBack(isOrderly ? this.#settings.onRevoked : this.#settings.onLost, theirs);
      this.#tally.gaveUp(theirs, isOrderly ? "revoked" : "lost");
      for (const partition of theirs) {
        partition.dropBuffered();
        reader.partitions.delete(keyOf(partition));
        this.#positions.end(partition);
      }
    };
    this.#givesUnderWay++;
    const handlers = reader.handlers();
    if (handlers !== null) {
      hold();
      await handlers.release(ours(), as);
    }
    if (this.#settings.onRevoked !== null || this.#settings.onLost !== null) await this.#safePoints.run(letGo);
    else {
      if (ours().some((partition) => reader.isHandled(partition))) await this.#safePoints.run(hold);
      await letGo();
    }
    this.#givesUnderWay--;
    reader.wake();
  }

  async #callBack(callback: PartitionsCallback | null, partitions: readonly AssignedPartition[]): Promise<void> {
    try {
      await callback?.(named(partitions));
    } catch (error) {
      this.#parts.reader.fail(asError(error), null);
    }
  }

  /** Commits what was processed, unless `autoCommit` is false. What fails is committed the next time: never thrown. */
  async commitProcessed(timeoutMs = this.#cluster.settings.requestTimeoutMs): Promise<void> {
    if (!this.#settings.autoCommit || !this.#isSubscribed || this.#closing.signal.aborted) return;
    const ours = [...this.#parts.reader.partitions.values()].filter((partition) => this.#wanted.has(keyOf(partition)) && !partition.isHeld);
    await this.#commitProcessed(ours, timeoutMs);
  }

  #scheduleCommit(): void {
    this.#timer = this.#cluster.runtime.clock.schedule(this.#settings.autoCommitIntervalMs, () => {
      void this.commitProcessed(this.#settings.autoCommitIntervalMs).finally(() => {
        if (!this.#closing.signal.aborted && !this.#cluster.isClosed) this.#scheduleCommit();
      });
    });
  }

  /** What fails here is committed the next time, or handed out again: never thrown. */
  async #commitProcessed(partitions: readonly AssignedPartition[], timeoutMs: number): Promise<void> {
    const { clock, log } = this.#cluster.runtime;
    const offsets = partitions.flatMap((partition): OffsetToCommit[] => {
      const processed = { topic: partition.topic, partition: partition.partition, ...this.#parts.reader.processed(partition) };
      return processed.offset < 0 || this.#positions.isCommitted(processed) ? [] : [processed];
    });
    if (offsets.length === 0) return;
    await this.#commit(offsets, clock.monotonicMs() + timeoutMs).catch((error: unknown) => {
      if (!this.#cluster.isClosed) log.warn({ group: this.#settings.groupId, err: error }, "what was processed could not be committed");
    });
  }

  async #commit(offsets: readonly OffsetToCommit[], deadlineMs: number): Promise<void> {
    if (offsets.length === 0) return;
    const ended = this.#tally.commit(offsets);
    try {
      await this.#link.waits.until((failed) => this.#commitUntil(deadlineMs, offsets, failed));
    } catch (error) {
      ended(asError(error));
      throw error;
    }
    ended(null);
  }

  async #commitUntil(deadlineMs: number, offsets: readonly OffsetToCommit[], failed: WaitFailed): Promise<void> {
    const { runtime, settings, signal } = this.#cluster;
    const { partitions } = this.#parts.reader;
    const before = new Map(offsets.map((each) => [keyOf(each), partitions.get(keyOf(each))]));
    let left = offsets;
    const areOurs = () =>
      left.every((each) => before.get(keyOf(each)) !== undefined && partitions.get(keyOf(each)) === before.get(keyOf(each)));
    const pace = new RefreshPace(settings);
    for (;;) {
      pace.begins(runtime.clock.monotonicMs());
      const identity = this.#identity;
      if (this.#isSubscribed && identity.generation < 0)
        throw new CommitFailed(`the consumer is not in group ${this.#settings.groupId} now`);
      try {
        left = await this.#positions.commit(identity, left);
        if (left[0] === undefined) return;
        const text = `its coordinator does not know topic ${left[0].topic} as we do`;
        throw new KafkaProtocolError("UNKNOWN_TOPIC_OR_PARTITION", `group ${this.#settings.groupId}`, text);
      } catch (error) {
        const isRefused = this.#isSubscribed && error instanceof KafkaProtocolError && refusalsOfMember.has(error.code);
        if (isRefused) this.#member.commitRefused(identity.generation, error.code);
        const pauseMs = pace.pauseMs(runtime.clock.monotonicMs(), runtime.random);
        if (!(isRefused || isRetriableFailure(error)) || runtime.clock.monotonicMs() + pauseMs >= deadlineMs) throw error;
        if (isOfCoordinator(failureOf(error))) failed(error, { deadlineMs });
        if (!isRefused || areOurs()) await sleep(runtime.clock, pauseMs, signal);
        // a member that had them in the meantime may have committed more: our earlier state of them is void, even if they came back
        if (this.#isSubscribed && !areOurs())
          throw new CommitFailed(`partitions went to another member of group ${this.#settings.groupId} before they were committed`, error);
      }
    }
  }
}

function named(partitions: readonly AssignedPartition[]): TopicPartition[] {
  return partitions.map(({ topic, partition }) => ({ topic, partition }));
}
