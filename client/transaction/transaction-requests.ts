import { sleep } from "../../protocol/base/clock.ts";
import { partitionKey, type TopicPartition } from "../../protocol/base/ids.ts";
import { isRetriable, type KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import { batchedAddPartitionsVersion } from "../../protocol/messages/add-partitions-to-txn.ts";
import { apis, type MessagePair } from "../../protocol/messages/apis.ts";
import { raisedEpochVersion } from "../../protocol/messages/end-txn.ts";
import {
  addingOffsetsVersion,
  type TxnOffsetCommitRequest,
  type TxnOffsetCommitResponse,
} from "../../protocol/messages/txn-offset-commit.ts";
import { noProducerId } from "../../protocol/records/batch-header.ts";
import { isRetriableFailure, KafkaProtocolError, UnsupportedApi } from "../base/errors.ts";
import { groupCoordinator, transactionCoordinator } from "../coordinator/coordinated.ts";
import { CoordinatorLink, type CoordinatorRequest } from "../coordinator/coordinator-link.ts";
import type { GroupMetadata, TransactionPosition } from "../coordinator/group-metadata.ts";
import type { Cluster } from "../metadata/cluster.ts";
import { RefreshPace } from "../metadata/refresh-pace.ts";
import { offeredVersion, type TransactionVersion } from "./transaction-version.ts";

/** A producer as its transactions' coordinator knows it. */
export interface TransactionIdentity {
  readonly producerId: number;
  readonly producerEpoch: number;
}

export interface Patience {
  /** Monotonic. */
  readonly deadlineMs: number;
  /** False: it is not tried again. */
  readonly isWanted?: () => boolean;
  /** The request goes out now. */
  readonly onSent?: () => void;
  /** It failed, and may be tried again. */
  readonly onFailure?: (error: unknown) => void;
}

/** The transaction before is being ended: that takes milliseconds. */
const concurrentPauseMs = 20;

/** The requests of transactions, each retried until it succeeds, fails for good or its time is up. */
export class TransactionRequests {
  readonly #cluster: Cluster;
  readonly #transactionalId: string;
  readonly #timeoutMs: number;
  readonly #link: CoordinatorLink;
  /** To the coordinator of the group that positions were last sent for: mostly there is one. */
  #group: { readonly id: string; readonly link: CoordinatorLink } | null = null;
  #offered: TransactionVersion = 1;

  constructor(cluster: Cluster, transactionalId: string, timeoutMs: number) {
    this.#cluster = cluster;
    this.#transactionalId = transactionalId;
    this.#timeoutMs = timeoutMs;
    this.#link = new CoordinatorLink(cluster, transactionCoordinator(transactionalId));
  }

  /** What the coordinator offered when it was last asked for anything. */
  get offered(): TransactionVersion {
    return this.#offered;
  }

  /**
   * The id and epoch to write under. Without `present` every other producer of the transactional id is fenced; with it the epoch is raised
   * only if no other producer has begun meanwhile. What was open is aborted.
   */
  async initialize(present: TransactionIdentity | null, patience: Patience): Promise<TransactionIdentity> {
    const { producerId, producerEpoch } = present ?? { producerId: noProducerId, producerEpoch: -1 };
    const build = () => ({
      transactionalId: this.#transactionalId,
      transactionTimeoutMs: this.#timeoutMs,
      producerId,
      producerEpoch,
      enable2Pc: false,
      keepPreparedTxn: false,
    });
    const answer = await this.#ask(apis.initProducerId, build, { errorOf: ({ errorCode }) => errorCode }, patience);
    return { producerId: answer.producerId, producerEpoch: answer.producerEpoch };
  }

  /** Version 1: before the first batch to each of these partitions. */
  async addPartitions(identity: TransactionIdentity, partitions: readonly TopicPartition[], patience: Patience): Promise<void> {
    const topics = byTopic(partitions).map(([name, ofTopic]) => ({ name, partitions: ofTopic.map(({ partition }) => partition) }));
    const build = () => ({
      transactions: [],
      v3AndBelowTransactionalId: this.#transactionalId,
      v3AndBelowProducerId: identity.producerId,
      v3AndBelowProducerEpoch: identity.producerEpoch,
      v3AndBelowTopics: topics,
    });
    const wanted = new Set(partitions.map(({ topic, partition }) => partitionKey(topic, partition)));
    await this.#ask(
      apis.addPartitionsToTxn,
      build,
      {
        versionMax: batchedAddPartitionsVersion - 1,
        errorOf: ({ resultsByTopicV3AndBelow }) => {
          const results = resultsByTopicV3AndBelow.flatMap(({ name, resultsByPartition }) =>
            resultsByPartition.map((each) => ({ key: partitionKey(name, each.partitionIndex), code: each.partitionErrorCode })),
          );
          return worstOf(results, wanted);
        },
      },
      patience,
    );
  }

  /** Version 1: before the first positions of each group. */
  async addOffsets(identity: TransactionIdentity, groupId: string, patience: Patience): Promise<void> {
    const build = () => ({ transactionalId: this.#transactionalId, ...identity, groupId });
    await this.#ask(apis.addOffsetsToTxn, build, { errorOf: ({ errorCode }) => errorCode }, patience);
  }

  async commitOffsets(
    { identity, version }: { readonly identity: TransactionIdentity; readonly version: TransactionVersion },
    group: GroupMetadata,
    positions: readonly TransactionPosition[],
    patience: Patience,
  ): Promise<void> {
    const request = offsetsRequest(this.#transactionalId, identity, group, positions);
    const build = (served: number) => {
      if (version === 2 && served < addingOffsetsVersion)
        throw new UnsupportedApi(`the coordinator of group ${group.groupId} does not know transactions of version 2`);
      return request;
    };
    const wanted = new Set(positions.map(({ topic, partition }) => partitionKey(topic, partition)));
    const options = {
      errorOf: (answer: TxnOffsetCommitResponse) => offsetsError(answer, wanted),
      ...(version === 1 ? { versionMax: addingOffsetsVersion - 1 } : {}),
    };
    if (this.#group?.id !== group.groupId)
      this.#group = { id: group.groupId, link: new CoordinatorLink(this.#cluster, groupCoordinator(group.groupId)) };
    await this.#retry(this.#group.link, apis.txnOffsetCommit, build, options, patience);
  }

  /** Returns the identity of the next transaction: with version 2 another one. */
  async end(
    { identity, version }: { readonly identity: TransactionIdentity; readonly version: TransactionVersion },
    how: "commit" | "abort",
    patience: Patience,
  ): Promise<TransactionIdentity> {
    const build = (served: number) => {
      if (version === 2 && served < raisedEpochVersion)
        throw new KafkaProtocolError(
          "COORDINATOR_NOT_AVAILABLE",
          `ending a transaction of ${this.#transactionalId}`,
          "it is an older broker",
        );
      return { transactionalId: this.#transactionalId, ...identity, committed: how === "commit" };
    };
    const versionMax = version === 1 ? { versionMax: raisedEpochVersion - 1 } : {};
    const answer = await this.#ask(apis.endTxn, build, { errorOf: ({ errorCode }) => errorCode, ...versionMax }, patience);
    return answer.producerId < 0 ? identity : { producerId: answer.producerId, producerEpoch: answer.producerEpoch };
  }

  #ask<Req, Res>(
    api: MessagePair<Req, Res>,
    build: (version: number) => Req,
    options: CoordinatorRequest<Res>,
    patience: Patience,
  ): Promise<Res> {
    return this.#retry(this.#link, api, build, options, patience, true);
  }

  async #retry<Req, Res>(
    link: CoordinatorLink,
    api: MessagePair<Req, Res>,
    build: (version: number) => Req,
    options: CoordinatorRequest<Res>,
    { deadlineMs, isWanted = () => true, onSent, onFailure }: Patience,
    isOfTransactions = false,
  ): Promise<Res> {
    const { runtime, settings, signal } = this.#cluster;
    const { clock, random } = runtime;
    const onCoordinator: CoordinatorRequest<Res>["onCoordinator"] = (connection) => {
      if (isOfTransactions) this.#offered = offeredVersion(connection);
      onSent?.();
    };
    const pace = new RefreshPace(settings);
    return link.waits.until(async (failed) => {
      for (;;) {
        pace.begins(clock.monotonicMs());
        try {
          return await link.request(api, build, { ...options, onCoordinator, signal });
        } catch (error) {
          onFailure?.(error);
          const isConcurrent = error instanceof KafkaProtocolError && error.code === "CONCURRENT_TRANSACTIONS";
          const pauseMs = isConcurrent ? concurrentPauseMs : pace.pauseMs(clock.monotonicMs(), random);
          if (!isRetriableFailure(error) || !isWanted() || clock.monotonicMs() + pauseMs >= deadlineMs) throw error;
          if (!isConcurrent) failed(error, { deadlineMs });
          await sleep(clock, pauseMs, signal);
          if (!isWanted()) throw error;
        }
      }
    });
  }
}

function offsetsRequest(
  transactionalId: string,
  identity: TransactionIdentity,
  { groupId, memberId, generation, groupInstanceId }: GroupMetadata,
  positions: readonly TransactionPosition[],
): TxnOffsetCommitRequest {
  return {
    transactionalId,
    groupId,
    ...identity,
    generationIdOrMemberEpoch: generation,
    memberId,
    groupInstanceId,
    topics: byTopic(positions).map(([name, ofTopic]) => ({
      name,
      partitions: ofTopic.map(({ partition, offset, leaderEpoch = -1, metadata = "" }) => ({
        partitionIndex: partition,
        committedOffset: offset,
        committedLeaderEpoch: leaderEpoch,
        committedMetadata: metadata,
      })),
    })),
  };
}

function offsetsError({ topics }: TxnOffsetCommitResponse, wanted: ReadonlySet<string>): KafkaErrorCode {
  const results = topics.flatMap(({ name, partitions }) =>
    partitions.map(({ partitionIndex, errorCode }) => ({ key: partitionKey(name, partitionIndex), code: errorCode })),
  );
  return worstOf(results, wanted);
}

function byTopic<P extends TopicPartition>(partitions: readonly P[]): readonly (readonly [string, readonly P[]])[] {
  return [...Map.groupBy(partitions, ({ topic }) => topic)];
}

/**
 * The error that decides about all: where some partitions can be tried again and others cannot, it is one of those; that others were not
 * tried for its sake comes last. An answer that leaves out what was asked is one, too.
 */
export function worstOf(
  results: readonly { readonly key: string; readonly code: KafkaErrorCode }[],
  wanted: ReadonlySet<string>,
): KafkaErrorCode {
  const codes = results.map(({ code }) => code).filter((code) => code !== "NONE");
  const isLasting = (code: KafkaErrorCode) => code !== "OPERATION_NOT_ATTEMPTED" && !isRetriable(code);
  const worst = codes.find(isLasting) ?? codes.find((code) => code !== "OPERATION_NOT_ATTEMPTED") ?? codes[0];
  if (worst !== undefined) return worst;
  const answered = new Set(results.map(({ key }) => key));
  return [...wanted].every((key) => answered.has(key)) ? "NONE" : "UNKNOWN_SERVER_ERROR";
}
