import { type BrokerId, noBroker } from "../../protocol/base/ids.ts";
import { apis } from "../../protocol/messages/apis.ts";
import { asError } from "../base/as-error.ts";
import { KafkaProtocolError, UnsupportedApi } from "../base/errors.ts";
import type { Cluster } from "../metadata/cluster.ts";
import { whileLeading } from "../metadata/leader-watch.ts";
import { type Isolation, listOffsets } from "../metadata/offset-lookup.ts";
import { type AskedPosition, type AssignedPartition, type EpochEnd, judgeEpochEnd } from "./assigned-partition.ts";

export interface PositionFinderParts {
  readonly cluster: Cluster;
  readonly isolation: Isolation;
  /** Some partition may be fetched now. */
  readonly onProgress: () => void;
  readonly onFailure: (partitions: readonly AssignedPartition[], error: Error) => void;
  readonly onTruncated: (partition: AssignedPartition, end: EpochEnd) => void;
}

/** Looks positions up, and after a change of leaders checks that they are still in the log. */
export class PositionFinder {
  readonly #parts: PositionFinderParts;
  /** Brokers with such a request in flight, and how many. */
  readonly #asked = new Map<BrokerId, number>();
  /** Partitions with a request in flight, and their generation in it. */
  readonly #busy = new Map<AssignedPartition, number>();

  constructor(parts: PositionFinderParts) {
    this.#parts = parts;
  }

  /** Partitions in the phase "locating". A leader that does not answer delays only those that it leads. */
  locate(partitions: readonly AssignedPartition[]): void {
    for (const ofLeader of this.#byLeader(partitions).values()) this.#run(ofLeader, (fresh) => this.#lookUp(fresh));
  }

  /** Partitions in the phase "validating". */
  validate(partitions: readonly AssignedPartition[]): void {
    for (const [leader, ofLeader] of this.#byLeader(partitions)) {
      this.#run(ofLeader, (fresh) => {
        this.#count(leader, 1);
        return this.#askEpochEnds(leader, fresh).finally(() => this.#count(leader, -1));
      });
    }
  }

  /** Whether positions are still in this broker's logs. */
  isAsking(broker: BrokerId): boolean {
    return this.#asked.has(broker);
  }

  #count(broker: BrokerId, change: 1 | -1): void {
    const count = (this.#asked.get(broker) ?? 0) + change;
    if (count === 0) this.#asked.delete(broker);
    else this.#asked.set(broker, count);
  }

  #byLeader(partitions: readonly AssignedPartition[]): ReadonlyMap<BrokerId, readonly AssignedPartition[]> {
    const { metadata } = this.#parts.cluster;
    return Map.groupBy(partitions, ({ topic, partition }) => metadata.partition(topic, partition)?.leader ?? noBroker);
  }

  #run(partitions: readonly AssignedPartition[], work: (fresh: readonly AssignedPartition[]) => Promise<void>): void {
    const fresh = partitions.filter((partition) => this.#busy.get(partition) !== partition.generation);
    if (fresh.length === 0) return;
    const generations = new Map(fresh.map((partition) => [partition, partition.generation]));
    for (const [partition, generation] of generations) this.#busy.set(partition, generation);
    const isCurrent = (partition: AssignedPartition) => partition.generation === generations.get(partition);
    work(fresh)
      .catch((error: unknown) => {
        if (this.#parts.cluster.isClosed) return;
        this.#parts.onFailure(fresh.filter(isCurrent), asError(error));
      })
      .finally(() => {
        for (const [partition, generation] of generations) if (this.#busy.get(partition) === generation) this.#busy.delete(partition);
        this.#parts.onProgress();
      });
  }

  async #lookUp(partitions: readonly AssignedPartition[]): Promise<void> {
    const { cluster, isolation } = this.#parts;
    const asked = partitions.flatMap((partition) =>
      partition.phase.kind === "locating" ? [{ partition, generation: partition.generation, spec: partition.phase.spec }] : [],
    );
    const queries = asked.map(({ partition: { topic, partition }, spec }) => ({ topic, partition, spec }));
    const found = await listOffsets(cluster, queries, cluster.runtime.clock.monotonicMs() + cluster.settings.requestTimeoutMs, isolation);
    for (const [index, { partition, generation, spec }] of asked.entries()) {
      const offset = found[index]?.offset ?? -1;
      if (partition.generation !== generation) continue;
      if (offset >= 0) partition.located(offset);
      else if (typeof spec === "object")
        partition.moveTo("end"); // no record is as late as the requested time
      else throw new KafkaProtocolError("OFFSET_NOT_AVAILABLE", `the place to begin in ${partition.topic}-${partition.partition}`);
    }
  }

  async #askEpochEnds(leader: number, partitions: readonly AssignedPartition[]): Promise<void> {
    const { cluster } = this.#parts;
    const epochOf = ({ topic, partition }: AssignedPartition) => cluster.metadata.partition(topic, partition)?.leaderEpoch ?? -1;
    const asked = partitions.map((partition) => ({
      partition,
      generation: partition.generation,
      leaderEpoch: epochOf(partition),
      // the old leader's last answer may yet arrive, with records after those that are asked about
      position: { offset: partition.fetchPosition, epoch: partition.fetchEpoch },
    }));
    const topics = [...Map.groupBy(asked, ({ partition }) => partition.topic)].map(([topic, ofTopic]) => ({
      topic,
      partitions: ofTopic.map(({ partition, leaderEpoch, position }) => ({
        partition: partition.partition,
        currentLeaderEpoch: leaderEpoch,
        leaderEpoch: position.epoch,
      })),
    }));
    const sent = asked.map(({ partition: { topic, partition }, leaderEpoch }) => ({ topic, partition, sentToEpoch: leaderEpoch }));
    const answer = await whileLeading(cluster, { broker: leader, partitions: sent, waitMs: 0 }, async (signal) => {
      const connection = await cluster.pool.toBroker(leader, "requests", signal);
      if (connection.versionOf(apis.offsetForLeaderEpoch) === null) return null;
      return connection.request(apis.offsetForLeaderEpoch, () => ({ replicaId: -1, topics }), { signal });
    });
    if (answer === null) {
      // the broker is too old for this request: nothing can be checked
      for (const { partition, leaderEpoch } of asked) partition.validated(leaderEpoch);
      return;
    }
    let failure: Error | null = null;
    for (const { partition, generation, leaderEpoch, position } of asked) {
      if (partition.generation !== generation) continue;
      const found = answer.topics
        .find(({ topic }) => topic === partition.topic)
        ?.partitions.find((p) => p.partition === partition.partition);
      if (found === undefined) failure = new UnsupportedApi("an answer to OffsetForLeaderEpoch leaves a partition out");
      else if (found.errorCode !== "NONE")
        failure = new KafkaProtocolError(found.errorCode, `validating ${partition.topic}-${partition.partition}`);
      else {
        partition.validated(leaderEpoch);
        this.#judge(partition, position, { epoch: found.leaderEpoch, endOffset: found.endOffset });
      }
    }
    if (failure !== null) throw failure;
  }

  #judge(partition: AssignedPartition, asked: AskedPosition, end: EpochEnd): void {
    const verdict = judgeEpochEnd(asked, end);
    if (verdict.kind === "truncated") this.#parts.onTruncated(partition, verdict);
  }
}
