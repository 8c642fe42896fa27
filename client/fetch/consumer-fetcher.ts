import { type BrokerId, noBroker, partitionKey, type TopicId, zeroTopicId } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import { apis } from "../../protocol/messages/apis.ts";
import { scanBatches } from "../../protocol/records/validate-batches.ts";
import { asError } from "../base/as-error.ts";
import { backoffMs } from "../base/backoff.ts";
import { CorruptBatch, isRetriableFailure, KafkaProtocolError, LogTruncated, OffsetOutOfRange } from "../base/errors.ts";
import { partitionSubject } from "../base/retries.ts";
import type { Cluster } from "../metadata/cluster.ts";
import type { PartitionMetadata } from "../metadata/cluster-snapshot.ts";
import { whileLeading } from "../metadata/leader-watch.ts";
import { awaitLeaders } from "../metadata/no-leader.ts";
import type { Isolation } from "../metadata/offset-lookup.ts";
import { Stepper } from "../metadata/stepper.ts";
import { markAborted } from "./aborted-batches.ts";
import { type AssignedPartition, type EpochEnd, judgeEpochEnd, type ResetPolicy } from "./assigned-partition.ts";
import { ClientFetchSession, type FetchTarget } from "./client-fetch-session.ts";
import { answersByPartition, fetchRequestOf, fetchVersionMax, leadersIn, type PartitionAnswer } from "./fetch-answer.ts";
import type { FetchBuffer } from "./fetch-buffer.ts";
import { type FetchCounters, FetchTally } from "./fetch-counters.ts";
import { judgeFetchError } from "./fetch-verdict.ts";
import { PositionFinder } from "./position-finder.ts";
import { type AskedAt, ReplicaChoice } from "./replica-choice.ts";

/** As in `ConsumerOptions`. */
export interface FetchSettings {
  readonly offsetReset: ResetPolicy;
  readonly prefetchBytesMax: number;
  readonly fetchBytesMax: number;
  readonly partitionBytesMax: number;
  readonly fetchWaitMaxMs: number;
  readonly fetchBytesMin: number;
  readonly checkCrc: boolean;
  /** Empty: none. */
  readonly rack: string;
  readonly isolation: Isolation;
}

export interface ConsumerFetcherParts {
  readonly cluster: Cluster;
  readonly settings: FetchSettings;
  readonly buffer: FetchBuffer;
  readonly partitions: () => Iterable<AssignedPartition>;
}

interface Wanted extends AskedAt {
  readonly generation: number;
  readonly target: FetchTarget;
}

/** Keeps the buffer filled: one fetch at a time per broker, for the partitions that are read from it. */
export class ConsumerFetcher {
  readonly #tally: FetchTally;
  readonly #parts: ConsumerFetcherParts;
  readonly #finder: PositionFinder;
  readonly #replicas: ReplicaChoice;
  readonly #sessions = new Map<BrokerId, ClientFetchSession>();
  /** By broker, the bytes that its fetch in flight may return. */
  readonly #inFlightBytes = new Map<BrokerId, number>();
  /** By broker, what breaks its fetch in flight off, and when that was last done. Monotonic. */
  readonly #flights = new Map<BrokerId, AbortController>();
  readonly #brokenOffMs = new Map<BrokerId, number>();
  /** Number of the last fetch started at each broker. */
  readonly #begun = new Map<BrokerId, number>();
  #fetches = 0;
  readonly #stepper: Stepper;

  constructor(parts: ConsumerFetcherParts) {
    this.#parts = parts;
    this.#tally = new FetchTally(parts.cluster);
    this.#replicas = new ReplicaChoice(parts.cluster, parts.settings.rack);
    this.#finder = new PositionFinder({
      cluster: parts.cluster,
      isolation: parts.settings.isolation,
      onProgress: () => {
        parts.buffer.notify();
        this.wake();
      },
      onFailure: (partitions, error) => this.#failed(partitions, error),
      onTruncated: (partition, end) => this.#truncated(partition, end),
    });
    this.#stepper = new Stepper(parts.cluster, (nowMs) => this.#step(nowMs));
  }

  get counters(): FetchCounters {
    return this.#tally.counters;
  }

  wake(): void {
    this.#stepper.wake();
  }

  close(): void {
    this.#stepper.close();
  }

  /** Returns the time when the first of the paused partitions is due. */
  #step(nowMs: number): number {
    const { cluster, partitions } = this.#parts;
    let nextCheckMs = Number.POSITIVE_INFINITY;
    const leaderless: AssignedPartition[] = [];
    const toLocate: AssignedPartition[] = [];
    const toValidate: AssignedPartition[] = [];
    const toFetch = new Map<BrokerId, Wanted[]>();
    for (const partition of partitions()) {
      const isIdle = partition.isPaused || partition.isHeld || partition.isBackedUp;
      if (partition.isStopped || (isIdle && partition.phase.kind === "fetching")) continue;
      const known = cluster.metadata.partition(partition.topic, partition.partition);
      if (partition.notBeforeMs > nowMs && !partition.resumesUnder(known?.leaderEpoch)) {
        nextCheckMs = Math.min(nextCheckMs, partition.notBeforeMs);
        continue;
      }
      if (known === undefined || known.leader === noBroker) {
        leaderless.push(partition);
        continue;
      }
      const topicId = cluster.metadata.topic(partition.topic)?.topicId ?? zeroTopicId;
      const topic = partition.judgeTopicId(topicId, nowMs);
      if (topic !== "ours") {
        if (topic === "new") this.#topicMadeAnew(partition, topicId);
        else leaderless.push(partition);
        continue;
      }
      partition.leaderEpochIs(known.leaderEpoch);
      if (partition.phase.kind === "locating") toLocate.push(partition);
      else if (partition.phase.kind === "validating") toValidate.push(partition);
      else this.#want(toFetch, partition, known, nowMs);
    }
    awaitLeaders(cluster, leaderless);
    this.#finder.locate(toLocate);
    this.#finder.validate(toValidate);
    // the broker that waited longest is first, and none gets more than its share: fetches that merely wait at their brokers must not use up
    // the room of another's
    const brokers = new Set([...toFetch.keys(), ...this.#inFlightBytes.keys()]).size;
    const longestWaiting = [...toFetch].sort(([a], [b]) => (this.#begun.get(a) ?? 0) - (this.#begun.get(b) ?? 0));
    for (const [broker, wanted] of longestWaiting)
      this.#beginFetch(broker, wanted, Math.ceil(this.#parts.settings.prefetchBytesMax / brokers));
    return nextCheckMs;
  }

  #want(toFetch: Map<BrokerId, Wanted[]>, partition: AssignedPartition, known: PartitionMetadata, nowMs: number): void {
    const { leader, leaderEpoch } = known;
    const { cluster, settings } = this.#parts;
    const share = Math.max(settings.partitionBytesMax, settings.prefetchBytesMax / Math.max(this.#count(), 1));
    if (partition.bufferedBytes >= share) return;
    if (partition.isFetchedToStop) return;
    const target: FetchTarget = {
      topic: partition.topic,
      topicId: cluster.metadata.topic(partition.topic)?.topicId ?? "",
      partition: partition.partition,
      fetchOffset: partition.fetchPosition,
      currentLeaderEpoch: leaderEpoch,
      lastFetchedEpoch: partition.fetchEpoch,
      partitionMaxBytes: settings.partitionBytesMax,
    };
    const follower = partition.readReplica.brokerAt(nowMs, leaderEpoch);
    const broker = follower ?? leader;
    const ofBroker = toFetch.get(broker) ?? [];
    ofBroker.push({ partition, generation: partition.generation, target, isOfFollower: follower !== null });
    toFetch.set(broker, ofBroker);
  }

  #count(): number {
    let count = 0;
    for (const _partition of this.#parts.partitions()) count++;
    return count;
  }

  #room(): number {
    let held = 0;
    for (const { bufferedBytes } of this.#parts.partitions()) held += bufferedBytes;
    for (const bytes of this.#inFlightBytes.values()) held += bytes;
    return this.#parts.settings.prefetchBytesMax - held;
  }

  #beginFetch(broker: BrokerId, wanted: readonly Wanted[], shareBytes: number): void {
    if (this.#inFlightBytes.has(broker)) return this.#makeWay(broker, wanted);
    const maxBytes = Math.min(this.#parts.settings.fetchBytesMax, shareBytes, this.#room());
    if (maxBytes <= 0) return;
    this.#begun.set(broker, ++this.#fetches);
    this.#inFlightBytes.set(broker, maxBytes);
    for (const { partition } of wanted) partition.isNewThere = false;
    const flight = new AbortController();
    this.#flights.set(broker, flight);
    void this.#fetch(broker, wanted, maxBytes, flight.signal).finally(() => {
      this.#inFlightBytes.delete(broker);
      this.wake();
    });
  }

  /**
   * A fetch that waits for records of other partitions would hold up those that have just come to this leader: what they missed meanwhile
   * is there already. So it is broken off, seldom, and once for all that come: not while positions are still being checked there.
   */
  #makeWay(broker: BrokerId, wanted: readonly Wanted[]): void {
    if (!wanted.some(({ partition }) => partition.isNewThere) || this.#finder.isAsking(broker)) return;
    const nowMs = this.#parts.cluster.runtime.clock.monotonicMs();
    const lastMs = this.#brokenOffMs.get(broker) ?? Number.NEGATIVE_INFINITY;
    if (nowMs - lastMs < this.#parts.settings.fetchWaitMaxMs / 2) return;
    this.#brokenOffMs.set(broker, nowMs);
    this.#flights.get(broker)?.abort(new Error("a partition has come to this leader"));
  }

  async #fetch(broker: BrokerId, wanted: readonly Wanted[], maxBytes: number, makesWay: AbortSignal): Promise<void> {
    const { cluster, settings } = this.#parts;
    let session = this.#sessions.get(broker);
    if (session === undefined) {
      session = new ClientFetchSession();
      this.#sessions.set(broker, session);
    }
    const targets = wanted.map(({ target }) => target);
    // 1. A partition that moves to another leader is fetched from there at once, whatever its old leader has not answered yet. 2. When that
    //    one is stuck, its fetch is abandoned as a whole: fetching twice costs nothing, and the bytes reserved for the answer are needed.
    //    3. The answer is never seen if it comes late; one that comes in time holds only what is committed, and `#onRecords` drops what is
    //    already known.
    const partitions = targets.map(({ topic, partition, currentLeaderEpoch: sentToEpoch }) => ({ topic, partition, sentToEpoch }));
    const waitMs = settings.fetchWaitMaxMs;
    const ended = this.#tally.begin(broker, targets.length);
    try {
      const answer = await whileLeading(cluster, { broker, partitions, waitMs }, async (moved) => {
        const signal = AbortSignal.any([moved, makesWay]);
        const connection = await cluster.pool.toBroker(broker, "fetches", signal);
        const asked = session.next(targets);
        const wishes = {
          maxWaitMs: waitMs,
          minBytes: settings.fetchBytesMin,
          maxBytes,
          rackId: this.#replicas.rackFor(wanted),
          isolation: settings.isolation,
        };
        const versionMax = fetchVersionMax(targets);
        const options = { waitMs, signal, ...(versionMax === undefined ? {} : { versionMax }) };
        return connection.request(apis.fetch, () => fetchRequestOf(asked, wishes), options);
      });
      if (!session.answered(answer.errorCode, answer.sessionId)) {
        if (answer.errorCode !== "NONE") ended(new KafkaProtocolError(answer.errorCode, "fetching"));
        return this.#onVoidAnswer(wanted, answer.errorCode);
      }
      const answers = answersByPartition(answer, targets);
      const learnt = leadersIn(answers, targets);
      if (learnt.length > 0) cluster.metadata.learn(learnt, answer.nodeEndpoints);
      for (const one of wanted) {
        const { topic, partition, generation } = one.partition;
        const found = answers.get(partitionKey(topic, partition));
        if (generation !== one.generation) continue;
        if (found !== undefined) this.#onAnswer(one, found);
        else {
          // nothing new: in a session it is not mentioned
          one.partition.failures = 0;
          this.#replicas.answered(one);
          cluster.retries.partitionWorked(topic, partition);
        }
      }
      ended(null);
    } catch (error) {
      session.failed();
      if (cluster.isClosed || makesWay.aborted) return;
      const failure = asError(error);
      ended(failure);
      this.#failed(this.#ofLeaders(wanted.filter((one) => this.#isCurrent(broker, one))), failure);
    }
  }

  /** False: the partition was moved since by its reader, or is fetched from another leader by now. */
  #isCurrent(broker: BrokerId, { partition, generation, target }: Wanted): boolean {
    const known = this.#parts.cluster.metadata.partition(target.topic, target.partition);
    return partition.generation === generation && (known?.leader === broker || known?.leaderEpoch === target.currentLeaderEpoch);
  }

  /** A lost session is simply restarted, with the next step; anything else waits for its turn. */
  #onVoidAnswer(wanted: readonly Wanted[], code: KafkaErrorCode): void {
    if (code === "FETCH_SESSION_ID_NOT_FOUND" || code === "INVALID_FETCH_SESSION_EPOCH" || code === "NONE") return;
    this.#failed(this.#ofLeaders(wanted), new KafkaProtocolError(code, "fetching"));
  }

  /** The others are read from their leaders now. */
  #ofLeaders(asked: readonly Wanted[]): AssignedPartition[] {
    return asked.filter((one) => !this.#replicas.left(one)).map(({ partition }) => partition);
  }

  #onAnswer(asked: Wanted, answer: PartitionAnswer): void {
    const { partition, target } = asked;
    const { cluster, settings, buffer } = this.#parts;
    const { errorCode, divergingEpoch } = answer;
    // whatever a follower does not have is for the leader to say
    if ((errorCode !== "NONE" || divergingEpoch.endOffset >= 0) && this.#replicas.left(asked)) return;
    if (errorCode !== "NONE") {
      const verdict = judgeFetchError(errorCode, settings.offsetReset);
      switch (verdict.kind) {
        case "reset":
          // what was fetched before is still good, and is handed out first
          if (partition.position < partition.fetchPosition)
            return this.#pause([partition], new KafkaProtocolError(errorCode, `fetching ${target.topic}-${target.partition}`), false);
          partition.moveTo(verdict.to === "earliest" ? "beginning" : "end");
          return;
        case "retry":
          return this.#pause(
            [partition],
            new KafkaProtocolError(errorCode, `fetching ${target.topic}-${target.partition}`),
            verdict.refreshMetadata,
          );
        case "out-of-range":
          partition.block();
          return buffer.pushError(new OffsetOutOfRange({ ...target, offset: target.fetchOffset }), partition);
        case "fail":
          partition.block();
          return buffer.pushError(new KafkaProtocolError(errorCode, `fetching ${target.topic}-${target.partition}`), partition);
      }
    }
    if (divergingEpoch.endOffset >= 0) {
      if (partition.fetchPosition !== target.fetchOffset) return; // the next leader has given records since: its own answer counts
      const verdict = judgeEpochEnd({ offset: target.fetchOffset, epoch: target.lastFetchedEpoch }, divergingEpoch);
      if (verdict.kind === "truncated") return this.#truncated(partition, verdict);
    }
    partition.endsAre(answer, settings.isolation);
    partition.foundInLog();
    this.#replicas.answered(asked);
    if (answer.preferredReadReplica >= 0) this.#replicas.sentTo(asked, target.currentLeaderEpoch, answer.preferredReadReplica);
    cluster.retries.partitionWorked(target.topic, target.partition);
    if (partition.isStopped) return buffer.notify();
    this.#onRecords(partition, answer);
  }

  /** As with a position that is not in the log; but the new log may well have that offset, with other records. */
  #topicMadeAnew(partition: AssignedPartition, topicId: TopicId): void {
    const { cluster, settings, buffer } = this.#parts;
    const { topic, partition: index, position: offset } = partition;
    // what was fetched before is still good, and is handed out first
    if (offset < partition.fetchPosition)
      return this.#pause([partition], new KafkaProtocolError("UNKNOWN_TOPIC_ID", `fetching ${topic}-${index}`), false);
    cluster.runtime.log.warn(
      { topic, partition: index, position: offset, formerTopicId: partition.topicId, topicId },
      `the topic was deleted and re-created; its position is void (offsetReset: ${settings.offsetReset})`,
    );
    partition.beginAnew(topicId, settings.offsetReset === "latest" ? "end" : "beginning");
    if (settings.offsetReset === "none") {
      const error = new OffsetOutOfRange({ topic, partition: index, offset });
      partition.block(error); // the new log may have that offset
      buffer.pushError(error, partition);
    }
    buffer.notify();
    this.wake();
  }

  #onRecords(partition: AssignedPartition, { records, abortedTransactions }: PartitionAnswer): void {
    const { buffer, settings } = this.#parts;
    const chunks = records ?? [];
    const bytes = chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
    const { batches, tail } = scanBatches(bytes, { checkCrc: settings.checkCrc });
    const aborted = settings.isolation === "read_committed" ? (abortedTransactions ?? []) : [];
    const fresh = markAborted(bytes, batches, aborted).filter(({ lastOffset }) => lastOffset >= partition.fetchPosition);
    this.#tally.brought(bytes.length, fresh);
    const last = fresh.at(-1);
    if (last !== undefined) {
      buffer.push({ partition, generation: partition.generation, bytes, batches: fresh });
      partition.fetched(last.lastOffset + 1, last.leaderEpoch);
    } else if (tail.kind === "corrupt") {
      // batches before the damage are handed out first; the next fetch begins at it and ends here
      partition.block();
      buffer.pushError(
        new CorruptBatch({ topic: partition.topic, partition: partition.partition, offset: partition.fetchPosition }, tail.reason),
        partition,
      );
    }
  }

  #truncated(partition: AssignedPartition, end: EpochEnd): void {
    const { buffer, settings, cluster } = this.#parts;
    const { topic, partition: index, position } = partition;
    const offset = Math.min(end.endOffset, position);
    if (settings.offsetReset === "none" && partition.hasLost(end)) {
      partition.block();
      return buffer.pushError(new LogTruncated({ topic, partition: index, offset }, position), partition);
    }
    cluster.runtime.log.warn({ topic, partition: index, position, offset }, "the log was truncated; going on from the offset");
    partition.truncatedTo(end);
  }

  #failed(partitions: readonly AssignedPartition[], error: Error): void {
    if (partitions.length === 0) return;
    if (isRetriableFailure(error)) return this.#pause(partitions, error, true);
    for (const partition of partitions) {
      partition.block();
      this.#parts.cluster.retries.gaveUp(partitionSubject(partition.topic, partition.partition));
    }
    this.#parts.buffer.pushError(error, null);
  }

  #pause(partitions: readonly AssignedPartition[], error: Error, refreshMetadata: boolean): void {
    const { cluster } = this.#parts;
    const nowMs = cluster.runtime.clock.monotonicMs();
    for (const partition of partitions) {
      partition.pauseUntil(nowMs + backoffMs(partition.failures + 1, cluster.settings, cluster.runtime.random));
      cluster.retries.partitionFailed(partition.topic, partition.partition, error);
      if (refreshMetadata) cluster.search.successorOf(partition, partition.notBeforeMs);
    }
    cluster.runtime.log.debug({ err: error }, "a fetch failed and will be tried again");
    this.wake();
  }
}
