import type { TopicPartition } from "../../protocol/base/ids.ts";
import type { RecordHeader } from "../../protocol/records/record.ts";
import { type ClientOptions, positive } from "../base/client-options.ts";
import { InvalidArgument } from "../base/errors.ts";
import { kindOf, shownValue } from "../base/kind-of.ts";
import { checkOptions, clientOptionNames, type OptionNames } from "../base/known-options.ts";
import type { ResetPolicy, StartPosition } from "../fetch/assigned-partition.ts";
import type { FetchSettings } from "../fetch/consumer-fetcher.ts";
import { type GroupOptions, groupOptionNames } from "../group/group-options.ts";
import { Cluster } from "../metadata/cluster.ts";
import { type Isolation, isolations } from "../metadata/offset-lookup.ts";
import type { Serde } from "../serialization/serde.ts";

/** Type parameters are the types of keys and values; they follow from the serdes. */
export interface ConsumerOptions<K, V> extends ClientOptions, GroupOptions {
  /** Turns bytes into keys. Default: bytes as they are (a Buffer). */
  readonly keySerde?: Pick<Serde<K>, "deserialize">;
  readonly valueSerde?: Pick<Serde<V>, "deserialize">;
  /**
   * Where to go when the group has committed no position, or the position is not in the log: its beginning, its end, or nowhere (iteration
   * fails with NoCommittedOffset, OffsetOutOfRange or LogTruncated). Default "latest".
   */
  readonly offsetReset?: ResetPolicy;
  /**
   * The iteration ends at the high watermarks as they were when the partitions were assigned, instead of waiting for more; in a group, once
   * its rebalance has finished. Default false.
   */
  readonly stopAtEnd?: boolean;
  /**
   * Fetched and not yet handed out, all partitions together; fetching pauses at this limit. Bytes as stored; default 32 MiB. One batch may
   * exceed it.
   */
  readonly prefetchBytesMax?: number;
  /** Largest answer of one broker. Bytes; default 16 MiB. */
  readonly fetchBytesMax?: number;
  /** The limit for one partition in it. Bytes; default 1 MiB. */
  readonly partitionBytesMax?: number;
  /** How long a broker waits for `fetchBytesMin` before it answers. Milliseconds; default 500. */
  readonly fetchWaitMaxMs?: number;
  /** Default 1: answer as soon as there is anything. */
  readonly fetchBytesMin?: number;
  /**
   * What one compressed batch may decompress to. Bytes; default 64 MiB. One batch at a time is decompressed, and its records are decoded
   * one by one.
   */
  readonly decompressedBytesMax?: number;
  /** False skips checking each batch's CRC. Default true. */
  readonly checkCrc?: boolean;
  /**
   * Where this process runs, as the brokers name it in `broker.rack`: records are read from an in-sync follower there, if the brokers allow
   * it (`replica.selector.class`), and from the leader otherwise. Default: from the leader.
   */
  readonly rack?: string;
  /**
   * "read_committed": of what was written in transactions only what is committed, and nothing beyond the first transaction that is still
   * open, so that all comes in the order of the log. Default "read_uncommitted": everything as it was written, aborted or not.
   */
  readonly isolation?: Isolation;
}

const optionNames: OptionNames<ConsumerOptions<unknown, unknown>> = {
  ...clientOptionNames,
  ...groupOptionNames,
  keySerde: true,
  valueSerde: true,
  offsetReset: true,
  stopAtEnd: true,
  prefetchBytesMax: true,
  fetchBytesMax: true,
  partitionBytesMax: true,
  fetchWaitMaxMs: true,
  fetchBytesMin: true,
  decompressedBytesMax: true,
  checkCrc: true,
  rack: true,
  isolation: true,
};

/** Throws InvalidArgument for options that a consumer does not have. */
export function consumerCluster<K, V>(options: ConsumerOptions<K, V>): Cluster {
  checkOptions("Consumer", options, optionNames);
  return new Cluster(options, { kind: "consumer", mayCreateTopics: false });
}

export interface ConsumerSettings extends FetchSettings {
  readonly stopAtEnd: boolean;
  readonly decompressedBytesMax: number;
}

export function consumerSettings<K, V>(options: ConsumerOptions<K, V>, requestTimeoutMs: number): ConsumerSettings {
  const mebibyte = 1024 * 1024;
  const settings: ConsumerSettings = {
    offsetReset: options.offsetReset ?? "latest",
    stopAtEnd: options.stopAtEnd ?? false,
    prefetchBytesMax: positive("prefetchBytesMax", options.prefetchBytesMax ?? 32 * mebibyte),
    fetchBytesMax: positive("fetchBytesMax", options.fetchBytesMax ?? 16 * mebibyte),
    partitionBytesMax: positive("partitionBytesMax", options.partitionBytesMax ?? mebibyte),
    fetchWaitMaxMs: positive("fetchWaitMaxMs", options.fetchWaitMaxMs ?? 500, 0),
    fetchBytesMin: positive("fetchBytesMin", options.fetchBytesMin ?? 1, 0),
    decompressedBytesMax: positive("decompressedBytesMax", options.decompressedBytesMax ?? 64 * mebibyte),
    checkCrc: options.checkCrc ?? true,
    rack: options.rack ?? "",
    isolation: options.isolation ?? "read_uncommitted",
  };
  if (!["earliest", "latest", "none"].includes(settings.offsetReset))
    throw new InvalidArgument(`offsetReset is ${settings.offsetReset}: earliest, latest and none are possible`);
  if (!isolations.includes(settings.isolation))
    throw new InvalidArgument(`isolation is ${shownValue(settings.isolation)}: ${isolations.join(" and ")} are possible`);
  if (typeof settings.rack !== "string") throw new InvalidArgument(`rack is ${kindOf(settings.rack)}, a text is needed`);
  if (settings.fetchWaitMaxMs >= requestTimeoutMs) throw new InvalidArgument("fetchWaitMaxMs must be below requestTimeoutMs");
  return settings;
}

/** A record as the consumer hands it out. */
export interface ConsumerRecord<K = Buffer, V = Buffer> {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** Milliseconds since 1970; -1: none. */
  readonly timestampMs: number;
  readonly key: K | null;
  readonly value: V | null;
  readonly headers: readonly RecordHeader[];
  /** Of the leader that wrote it. */
  readonly leaderEpoch: number;
}

/** Records of one partition, in order: of one stored batch, or for `runBatches` those that are there. */
export interface ConsumerBatch<K = Buffer, V = Buffer> extends TopicPartition {
  /** Never empty. */
  readonly records: readonly ConsumerRecord<K, V>[];
  /** Of the log as of the fetch. */
  readonly highWatermark: number;
}

/** What to read: one partition, or with `partition` left out all present partitions of the topic. */
export interface Assignment {
  readonly topic: string;
  readonly partition?: number;
  /** Default "end". */
  readonly from?: StartPosition;
  /**
   * The iteration leaves the partition here (the record there is not read any more), or where the partition ended when it was assigned,
   * whichever comes first. It ends when it has left every partition. Default: it goes on, unless `stopAtEnd` says otherwise.
   */
  readonly until?: StartPosition;
}

/** The present state of an assigned partition. */
export interface AssignmentState extends TopicPartition {
  /** Offset of the next record; -1 while it is being looked up. */
  readonly position: number;
  /** End of what is committed, as of the last fetch; -1 before. */
  readonly highWatermark: number;
  /** The same, or with `isolation` "read_committed" where the first open transaction begins: what may be read ends there. */
  readonly readableEnd: number;
  /** First offset in the log, as of the last fetch; -1 before. */
  readonly logStartOffset: number;
  /** Records from the position on that may be read now; -1 while position or end is unknown. */
  readonly lag: number;
  readonly isPaused: boolean;
  /** Where the iteration leaves it, exclusive: by `until` or `stopAtEnd`; null: it goes on. */
  readonly until: number | null;
}

const places = '"beginning", "end", {offset: 42} or {timestampMs: 1767225600000}';

/** Throws InvalidArgument for what is no place in a log. */
export function checkStart(from: StartPosition): void {
  if (from === "beginning" || from === "end") return;
  const at = typeof from === "object" && from !== null ? ("offset" in from ? from.offset : from.timestampMs) : Number.NaN;
  if (!Number.isSafeInteger(at) || at < 0) throw new InvalidArgument(`${JSON.stringify(from)} is no place in a log: it is ${places}`);
}

/** Throws InvalidArgument for what names no partitions, or no place in them. */
export function checkAssignments(assignments: readonly Assignment[]): void {
  const form = "assign takes a list, as in assign([{topic, partition, from}])";
  if (!Array.isArray(assignments)) throw new InvalidArgument(`${kindOf(assignments)} names no partitions: ${form}`);
  for (const each of assignments) {
    if (typeof each?.topic !== "string" || each.topic === "") throw new InvalidArgument(`an assignment needs a topic: ${form}`);
    if (each.partition !== undefined && !Number.isInteger(each.partition))
      throw new InvalidArgument(`${shownValue(each.partition)} is no partition: ${form}`);
    if (each.from !== undefined) checkStart(each.from);
    if (each.until !== undefined) checkStart(each.until);
  }
}
