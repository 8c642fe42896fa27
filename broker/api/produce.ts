import { partitionKey, type TopicPartition } from "../../protocol/base/ids.ts";
import type { KafkaError, Outcome } from "../../protocol/errors/kafka-errors.ts";
import { type ProduceRequest, type ProduceResponse, produceRequest, produceResponse } from "../../protocol/messages/produce.ts";
import { attributeBits, batchHeaderBytes, currentMagic, fieldAt } from "../../protocol/records/batch-header.ts";
import type { ClusterImage, ImageSource } from "../cluster/cluster-image.ts";
import type { AppendingLeader, AppendOptions, AppendOutcome, LeaderLookup } from "../partition/client-contract.ts";
import { isInternalTopic } from "../runtime/topic-names.ts";
import { type Api, boundedWaitMs, CloseConnection, type RequestContext } from "./api.ts";
import { asMetadataSays, LeaderHints } from "./leader-hints.ts";
import { type Entrance, type FoundBatch, type FoundTransaction, findTransaction, type TransactionGate } from "./transaction-gate.ts";

type PartitionResponse = ProduceResponse["responses"][number]["partitionResponses"][number];

/** The client id of Kafka's own repair tools; no other client writes to the internal topics. */
const repairClientId = "__admin_client";

const closedTopic = { error: "INVALID_TOPIC_EXCEPTION" } as const;

export interface ProduceParts {
  readonly partitions: LeaderLookup<AppendingLeader>;
  readonly images: Pick<ImageSource, "current">;
  readonly gate: Pick<TransactionGate, "enter">;
}

/** What a request says of all its batches. */
interface Wanted {
  readonly version: number;
  readonly mayWriteInternal: boolean;
  /** Null: acks are not what they may be. */
  readonly options: AppendOptions | null;
  /** By `topic-3`: of batches that belong to a transaction. */
  readonly entrances: ReadonlyMap<string, Entrance>;
}

const noEntrances: ReadonlyMap<string, Entrance> = new Map();

/**
 * Behavior: passes each partition's batch to its log in the request's order and in the turn in which the request is served, so that a
 * connection's requests reach the logs in the order in which they were sent; then waits for all of them. The first batch of a transaction
 * in a partition waits for the transaction coordinator, and what its producer sends meanwhile waits behind it. The internal topics are
 * closed to clients (INVALID_TOPIC_EXCEPTION). acks other than 0, 1 and -1 is INVALID_REQUIRED_ACKS. With acks=0 there is no answer; a
 * failure closes the connection.
 * Version notes: zstd since 7 (KIP-110); error messages and the invalid records since 8 (KIP-467); since 10 a leadership error comes with
 * the new leader and its address (KIP-951); TRANSACTION_ABORTABLE since 11; since 12 a partition joins the transaction by being written to
 * (KIP-890).
 */
export function produceApi({ partitions, images, gate }: ProduceParts): Api<ProduceRequest, ProduceResponse> {
  const append = (
    ref: TopicPartition,
    records: readonly Buffer[] | null,
    { version, mayWriteInternal, options, entrances }: Wanted,
  ): AppendOutcome | Promise<AppendOutcome> => {
    if (options === null) return { error: "INVALID_REQUIRED_ACKS" };
    const checked = isInternalTopic(ref.topic) && !mayWriteInternal ? closedTopic : batchIn(records, version);
    if (checked.error !== null) return refused(checked, options);
    const leader = partitions.leader(ref);
    if (typeof leader === "string") return refused({ error: leader }, options);
    const entrance = entrances.size === 0 ? undefined : entrances.get(partitionKey(ref.topic, ref.partition));
    if (entrance === undefined) return leader.append(checked.batch, options);
    return entrance.error === null ? leader.append(checked.batch, { ...options, guard: entrance.guard }) : refused(entrance, options);
  };
  const begin = (request: ProduceRequest, wanted: Wanted): TopicBegun[] =>
    request.topicData.map(({ name, partitionData }) => {
      const parts = partitionData.map(({ index, records }) => ({
        index,
        outcome: append({ topic: name, partition: index }, records, wanted),
      }));
      return { name, parts };
    });
  /** In this turn, unless a transaction must be asked about first. */
  const enter = (request: ProduceRequest, { apiVersion, clientId, meter }: RequestContext): TopicBegun[] | Promise<TopicBegun[]> => {
    const options = appendOptions(request, () => meter.releaseRequest());
    const wanted = { version: apiVersion, mayWriteInternal: clientId === repairClientId, options, entrances: noEntrances };
    const found = findTransaction(request.transactionalId, batchesOf(request), apiVersion);
    if (found.kind === "none") return begin(request, wanted);
    if (found.kind === "refused") return begin(request, { ...wanted, entrances: refusedEverywhere(request, found) });
    return new Promise((resolve) => gate.enter(found.transaction, (entrances) => resolve(begin(request, { ...wanted, entrances }))));
  };
  return {
    request: produceRequest,
    response: produceResponse,
    // waiting for replicas may take longer than the records' bytes are needed: nothing here may hold on to them
    handle(request, context) {
      const { acks } = request;
      const { listener } = context;
      return outcomesOf(enter(request, context)).then((outcomes) =>
        acks === 0 ? noAnswer(outcomes) : buildResponse(outcomes, images.current, listener),
      );
    },
  };
}

async function outcomesOf(begun: TopicBegun[] | Promise<TopicBegun[]>): Promise<TopicOutcomes[]> {
  return settled(begun instanceof Promise ? await begun : begun);
}

function* batchesOf({ topicData }: ProduceRequest): Generator<FoundBatch> {
  for (const { name: topic, partitionData } of topicData)
    for (const { index: partition, records } of partitionData) {
      const [first] = records ?? [];
      if (first !== undefined) yield { ref: { topic, partition }, batch: first };
    }
}

function refusedEverywhere({ topicData }: ProduceRequest, { error, message }: Extract<FoundTransaction, { kind: "refused" }>) {
  const refs = topicData.flatMap(({ name, partitionData }) => partitionData.map(({ index }) => partitionKey(name, index)));
  return new Map<string, Entrance>(refs.map((key) => [key, { error, message }]));
}

/** Nothing will be written of it. */
function refused(outcome: AppendOutcome, { onWritten }: AppendOptions): AppendOutcome {
  onWritten?.();
  return outcome;
}

/** Kafka's number for zstd in a batch's attributes. */
const zstdCodec = 4;

/** Produce versions before this one know no zstd (KIP-110). */
const zstdSinceVersion = 7;

/**
 * What only the request can say of a partition's records: that there are any, and that the version allows their codec. Everything else
 * about the batch is the partition's to check, a damaged one included.
 */
function batchIn(records: readonly Buffer[] | null, version: number): Outcome<{ readonly batch: Buffer }> {
  const [first] = records ?? [];
  if (records === null || first === undefined || first.length === 0)
    return { error: "INVALID_RECORD", message: "a partition without a record batch" };
  const batch = records.length === 1 ? first : Buffer.concat(records);
  if (version < zstdSinceVersion && isZstd(batch))
    return { error: "UNSUPPORTED_COMPRESSION_TYPE", message: "zstd needs Produce version 7" };
  return { error: null, batch };
}

function isZstd(batch: Buffer): boolean {
  if (batch.length < batchHeaderBytes || batch.readInt8(fieldAt.magic) !== currentMagic) return false;
  return (batch.readInt16BE(fieldAt.attributes) & attributeBits.codecMask) === zstdCodec;
}

interface TopicBegun {
  readonly name: string;
  readonly parts: readonly { readonly index: number; readonly outcome: AppendOutcome | Promise<AppendOutcome> }[];
}

function settled(begun: readonly TopicBegun[]): Promise<TopicOutcomes[]> {
  return Promise.all(
    begun.map(async ({ name, parts }) => ({
      name,
      parts: await Promise.all(parts.map(async ({ index, outcome }) => ({ index, outcome: await outcome }))),
    })),
  );
}

interface TopicOutcomes {
  readonly name: string;
  readonly parts: readonly { readonly index: number; readonly outcome: AppendOutcome }[];
}

/** `onWritten`: called once, when the records of every partition are written or refused. */
function appendOptions({ acks, timeoutMs, topicData }: ProduceRequest, onWritten: () => void): AppendOptions | null {
  if (acks !== 0 && acks !== 1 && acks !== -1) return null;
  const waitMs = boundedWaitMs(timeoutMs);
  if (acks !== -1) return { acks, timeoutMs: waitMs };
  let unwritten = topicData.reduce((sum, { partitionData }) => sum + partitionData.length, 0);
  const onPartWritten = () => {
    unwritten--;
    if (unwritten === 0) onWritten();
  };
  return { acks, timeoutMs: waitMs, onWritten: onPartWritten };
}

function noAnswer(topics: readonly TopicOutcomes[]): null {
  for (const { name, parts } of topics)
    for (const { index, outcome } of parts)
      if (outcome.error !== null) throw new CloseConnection(`produce with acks=0 to ${name}-${index} failed: ${outcome.error}`);
  return null;
}

function buildResponse(topics: readonly TopicOutcomes[], image: ClusterImage, listener: string): ProduceResponse {
  const hints = new LeaderHints(image, listener);
  const responses = topics.map(({ name, parts }) => ({
    name,
    partitionResponses: parts.map(({ index, outcome }) => partitionResponse(image, { topic: name, partition: index }, outcome, hints)),
  }));
  return { responses, throttleTimeMs: 0, nodeEndpoints: hints.nodeEndpoints };
}

function partitionResponse(image: ClusterImage, ref: TopicPartition, outcome: AppendOutcome, hints: LeaderHints): PartitionResponse {
  const index = ref.partition;
  if (outcome.error === null) {
    const { baseOffset, logAppendTimeMs, logStartOffset } = outcome;
    return {
      index,
      errorCode: "NONE",
      baseOffset,
      logAppendTimeMs,
      logStartOffset,
      recordErrors: [],
      errorMessage: null,
      currentLeader: hints.forError(ref, "NONE"),
    };
  }
  const errorCode: KafkaError = asMetadataSays(image, ref, outcome.error);
  return {
    index,
    errorCode,
    baseOffset: -1,
    logAppendTimeMs: -1,
    logStartOffset: -1,
    recordErrors: (outcome.recordErrors ?? []).map(({ index: batchIndex, message }) => ({ batchIndex, batchIndexErrorMessage: message })),
    errorMessage: outcome.message ?? null,
    currentLeader: hints.forError(ref, errorCode),
  };
}
