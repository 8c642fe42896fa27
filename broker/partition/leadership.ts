import { invariant } from "../../protocol/base/invariant.ts";
import type { KafkaError, Outcome } from "../../protocol/errors/kafka-errors.ts";
import type { PartitionRecord, ReplicaFetchPartition } from "../../protocol/peer/messages.ts";
import type { BatchInfo, ParsedBatch } from "../../protocol/records/batch-header.ts";
import { type Appended, type FoundRecord, type LeaderAppend, LogOffline } from "../log/log-contract.ts";
import { isSameAssignment } from "../runtime/reassignment-rules.ts";
import { AppendWaits } from "./append-waits.ts";
import type { AppendOptions, AppendOutcome, ClientLeader, ConsumerRead, ConsumerReadOptions, OffsetTarget } from "./client-contract.ts";
import { hasBetterCopy } from "./damaged-replica.ts";
import type { PartitionEnvironment, ReplicaIdentity, ReplicaLog } from "./environment.ts";
import { Intake, type Taken } from "./intake.ts";
import type { AppendedState, StateLeader, StateStanding } from "./internal-topic-partitions.ts";
import { IsrWriter } from "./isr-writer.ts";
import { LeaderLogStart } from "./leader-log-start.ts";
import { LeaderReader, type LeaderStanding } from "./leader-reader.ts";
import { endOfEpoch, epochRefusal, readLog } from "./leader-reads.ts";
import { advance, type IsrProposal, type IsrVerdict, isAtRest, type LeaderEvent, type LeaderState, startLeading } from "./leader-state.ts";
import { MarkerOrders, type OrderedMarker } from "./marker-orders.ts";
import { Members } from "./members.ts";
import { replicaShortage } from "./produce-answers.ts";
import { RepeatedFetches } from "./repeated-fetches.ts";
import { ReplicaAnswers } from "./replica-answers.ts";
import type { FetchingReplica, ReplicaLeader, ReplicaPosition, ReplicaRead } from "./replication-contract.ts";
import { TransactionGuards } from "./transaction-guards.ts";
import { OffsetWaiters } from "./waiters.ts";

export interface LeadershipParts {
  readonly identity: ReplicaIdentity;
  readonly replica: ReplicaLog;
  readonly environment: PartitionEnvironment;
  /** The coordinator says that we lead no more. */
  readonly onFenced: (reason: string) => void;
  /** The log can no longer be written. */
  readonly onLogOffline: (error: LogOffline) => void;
}

type Refused = { readonly error: KafkaError; readonly message?: string };

/** Appends wait for a new leader no longer than this: the controller may have gone meanwhile. */
const heldMaxMs = 1_000;

/** A replica while it leads, until it is assigned another role; the epoch may rise meanwhile. A thin shell around `leader-state.ts`. */
export class Leadership implements ClientLeader, StateLeader, ReplicaLeader {
  readonly #parts: LeadershipParts;
  readonly #waiters: OffsetWaiters;
  readonly #waits: AppendWaits;
  readonly #intake: Intake;
  readonly #isrWriter: IsrWriter;
  readonly #answers: ReplicaAnswers;
  readonly #members: Members;
  readonly #reader: LeaderReader;
  readonly guards = new TransactionGuards();
  readonly #markerOrders = new MarkerOrders();
  /** Where the log begins: retention and DeleteRecords. */
  readonly logStart: LeaderLogStart;
  /** Appends that wait for replicas. */
  readonly waitingAppends: { readonly size: number };
  readonly #stopListening: () => void;
  readonly #repeating = new RepeatedFetches();
  #state: LeaderState;
  #hasEnded = false;

  constructor(parts: LeadershipParts, record: PartitionRecord, highWatermark: number) {
    const { environment, identity } = parts;
    this.#parts = parts;
    this.#members = new Members(environment.cluster, environment.config.brokerId, identity);
    this.#waiters = new OffsetWaiters(environment.deadlines, environment.config.appendWaitersMax);
    this.waitingAppends = this.#waiters;
    this.#intake = new Intake({
      admissions: environment.admissions,
      deadlines: environment.deadlines,
      replica: parts.replica,
      waitingMax: environment.config.appendWaitersMax,
      refusal: (acks, deadlineMs) => this.#appendRefusal(acks, deadlineMs),
      append: (batch, guard) => this.#appendBatch(batch, guard),
    });
    this.#waits = new AppendWaits({ ...parts, waiters: this.#waiters, standing: () => this.#standing });
    this.#answers = new ReplicaAnswers({ ...parts, state: () => this.#state });
    this.logStart = new LeaderLogStart({ ...parts, state: () => this.#state, isAlive: (id) => this.#members.isAlive(id) });
    this.#reader = new LeaderReader({
      replica: parts.replica,
      standing: () => this.#standing,
      members: this.#members,
      logStart: this.logStart,
    });
    this.#state = this.#begin(record, highWatermark);
    this.#isrWriter = new IsrWriter({
      identity,
      environment,
      current: () => this.#state,
      apply: (verdict, proposed) => this.#applyIsrVerdict(verdict, proposed),
    });
    this.#stopListening = parts.replica.log.onWritten((writtenEndOffset) => this.#logWritten(writtenEndOffset));
    this.#tell();
  }

  get topic(): string {
    return this.#parts.identity.topic;
  }

  get state(): LeaderState {
    return this.#state;
  }

  /** Another in-sync replica may be asked for what is damaged here. */
  get hasBetterCopy(): boolean {
    const { self, isr } = this.#state;
    return hasBetterCopy({ self, leader: self, isr });
  }

  /**
   * The epoch was raised and we still lead. Appends that wait keep waiting: their records are in the log that every replica adopts in this
   * epoch, so passing the high watermark means what it meant. Fetches of earlier epochs no longer count as acknowledgements.
   */
  renew(record: PartitionRecord): void {
    invariant(record.leaderEpoch > this.#state.epoch, "a leader epoch only rises", () => ({ record, state: this.#state }));
    this.#repeating.clear();
    this.#intake.release();
    this.#state = this.#begin(record, this.#state.highWatermark);
    this.#tell();
  }

  /**
   * Another broker is about to lead. Resolves when every in-sync replica has all that is in the log, also what was acknowledged without
   * them (acks=1), or at `deadlineMs` (monotonic): false, if one lacks something. What clients append waits from now on, until this
   * leadership has ended; if that does not happen soon, it goes on once it is sure that it still leads. Otherwise: (1) another leads, but
   * the news of that is stuck; (2) what waited here is appended, and acknowledged with acks=1; (3) it is cut off when the news come.
   */
  async handOver(deadlineMs: number): Promise<boolean> {
    const { cluster } = this.#parts.environment;
    await this.#intake.hold(this.#nowMs + heldMaxMs, () => cluster.doubtLeaderships());
    return (await this.#waiters.wait(this.#parts.replica.log.endOffset, deadlineMs)) === "reached";
  }

  /** The same epoch again, in newer metadata: the in-sync set or the assignment may have been changed. */
  note(record: PartitionRecord): void {
    if (!record.isr.includes(this.#state.self)) return;
    const { replicas, reassignment, isr, isrEpochs, stateVersion } = record;
    if (!isSameAssignment(record, this.#state)) this.#advance({ kind: "replicas-changed", replicas, reassignment, nowMs: this.#nowMs });
    this.#advance({ kind: "isr-in-force", isr, isrEpochs, stateVersion });
  }

  end(why: "lost-leadership" | "log-offline"): void {
    this.#hasEnded = true;
    this.#intake.release();
    this.#stopListening();
    this.#isrWriter.end();
    this.#waiters.settleAll(why);
    this.logStart.end(why === "log-offline" ? "KAFKA_STORAGE_ERROR" : "NOT_LEADER_OR_FOLLOWER");
  }

  #logWritten(writtenEndOffset: number): void {
    const before = this.#state.highWatermark;
    this.#repeatFetches();
    this.#advance({ kind: "written", writtenEndOffset });
    if (this.#state.highWatermark === before) this.#parts.environment.news.written(this.#parts.identity);
  }

  /**
   * Checks which followers lag or are gone. False: nothing is due, and only an event can change that, each of which is reported
   * (`news.leaderMoved`).
   */
  tick(): boolean {
    this.#repeatFetches();
    const { endOffset } = this.#parts.replica.log;
    this.#advance({ kind: "tick", nowMs: this.#nowMs, ...this.#members.standings(this.#state, endOffset) });
    this.logStart.look();
    return !isAtRest(this.#state);
  }

  async deleteRecords(beforeOffset: number, timeoutMs: number): Promise<Outcome<{ readonly lowWatermark: number }>> {
    if (!this.#isSessionProved()) return { error: "NOT_LEADER_OR_FOLLOWER" };
    const deleted = await this.logStart.deleteRecords(beforeOffset, timeoutMs);
    // as with an append: only a broker that still leads can say what every replica has
    return this.#hasEnded && deleted.error === null ? { error: "NOT_LEADER_OR_FOLLOWER" } : deleted;
  }

  append(records: Buffer, options: AppendOptions): Promise<AppendOutcome> {
    const deadlineMs = this.#nowMs + options.timeoutMs;
    const taken = this.#intake.take(records, options, deadlineMs); // assigns and queues in this turn
    return taken instanceof Promise
      ? taken.then((late) => this.#settled(late, deadlineMs, options))
      : this.#settled(taken, deadlineMs, options);
  }

  /** Without the records, so that their memory can be reused while replicas are waited for. */
  async #settled(appended: Taken, deadlineMs: number, { acks, onWritten }: AppendOptions): Promise<AppendOutcome> {
    if (appended.error !== null) {
      onWritten?.();
      return appended;
    }
    // what is acknowledged without the others must not depend on which of them starts first: see `stopsAsWeDo`
    if (acks !== -1 && this.#members.areWeStopping) this.tick();
    if (acks !== -1) return this.#waits.written(appended, acks);
    const committed = this.#waits.committed(appended, deadlineMs);
    if (onWritten !== undefined) void this.#waits.untilWritten(appended.endOffset).then(onWritten);
    return committed;
  }

  /** As `append` with acks=all, but says in the same turn whether they are in the log, and waits for as long as this leadership lasts. */
  appendState(records: Buffer, guard?: AppendOptions["guard"]): Outcome<AppendedState> {
    const appended = this.#intake.takeOwn(records, guard);
    return appended.error === null ? this.#waits.state(appended) : appended;
  }

  /** Whatever waits to be validated comes after it, and is refused if it belongs to the transaction that ended. */
  appendMarker(marker: OrderedMarker): Outcome<AppendedState> {
    const refusal = this.#appendRefusal(-1, Number.POSITIVE_INFINITY);
    if (refusal !== null) return refusal;
    const { replica, environment } = this.#parts;
    const { endOffset } = replica.log;
    if (this.#markerOrders.isLate(marker)) return this.#waits.state({ baseOffset: endOffset, endOffset, logAppendTimeMs: -1 });
    this.guards.markerWritten(marker);
    const appended = this.#toLog(() => replica.log.appendMarker(marker, this.#state.epoch, environment.clock.nowMs()));
    if (appended.error === null) this.#markerOrders.note(marker);
    return appended.error === null ? this.#waits.state(appended) : appended;
  }

  openTransactionOf(producerId: number, producerEpoch?: number): number | null {
    return this.#parts.replica.log.openTransactionOf(producerId, producerEpoch);
  }

  standing(): StateStanding {
    const { log, settings } = this.#parts.replica;
    return {
      startOffset: log.startOffset,
      endOffset: log.endOffset,
      highWatermark: this.#state.highWatermark,
      isProved: this.#isSessionProved(),
      batchBytesMax: settings.maxMessageBytes,
    };
  }

  #appendRefusal(acks: -1 | 0 | 1, deadlineMs: number): Refused | null {
    if (this.#hasEnded || !this.#isSessionProved()) return { error: "NOT_LEADER_OR_FOLLOWER" };
    if (this.#nowMs > deadlineMs) return { error: "REQUEST_TIMED_OUT", message: "the batch waited too long to be looked at" };
    const shortage = acks === -1 ? replicaShortage(this.#state, this.#parts.replica.settings) : null;
    if (shortage !== null) return { error: "NOT_ENOUGH_REPLICAS", message: shortage };
    return this.#waiters.isFull ? { error: "NOT_ENOUGH_REPLICAS", message: "too many appends wait for replication" } : null;
  }

  read(options: ConsumerReadOptions): Promise<Outcome<ConsumerRead>> {
    return this.#reader.read(options);
  }

  listOffset(target: OffsetTarget, currentLeaderEpoch: number, committedOnly?: boolean): Promise<Outcome<FoundRecord>> {
    return this.#reader.listOffset(target, currentLeaderEpoch, committedOnly);
  }

  endOffsetForEpoch(currentLeaderEpoch: number, epoch: number): Outcome<{ readonly epoch: number; readonly endOffset: number }> {
    const refusal = epochRefusal(currentLeaderEpoch, this.#state.epoch);
    return refusal === null ? { error: null, ...endOfEpoch(this.#parts.replica.log, this.#state.epoch, epoch) } : { error: refusal };
  }

  /** A follower's fetch: the offset acknowledges everything below it, provided that what it has there is ours. */
  acknowledgeFetch(from: FetchingReplica, asked: ReplicaFetchPartition): ReplicaPosition {
    if (this.#answers.isAcknowledgement(from, asked)) {
      const { brokerId, brokerEpoch, receivedAtMs } = from;
      const registeredEpoch = this.#parts.environment.cluster.brokerEpoch(brokerId);
      const { fetchOffset } = asked;
      this.#advance({ kind: "follower-fetched", from: brokerId, brokerEpoch, registeredEpoch, fetchOffset, nowMs: receivedAtMs });
      this.logStart.note(brokerId, asked.logStartOffset);
      this.#repeating.note(from, fetchOffset);
    } else this.#repeating.forget(from.brokerId);
    return this.positionOf(from, asked);
  }

  endFetch(from: FetchingReplica): void {
    if (!this.#repeating.isOf(from)) return;
    this.#repeatFetches();
    this.#repeating.forget(from.brokerId);
  }

  #repeatFetches(): void {
    for (const repeated of this.#repeating.events()) this.#advance(repeated);
  }

  positionOf(from: FetchingReplica, asked: ReplicaFetchPartition): ReplicaPosition {
    return this.#answers.positionOf(from, asked, this.#repeating.isOf(from));
  }

  async readForReplica(asked: ReplicaFetchPartition, maxBytes: number, minOneBatch: boolean): Promise<ReplicaRead> {
    const { log } = this.#parts.replica;
    const read = await readLog(log, asked.fetchOffset, { maxBytes, endOffsetLimit: log.writtenEndOffset, minOneBatch });
    return this.#answers.withRecords(asked, this.#hasEnded ? { error: "NOT_LEADER_OR_FOLLOWER" } : read);
  }

  #begin(record: PartitionRecord, highWatermark: number): LeaderState {
    const { log } = this.#parts.replica;
    const { config, news } = this.#parts.environment;
    news.leaderMoved(this.#parts.identity);
    if (log.lastEpoch < record.leaderEpoch) log.beginEpoch(record.leaderEpoch);
    return startLeading({
      self: config.brokerId,
      epoch: record.leaderEpoch,
      replicas: record.replicas,
      reassignment: record.reassignment,
      isr: record.isr,
      isrEpochs: record.isrEpochs,
      stateVersion: record.stateVersion,
      logEndOffset: log.endOffset,
      writtenEndOffset: log.writtenEndOffset,
      highWatermark,
      lagMaxMs: config.replicaLagTimeMaxMs,
      suspectLagMs: config.suspectLagMs,
      nowMs: this.#nowMs,
    });
  }

  #appendBatch(batch: ParsedBatch, guard: AppendOptions["guard"]): Outcome<Appended> {
    const { identity, replica, environment } = this.#parts;
    const { header } = batch;
    const refusal = header.isTransactional ? this.#joinRefusal(header, guard) : null;
    if (refusal !== null) return refusal;
    const appended = this.#toLog(() => replica.log.appendAsLeader(batch, this.#state.epoch, environment.clock.nowMs()));
    if (appended.error === null && appended.kind === "appended")
      environment.futureTimestamps.look(identity.topic, identity.partition, header, replica.settings);
    return appended;
  }

  /** A guard that a marker has ended tells nothing: the producer sends the batch again, and the coordinator is asked anew. */
  #joinRefusal({ producerId, producerEpoch }: BatchInfo, guard: AppendOptions["guard"]): Refused | null {
    if (guard === "waived" || this.openTransactionOf(producerId, producerEpoch) !== null) return null;
    if (guard === undefined || guard.producerId !== producerId || guard.producerEpoch !== producerEpoch)
      return { error: "INVALID_TXN_STATE", message: "the partition is not in a transaction of this producer that is open" };
    if (this.guards.isHeld(guard)) return null;
    return {
      error: "NOT_ENOUGH_REPLICAS",
      message: "a transaction of this producer ended meanwhile: whether this one goes on is to be asked again",
    };
  }

  #toLog(append: () => LeaderAppend): Outcome<Extract<LeaderAppend, Appended>> {
    const { replica, onLogOffline } = this.#parts;
    try {
      const appended = append();
      if (appended.kind === "refused") return { error: appended.error, message: appended.message };
      if (appended.kind === "appended") {
        invariant(appended.endOffset === replica.log.endOffset, "what a leader appends ends its log", () => ({ appended }));
        this.#advance({ kind: "appended", logEndOffset: replica.log.endOffset });
      }
      return { error: null, ...appended };
    } catch (error) {
      if (!(error instanceof LogOffline)) throw error;
      onLogOffline(error);
      return { error: "KAFKA_STORAGE_ERROR" };
    }
  }

  #advance(event: LeaderEvent): void {
    if (this.#hasEnded) return;
    const before = this.#state;
    this.#state = advance(before, event);
    if (this.#state === before) return;
    const { environment, identity } = this.#parts;
    if (this.#state.highWatermark > before.highWatermark) this.#tell();
    // what followers fetch may count otherwise now
    else if (event.kind === "isr-in-force" || event.kind === "replicas-changed") environment.news.written(identity);
    if (event.kind !== "tick" && event.kind !== "fetch-repeated") environment.news.leaderMoved(identity);
    if (this.#state.change !== before.change) this.#isrWriter.wake();
  }

  #tell(): void {
    const { environment, identity } = this.#parts;
    this.#waiters.reached(this.#state.highWatermark);
    environment.news.committed(identity.key);
    environment.news.written(identity);
  }

  #applyIsrVerdict(verdict: Exclude<IsrVerdict, { kind: "ask-again" }>, proposed: IsrProposal): void {
    const { environment, identity, onFenced } = this.#parts;
    if (verdict.kind === "step-down") return onFenced(verdict.reason);
    const before = this.#state;
    this.#advance(verdict.event);
    if (this.#state.stateVersion === before.stateVersion) return;
    const { epoch, isr } = this.#state;
    environment.logger.info({ partition: identity.key, leaderEpoch: epoch, isr: [...isr], proposed: proposed.isr }, "in-sync set changed");
  }

  get #standing(): LeaderStanding {
    const [hasEnded, isSessionProved] = [this.#hasEnded, this.#isSessionProved()];
    return { state: this.#state, hasEnded, isSessionProved, hasBetterCopy: this.hasBetterCopy };
  }

  #isSessionProved(): boolean {
    return this.#parts.environment.cluster.sessionProvedUntilMs > this.#nowMs;
  }

  get #nowMs(): number {
    return this.#parts.environment.clock.monotonicMs();
  }
}
