import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import { type ProduceRequest, type ProduceResponse, produceRequest, produceResponse } from "../../protocol/messages/produce.ts";
import type { ClusterImage, ImageSource } from "../cluster/cluster-image.ts";
import type { AppendOptions, AppendOutcome, PartitionRef, PartitionService } from "../partition/contract.ts";
import { isInternalTopic } from "../runtime/topic-names.ts";
import { type Api, CloseConnection, type RequestContext } from "./api.ts";
import { boundedWaitMs } from "./bounded-wait.ts";
import { asMetadataSays, LeaderHints } from "./leader-hints.ts";
import { recordsProblem } from "./produced-records.ts";

type PartitionResponse = ProduceResponse["responses"][number]["partitionResponses"][number];

/** Kafka's own tools for repairs call themselves so; nobody else writes what brokers keep their state in. */
const repairClientId = "__admin_client";

const closedTopic = { error: "INVALID_TOPIC_EXCEPTION" } as const;

/**
 * Behavior: hands each partition's batch to its log in the request's order and in the turn in which the request is served, so that a
 * connection's requests reach the logs in the order they were sent; then waits for all of them. The brokers' own topics are closed to
 * clients (INVALID_TOPIC_EXCEPTION). acks other than 0, 1 and -1 is INVALID_REQUIRED_ACKS. With acks=0 there is no answer; a failure closes
 * the connection.
 * Version notes: zstd since 7 (KIP-110); error messages and the records at fault since 8 (KIP-467); since 10 a leadership error comes with
 * the new leader and its address (KIP-951).
 */
export function produceApi(
  partitions: Pick<PartitionService, "append">,
  images: Pick<ImageSource, "current">,
): Api<ProduceRequest, ProduceResponse> {
  const append = (
    ref: PartitionRef,
    records: readonly Buffer[] | null,
    { version, isClosed, options }: { readonly version: number; readonly isClosed: boolean; readonly options: AppendOptions | null },
  ): AppendOutcome | Promise<AppendOutcome> => {
    if (options === null) return { error: "INVALID_REQUIRED_ACKS" };
    const checked = isClosed ? closedTopic : recordsProblem(records, version);
    if (checked.error === null) return partitions.append(ref, checked.batch, options);
    options.onWritten?.();
    return checked;
  };
  const begin = (request: ProduceRequest, { apiVersion, clientId, meter }: RequestContext): TopicBegun[] => {
    const options = appendOptions(request, () => meter.releaseRequest());
    return request.topicData.map(({ name, partitionData }) => {
      const how = { version: apiVersion, isClosed: isInternalTopic(name) && clientId !== repairClientId, options };
      const parts = partitionData.map(({ index, records }) => ({
        index,
        outcome: append({ topic: name, partition: index }, records, how),
      }));
      return { name, parts };
    });
  };
  return {
    request: produceRequest,
    response: produceResponse,
    // replicas may be waited for, longer than the records' bytes are needed: nothing here may hold on to them
    handle(request, context) {
      const { acks } = request;
      const { listener } = context;
      return settled(begin(request, context)).then((outcomes) =>
        acks === 0 ? noAnswer(outcomes) : buildResponse(outcomes, images.current, listener),
      );
    },
  };
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

function partitionResponse(image: ClusterImage, ref: PartitionRef, outcome: AppendOutcome, hints: LeaderHints): PartitionResponse {
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
