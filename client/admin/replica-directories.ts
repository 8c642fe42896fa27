import type { BrokerId, TopicPartition } from "../../protocol/base/ids.ts";
import { apis } from "../../protocol/messages/apis.ts";
import { KafkaProtocolError } from "../base/errors.ts";
import { byTopic } from "../group/partition-assignor.ts";
import type { Cluster } from "../metadata/cluster.ts";
import type { ItemResult } from "./admin-types.ts";

export interface ReplicaInDirectory extends TopicPartition {
  readonly sizeInBytes: number;
  /** Records behind the high watermark, or, of a copy in progress, behind the log's end; -1: the broker does not know. */
  readonly offsetLag: number;
  /** A copy in progress of a replica in another directory of that broker, which it will replace. */
  readonly isFuture: boolean;
}

export interface LogDirectoryDescription {
  readonly directory: string;
  /** Why it cannot be used; null: it can. */
  readonly error: KafkaProtocolError | null;
  /** Of the file system; -1: the broker does not know. */
  readonly totalBytes: number;
  readonly usableBytes: number;
  readonly replicas: readonly ReplicaInDirectory[];
}

export interface BrokerLogDirectories {
  readonly broker: BrokerId;
  readonly directories: readonly LogDirectoryDescription[];
}

export interface ReplicaMove extends TopicPartition {
  readonly broker: BrokerId;
  /** As written in that broker's `log.dirs`. */
  readonly directory: string;
}

/** Each broker answers, or fails, on its own. `brokers` null: all live brokers. `only`: replicas of these partitions; null: all. */
export async function describeLogDirectories(
  cluster: Cluster,
  { brokers, only }: { readonly brokers: readonly BrokerId[] | null; readonly only: readonly TopicPartition[] | null },
  deadlineMs: number,
): Promise<readonly ItemResult<BrokerLogDirectories>[]> {
  await cluster.retrying(deadlineMs, () => cluster.metadata.refresh());
  const topics = only === null ? null : byTopic(only);
  const alive = [...cluster.metadata.snapshot.brokers.keys()].sort((a, b) => a - b);
  const describe = (broker: BrokerId) =>
    asked(cluster, broker, deadlineMs, { broker }, async (connection) => {
      const { errorCode, results } = await connection.request(apis.describeLogDirs, () => ({ topics }));
      if (errorCode !== "NONE") throw new KafkaProtocolError(errorCode, `log directories of broker ${broker}`);
      const directories = results.map((result): LogDirectoryDescription => {
        const { logDir, totalBytes, usableBytes, topics } = result;
        const error =
          result.errorCode === "NONE" ? null : new KafkaProtocolError(result.errorCode, `log directory ${logDir} of broker ${broker}`);
        const replicas = topics.flatMap(({ name, partitions }) =>
          partitions.map(({ partitionIndex, partitionSize, offsetLag, isFutureKey }) => {
            return { topic: name, partition: partitionIndex, sizeInBytes: partitionSize, offsetLag, isFuture: isFutureKey };
          }),
        );
        return { directory: logDir, error, totalBytes, usableBytes, replicas };
      });
      return { broker, directories };
    });
  return Promise.all((brokers ?? alive).map(describe));
}

/** Each move is started, or refused, on its own; `describeLogDirectories` shows its progress. */
export async function alterReplicaLogDirectories(
  cluster: Cluster,
  moves: readonly ReplicaMove[],
  deadlineMs: number,
): Promise<readonly ItemResult<ReplicaMove>[]> {
  await cluster.retrying(deadlineMs, () => cluster.metadata.refresh());
  return Promise.all(
    moves.map((move) => {
      const { broker, topic, partition, directory } = move;
      return asked(cluster, broker, deadlineMs, move, async (connection) => {
        const dirs = [{ path: directory, topics: [{ name: topic, partitions: [partition] }] }];
        const { results } = await connection.request(apis.alterReplicaLogDirs, () => ({ dirs }));
        const code = results[0]?.partitions[0]?.errorCode ?? "UNKNOWN_SERVER_ERROR";
        if (code !== "NONE") throw new KafkaProtocolError(code, `moving ${topic}-${partition} of broker ${broker} to ${directory}`);
        return move;
      });
    }),
  );
}

async function asked<T extends object>(
  cluster: Cluster,
  broker: BrokerId,
  deadlineMs: number,
  which: Partial<T>,
  ask: (connection: Awaited<ReturnType<Cluster["connection"]>>) => Promise<T>,
): Promise<ItemResult<T>> {
  if (!cluster.metadata.snapshot.brokers.has(broker))
    return {
      ...which,
      error: new KafkaProtocolError("BROKER_NOT_AVAILABLE", `broker ${broker}`, "no broker of this id lives"),
    } as ItemResult<T>;
  try {
    return { ...(await cluster.retrying(deadlineMs, async () => ask(await cluster.pool.toBroker(broker)))), error: null };
  } catch (error) {
    if (!(error instanceof KafkaProtocolError)) throw error;
    return { ...which, error } as ItemResult<T>;
  }
}
