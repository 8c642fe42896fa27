import { type BrokerId, partitionKey, zeroTopicId } from "../../protocol/base/ids.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import { apis } from "../../protocol/messages/apis.ts";
import type { ProduceRequest, ProduceResponse } from "../../protocol/messages/produce.ts";
import type { CompressionCodec } from "../../protocol/records/batch-header.ts";
import { compressRecords } from "../../protocol/records/compression.ts";
import { asError } from "../base/as-error.ts";
import { type BackoffLimits, backoffMs } from "../base/backoff.ts";
import { DeliveryTimedOut } from "../base/errors.ts";
import { partitionSubject } from "../base/retries.ts";
import type { Cluster } from "../metadata/cluster.ts";
import { leaderMoved, watchLeaders } from "../metadata/leader-watch.ts";
import { awaitLeaders, noLeader } from "../metadata/no-leader.ts";
import { Stepper } from "../metadata/stepper.ts";
import type { BrokerConnection } from "../network/broker-connection.ts";
import { addingProduceVersion } from "../transaction/transaction-version.ts";
import { Transactions } from "../transaction/transactions.ts";
import type { Accumulator } from "./accumulator.ts";
import { isFencing, isOutOfTurn, judge, mayHaveWritten, type ProduceOutcome, type Verdict } from "./produce-outcome.ts";
import type { ProducerBatch } from "./producer-batch.ts";
import { ProducerCounters } from "./producer-counters.ts";
import { IdentitySource } from "./producer-identity.ts";

export interface SenderSettings {
  readonly acks: -1 | 0 | 1;
  readonly codec: CompressionCodec;
  readonly requestBytesMax: number;
  readonly maxInFlightPerBroker: number;
  readonly deliveryTimeoutMs: number;
}

export interface SenderParts {
  readonly cluster: Cluster;
  readonly accumulator: Accumulator;
  readonly settings: SenderSettings;
  /** Where an idempotent producer's ids come from: some broker, or the coordinator of the transactions that it writes in. */
  readonly identities: IdentitySource | Transactions;
  /** Nothing should linger now. */
  readonly isHurried: () => boolean;
  /** A batch got its final answer and its room in the buffer is free. */
  readonly onSettled: (batch: ProducerBatch) => void;
}

/** Moves batches from the accumulator to their leaders, and back again after temporary failures. */
export class Sender {
  readonly counters = new ProducerCounters();
  readonly #parts: SenderParts;
  /** Null: records are written outside of any. */
  readonly #transactions: Transactions | null;
  readonly #inFlight = new Map<BrokerId, number>();
  readonly #stepper: Stepper;

  constructor(parts: SenderParts) {
    this.#parts = parts;
    this.#transactions = parts.identities instanceof Transactions ? parts.identities : null;
    this.#stepper = new Stepper(parts.cluster, (nowMs) => this.#step(nowMs));
  }

  /** Checks, later in this turn of the loop, what can be sent. */
  wake(): void {
    this.#stepper.wake();
  }

  close(): void {
    this.#stepper.close();
  }

  /** Returns the time when a batch that lingers, pauses or expires is due. */
  #step(nowMs: number): number {
    const { cluster, accumulator, settings, identities, isHurried } = this.#parts;
    const transactions = this.#transactions;
    const stopped = transactions?.stopReason ?? null;
    if (stopped !== null) for (const batch of accumulator.takeExpired(Number.POSITIVE_INFINITY)) this.#fail(batch, stopped);
    for (const batch of accumulator.takeExpired(nowMs)) this.#fail(batch, this.#timedOut(batch, batch.lastError ?? identities.lastError));
    const { byBroker, leaderless, identityNeeded, nextCheckMs } = accumulator.ready(
      nowMs,
      (topic, partition) => cluster.metadata.partition(topic, partition),
      isHurried(),
      transactions === null ? undefined : (partition) => transactions.admits(partition),
    );
    awaitLeaders(cluster, leaderless);
    if (identityNeeded && identities instanceof IdentitySource) void this.#fetchIdentity(identities);
    for (const [brokerId, keys] of byBroker) {
      while ((this.#inFlight.get(brokerId) ?? 0) < settings.maxInFlightPerBroker) {
        const batches = accumulator.drain(keys, settings.requestBytesMax);
        if (batches.length === 0) break;
        this.#inFlight.set(brokerId, (this.#inFlight.get(brokerId) ?? 0) + 1);
        void this.#deliver(brokerId, batches);
      }
    }
    return nextCheckMs ?? Number.POSITIVE_INFINITY;
  }

  /** Batches wait meanwhile, and expire. An error that waiting cannot fix fails everything that waits. */
  async #fetchIdentity(identities: IdentitySource): Promise<void> {
    const { accumulator } = this.#parts;
    const fetched = await identities.fetch();
    if (fetched === null) return;
    if (fetched.error === null) accumulator.identity = fetched.identity;
    else for (const batch of accumulator.takeExpired(Number.POSITIVE_INFINITY)) this.#fail(batch, fetched.error);
    this.wake();
  }

  /**
   * One request with its answer. A leader that hangs is left behind, batch by batch, as soon as the metadata names another:
   *
   * 1. While the metadata names the same leader and epoch, its batches wait for it: it may be slow for good reasons, and a retry would gain
   *    nothing.
   * 2. Once another leads under a higher epoch, the old one can commit nothing more: its followers follow the new one. So a batch that it
   *    has not acknowledged goes to the new
   *    leader. If it was committed before, the new leader knows its number and answers with its offset (a producer that is not idempotent
   *    writes it twice); if not, the old copy is cut off.
   *    Nothing was acknowledged yet, so nothing is lost.
   * 3. The batches return to the head of their queue, all that were in flight before any is sent: they reach the new leader in order.
   * 4. `attempts` counts them as sent again, which is how the caller of a producer that is not idempotent learns that the log may hold them
   *    twice.
   * 5. The late answer is not used: a batch is concluded once, and `open` says which of them still wait. When none does, the request is
   *    abandoned and the connection drops its answer.
   */
  async #deliver(brokerId: BrokerId, batches: readonly ProducerBatch[]): Promise<void> {
    const { cluster } = this.#parts;
    const beganAtMs = cluster.runtime.clock.monotonicMs();
    for (const batch of batches) {
      const topicId = cluster.metadata.snapshot.topics.get(batch.topic)?.topicId ?? zeroTopicId;
      batch.sentToBroker = brokerId;
      batch.sentToTopicId = topicId === zeroTopicId ? null : topicId;
      batch.sentToEpoch = cluster.metadata.partition(batch.topic, batch.partition)?.leaderEpoch ?? -1;
    }
    let wasSent = false;
    const open = new Set(batches);
    const allMoved = new AbortController();
    const endWatch = watchLeaders(cluster, { broker: brokerId, partitions: batches, waitMs: 0 }, (batch) => {
      open.delete(batch);
      const error = leaderMoved(brokerId, batch);
      this.#conclude(batch, { kind: "failed", error, wasSent });
      if (open.size === 0) allMoved.abort(error);
      this.wake();
    });
    let outcomeOf: (batch: ProducerBatch) => ProduceOutcome;
    let failed: Error | null = null;
    try {
      const connection = await cluster.pool.toBroker(brokerId, "requests", allMoved.signal);
      wasSent = true;
      outcomeOf = await this.#produce(connection, batches, allMoved.signal);
    } catch (error) {
      const failure = asError(error);
      failed = failure;
      outcomeOf = () => ({ kind: "failed", error: failure, wasSent });
    }
    endWatch();
    this.#inFlight.set(brokerId, (this.#inFlight.get(brokerId) ?? 1) - 1);
    this.#tell(brokerId, batches, beganAtMs, failed);
    for (const batch of open) this.#conclude(batch, outcomeOf(batch));
    this.wake();
  }

  /** Before the batches are concluded, which may change them. */
  #tell(broker: BrokerId, batches: readonly ProducerBatch[], beganAtMs: number, error: Error | null): void {
    const { events, runtime } = this.#parts.cluster;
    const tookMs = runtime.clock.monotonicMs() - beganAtMs;
    this.counters.produceRequests++;
    this.counters.produceTimeMs += tookMs;
    if (!events.has("produce")) return;
    const records = batches.reduce((sum, { sends }) => sum + sends.length, 0);
    const bytes = batches.reduce((sum, { encodedBytes }) => sum + encodedBytes, 0);
    events.emit("produce", { broker, partitions: batches.length, records, bytes, tookMs, error });
  }

  async #produce(
    connection: BrokerConnection,
    batches: readonly ProducerBatch[],
    signal: AbortSignal,
  ): Promise<(batch: ProducerBatch) => ProduceOutcome> {
    const { settings, cluster } = this.#parts;
    const transactions = this.#transactions;
    const isTransactional = transactions !== null;
    const topicData = groupByTopic(batches, (batch) => batch.encode(settings.codec, compressRecords, isTransactional));
    for (const batch of batches) this.counters.sent(batch);
    // the broker's own timeout comes first, so that slow replication does not cost the connection
    const timeoutMs = Math.ceil(cluster.settings.requestTimeoutMs * 0.9);
    const request: ProduceRequest = { transactionalId: transactions?.transactionalId ?? null, acks: settings.acks, timeoutMs, topicData };
    if (settings.acks === 0) {
      await connection.requestUnanswered(apis.produce, () => request, { signal });
      return () => ({ kind: "acknowledged", baseOffset: -1, logAppendTimeMs: -1 });
    }
    const versionMax = transactions?.version === 1 ? { versionMax: addingProduceVersion - 1 } : {};
    const answer = await connection.request(apis.produce, () => request, { signal, ...versionMax });
    this.#learnLeaders(answer);
    const outcomes = outcomesByPartition(answer);
    return ({ topic, partition }) =>
      outcomes.get(partitionKey(topic, partition)) ?? {
        kind: "refused",
        code: "UNKNOWN_SERVER_ERROR",
        detail: "the broker's answer leaves the partition out",
      };
  }

  #learnLeaders({ responses, nodeEndpoints }: ProduceResponse): void {
    const learnt = responses.flatMap(({ name: topic, partitionResponses }) =>
      partitionResponses.flatMap(({ index, currentLeader }) =>
        currentLeader.leaderId >= 0 ? [{ topic, partition: index, ...currentLeader }] : [],
      ),
    );
    if (learnt.length > 0) this.#parts.cluster.metadata.learn(learnt, nodeEndpoints);
  }

  #conclude(batch: ProducerBatch, outcome: ProduceOutcome): void {
    const { cluster, accumulator } = this.#parts;
    const { clock, random } = cluster.runtime;
    const nowMs = clock.monotonicMs();
    if (mayHaveWritten(outcome)) batch.mayBeWritten();
    else if (isOutOfTurn(outcome)) batch.wasOutOfTurn();
    const { topic, partition, deadlineMs, mayBeInLog, attempts } = batch;
    const isNext = accumulator.isNext(batch);
    const recordsCount = batch.sends.length;
    const isTransactional = this.#transactions !== null;
    const facts = { topic, partition, recordsCount, deadlineMs, isNumbered: batch.number !== null, isTransactional, isNext, mayBeInLog };
    const verdict: Verdict = judge(outcome, facts, nowMs);
    switch (verdict.kind) {
      case "acknowledge":
        accumulator.finished(batch, "acknowledged");
        this.counters.acknowledged(batch);
        cluster.retries.partitionWorked(topic, partition);
        batch.acknowledge(verdict);
        return this.#parts.onSettled(batch);
      case "retry":
      case "renumber": {
        const { error } = verdict;
        if (cluster.isClosed) {
          accumulator.finished(batch, "failed");
          return this.#fail(batch, error);
        }
        batch.lastError = error;
        if (isNext) cluster.retries.partitionFailed(topic, partition, error, { deadlineMs });
        // a batch that was only out of order waits for those before it, not for its own pause
        const notBeforeMs = isNext ? nowMs + backoffMs(attempts, pausesAfter(outcome, cluster.settings), random) : nowMs;
        accumulator.putBack(batch, notBeforeMs);
        if (verdict.kind === "renumber") accumulator.refuseNumbering(batch, false);
        else if (verdict.refreshMetadata) cluster.search.successorOf(batch, notBeforeMs);
        return cluster.runtime.log.debug({ topic, partition, attempts, err: error }, "a batch will be sent again");
      }
      case "split":
        invariant(batch.sends.length > 1, "what is split has two records");
        return accumulator.replace(batch, batch.split());
      case "time-out":
        accumulator.finished(batch, "failed");
        return this.#fail(batch, this.#timedOut(batch, verdict.error));
      case "fail":
        if (isFencing(outcome) && !isTransactional) accumulator.refuseNumbering(batch, true);
        accumulator.finished(batch, "failed");
        return this.#fail(batch, verdict.error);
    }
  }

  #fail(batch: ProducerBatch, error: Error): void {
    this.#transactions?.batchFailed(error, batch.number !== null);
    this.#parts.cluster.retries.gaveUp(partitionSubject(batch.topic, batch.partition));
    this.counters.recordsFailed += batch.sends.length;
    batch.fail(error);
    this.#parts.onSettled(batch);
  }

  #timedOut(batch: ProducerBatch, cause: Error | null): DeliveryTimedOut {
    const where = `${batch.topic}-${batch.partition}`;
    const { cluster, settings } = this.#parts;
    const reason = cause ?? noLeader(cluster.metadata.snapshot, batch.topic, batch.partition);
    const why = reason === null ? "its leader could not be reached or is unknown" : reason.message;
    const { deliveryTimeoutMs } = settings;
    return new DeliveryTimedOut(`not acknowledged by ${where} within ${deliveryTimeoutMs} ms: ${why}`, batch.attempts, reason);
  }
}

/**
 * Whoever refuses because it does not lead was named leader a moment ago, and may be about to. Its answer costs little. So pauses begin
 * with this, also where the settings have longer ones.
 */
const unledBackoffMs = 10;
/** The transaction before is being ended: that takes milliseconds. */
const concurrentBackoffMs = 20;

function pausesAfter(outcome: ProduceOutcome, { retryBackoffMs, retryBackoffMaxMs }: BackoffLimits): BackoffLimits {
  const code = outcome.kind === "refused" ? outcome.code : null;
  const soonMs = code === "NOT_LEADER_OR_FOLLOWER" ? unledBackoffMs : code === "CONCURRENT_TRANSACTIONS" ? concurrentBackoffMs : null;
  return { retryBackoffMs: soonMs === null ? retryBackoffMs : Math.min(soonMs, retryBackoffMs), retryBackoffMaxMs };
}

function groupByTopic(batches: readonly ProducerBatch[], encode: (batch: ProducerBatch) => Buffer): ProduceRequest["topicData"] {
  const topics = new Map<string, { index: number; records: Buffer[] }[]>();
  for (const batch of batches) {
    const partitions = topics.get(batch.topic) ?? [];
    partitions.push({ index: batch.partition, records: [encode(batch)] });
    topics.set(batch.topic, partitions);
  }
  return [...topics].map(([name, partitionData]) => ({ name, partitionData }));
}

function outcomesByPartition({ responses }: ProduceResponse): ReadonlyMap<string, ProduceOutcome> {
  const outcomes = new Map<string, ProduceOutcome>();
  for (const { name, partitionResponses } of responses) {
    for (const { index, errorCode, errorMessage, baseOffset, logAppendTimeMs } of partitionResponses) {
      const outcome: ProduceOutcome =
        errorCode === "NONE"
          ? { kind: "acknowledged", baseOffset, logAppendTimeMs }
          : { kind: "refused", code: errorCode, detail: errorMessage };
      outcomes.set(partitionKey(name, index), outcome);
    }
  }
  return outcomes;
}
