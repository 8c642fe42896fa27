import type { Clock } from "../../protocol/base/clock.ts";
import type { TopicPartition } from "../../protocol/base/ids.ts";
import { zeroTopicId } from "../../protocol/base/ids.ts";
import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import type { ClusterImage, ImageSource } from "../cluster/cluster-image.ts";
import type { ChangeSource, ConsumerRead, FollowerLookup, LeaderLookup, NoLeader, ReadingLeader } from "../partition/client-contract.ts";
import type { CloseBy } from "./close-by.ts";
import type { AnsweredPartition, PartitionAnswer, WantedPartition } from "./fetch-session.ts";
import { asMetadataSays, noLeaderHint } from "./leader-hints.ts";
import type { KeptMemory, RequestMeter } from "./request-meter.ts";

export interface FetchParts {
  readonly partitions: LeaderLookup<ReadingLeader> & FollowerLookup & ChangeSource;
  readonly images: Pick<ImageSource, "current">;
  readonly clock: Clock;
}

/** A fetch in progress. */
interface Reading extends FetchParts {
  readonly meter: Pick<RequestMeter, "reserve" | "settle" | "fetchWaits" | "whenSent">;
  /** Aborts when the client is gone. */
  readonly signal: AbortSignal;
}

export interface FetchBounds {
  /** In bytes, over all partitions; only the first batch may exceed it. */
  readonly maxBytes: number;
  /** In bytes: with fewer, and nothing else to report, the answer waits. */
  readonly minBytes: number;
  readonly maxWaitMs: number;
  readonly readCommitted: boolean;
  /** The request's version is older than zstd (KIP-110). */
  readonly withoutZstd: boolean;
  /** Null: leaders serve it, and no others. */
  readonly closeBy: CloseBy | null;
}

interface Round {
  readonly answers: readonly AnsweredPartition[];
  readonly sizeInBytes: number;
  /** An error, a divergence or another replica to read from, which the client should get now. */
  readonly isUrgent: boolean;
  /** Partitions that were read, to wait on. */
  readonly refs: readonly TopicPartition[];
  /** Memory of the answers, counted. */
  readonly heldBytes: number;
  /** To be released when the answers are sent, or not kept. */
  readonly kept: readonly KeptMemory[];
  /** The answers were not kept. */
  readonly isDropped: boolean;
}

/**
 * Reads until there is enough, something urgent, no time left, or no client. A change between a read and the start of the wait would be
 * missed, so each wait starts before the read that decides whether it is needed. What was read before a wait is not kept for its end.
 */
export async function readUntilEnough(
  wanted: ReadonlyMap<string, WantedPartition>,
  bounds: FetchBounds,
  reading: Reading,
): Promise<readonly AnsweredPartition[]> {
  const { clock, partitions, signal } = reading;
  const deadlineMs = clock.monotonicMs() + bounds.maxWaitMs;
  let round = await readOnce(wanted, bounds, reading, deadlineMs);
  while (!isEnough(round, bounds) && clock.monotonicMs() < deadlineMs && !signal.aborted) {
    const wait = beginWait(partitions, round.refs, deadlineMs, signal);
    try {
      drop(round, reading);
      round = await readOnce(wanted, bounds, reading, deadlineMs);
      if (isEnough(round, bounds)) break;
      round = drop(round, reading);
      reading.meter.fetchWaits();
      await wait.changed;
    } finally {
      wait.end();
    }
  }
  // what came too late to wake us, or was too little, is answered at the end all the same
  if (round.isDropped && !signal.aborted) round = await readOnce(wanted, bounds, reading, deadlineMs);
  for (const one of round.kept) reading.meter.whenSent(one);
  return round.answers;
}

/** To be ended, whatever happened: else the partitions keep it until its deadline. */
function beginWait(partitions: ChangeSource, refs: readonly TopicPartition[], deadlineMs: number, outer: AbortSignal) {
  const stop = new AbortController();
  const abort = () => stop.abort();
  outer.addEventListener("abort", abort, { once: true });
  return {
    changed: partitions.changed(refs, deadlineMs, stop.signal),
    end() {
      outer.removeEventListener("abort", abort);
      stop.abort();
    },
  };
}

function isEnough({ sizeInBytes, isUrgent, refs }: Round, { minBytes }: FetchBounds): boolean {
  return isUrgent || sizeInBytes >= minBytes || refs.length === 0;
}

/** What was read is released before the next read, after a wait or at once. */
function drop(round: Round, { meter }: Reading): Round {
  meter.settle(round.heldBytes, 0);
  for (const { release } of round.kept) release();
  return { ...round, answers: [], kept: [], heldBytes: 0, sizeInBytes: 0, isDropped: true };
}

/**
 * Every partition once, in order: the bytes left shrink from one to the next, and only the first batch of all may exceed them. While memory
 * is short, the answer is smaller too.
 */
async function readOnce(
  wanted: ReadonlyMap<string, WantedPartition>,
  bounds: FetchBounds,
  parts: Reading,
  deadlineMs: number,
): Promise<Round> {
  const answers: AnsweredPartition[] = [];
  const refs: TopicPartition[] = [];
  const kept: KeptMemory[] = [];
  let sizeInBytes = 0;
  let heldBytes = 0;
  let isUrgent = false;
  for (const [key, one] of wanted) {
    const located = locate(parts.images.current, one);
    if (located.error !== null) {
      answers.push({ key, wanted: one, answer: errorAnswer(one.partition, located.error, bounds.readCommitted) });
      isUrgent = true;
      continue;
    }
    const { ref } = located;
    const named = ref.topic === one.topic ? one : { ...one, topic: ref.topic };
    refs.push(ref);
    const reservedBytes = parts.meter.reserve(Math.max(0, Math.min(one.maxBytes, bounds.maxBytes - sizeInBytes)));
    const reader = readerOf(ref, bounds.closeBy, parts.partitions);
    const near = bounds.closeBy?.near ?? [];
    const { fetchOffset, currentLeaderEpoch, lastFetchedEpoch } = one;
    const options = { fetchOffset, currentLeaderEpoch, lastFetchedEpoch, maxBytes: reservedBytes, minOneBatch: sizeInBytes === 0, near };
    const outcome =
      typeof reader === "string"
        ? { error: reader }
        : await reader.read({ ...options, withoutZstd: bounds.withoutZstd, trustsRemembered: true, committedOnly: bounds.readCommitted });
    const bytes = outcome.error === null ? (outcome.keptBytes ?? outcome.sizeInBytes) + abortedBytes(outcome) : 0;
    parts.meter.settle(reservedBytes, bytes);
    heldBytes += bytes;
    if (outcome.error === null) {
      sizeInBytes += outcome.sizeInBytes;
      isUrgent ||= outcome.diverging !== null || outcome.preferredReadReplica !== undefined;
      if (outcome.release !== undefined) kept.push({ bytes, release: outcome.release });
      answers.push({ key, wanted: named, answer: readAnswer(one.partition, outcome, bounds.readCommitted) });
    } else if ("isExpectedSoon" in outcome && outcome.meanwhile !== null && parts.clock.monotonicMs() < deadlineMs) {
      answers.push({ key, wanted: named, answer: readAnswer(one.partition, outcome.meanwhile, bounds.readCommitted) });
    } else {
      isUrgent ||= !("isExpectedSoon" in outcome);
      const error = asMetadataSays(parts.images.current, ref, outcome.error);
      answers.push({ key, wanted: named, answer: errorAnswer(one.partition, error, bounds.readCommitted) });
    }
  }
  return { answers, sizeInBytes, heldBytes, isUrgent, refs, kept, isDropped: false };
}

/** The leader, or where the client reads close by, a follower. */
function readerOf(ref: TopicPartition, close: CloseBy | null, partitions: FetchParts["partitions"]): ReadingLeader | NoLeader {
  const leader = partitions.leader(ref);
  return typeof leader === "string" && close !== null ? (partitions.follower(ref) ?? leader) : leader;
}

type Located = { readonly error: null; readonly ref: TopicPartition } | { readonly error: KafkaError };

/** The partition's current name. An id that no topic has any more, while another topic has its former name, is INCONSISTENT_TOPIC_ID. */
function locate(image: ClusterImage, { topic, topicId, partition }: WantedPartition): Located {
  const name = topicId === zeroTopicId ? topic : image.topicNames.get(topicId);
  if (name !== undefined && name !== null) return { error: null, ref: { topic: name, partition } };
  return { error: topic !== null && image.topics.has(topic) ? "INCONSISTENT_TOPIC_ID" : "UNKNOWN_TOPIC_ID" };
}

/** An entry of the list of aborted transactions, as an object and in the answer. */
const abortedEntryBytes = 80;

function abortedBytes({ aborted = [] }: ConsumerRead): number {
  return aborted.length * abortedEntryBytes;
}

function readAnswer(partitionIndex: number, read: ConsumerRead, readCommitted: boolean): PartitionAnswer {
  return {
    ...errorAnswer(partitionIndex, "NONE", readCommitted),
    highWatermark: read.highWatermark,
    lastStableOffset: read.lastStableOffset,
    abortedTransactions: readCommitted ? byBeginning(read.aborted ?? []) : null,
    logStartOffset: read.logStartOffset,
    divergingEpoch: read.diverging ?? noDivergence,
    preferredReadReplica: read.preferredReadReplica ?? -1,
    records: read.chunks,
  };
}

/**
 * The log has them in the order of their ends, as Kafka answers them. Most clients sort them; kafkajs looks at the first one only and,
 * where one that began later ended before, would hand out records of the others.
 */
function byBeginning(aborted: NonNullable<ConsumerRead["aborted"]>): NonNullable<ConsumerRead["aborted"]> {
  return aborted.toSorted((a, b) => a.firstOffset - b.firstOffset);
}

const noDivergence = { epoch: -1, endOffset: -1 } as const;

export function errorAnswer(partitionIndex: number, errorCode: PartitionAnswer["errorCode"], readCommitted: boolean): PartitionAnswer {
  return {
    partitionIndex,
    errorCode,
    highWatermark: -1,
    lastStableOffset: -1,
    logStartOffset: -1,
    divergingEpoch: noDivergence,
    currentLeader: noLeaderHint,
    snapshotId: { endOffset: -1, epoch: -1 },
    abortedTransactions: readCommitted ? [] : null,
    preferredReadReplica: -1,
    records: [],
  };
}
