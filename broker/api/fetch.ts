import type { BrokerId } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import { type FetchRequest, type FetchResponse, fetchRequest, fetchResponse } from "../../protocol/messages/fetch.ts";
import { type Api, boundedWaitMs } from "./api.ts";
import { closeBy } from "./close-by.ts";
import { answersToTell, fetchContext } from "./fetch-context.ts";
import { errorAnswer, type FetchBounds, type FetchParts, readUntilEnough } from "./fetch-reading.ts";
import { type AnsweredPartition, noSessionId, wantedPartitions } from "./fetch-session.ts";
import type { FetchSessionCache } from "./fetch-session-cache.ts";
import { LeaderHints } from "./leader-hints.ts";

export interface FetchLimits {
  /** `fetch.max.bytes`: over one response, whatever the client allows. */
  readonly maxBytes: number;
  readonly brokerId: BrokerId;
  /** `replica.selector.class`: consumers are sent to an in-sync follower of their rack. */
  readonly sendsToRack: boolean;
}

/**
 * KIP-110. A topic with the codec zstd is UNSUPPORTED_COMPRESSION_TYPE to older requests; one that keeps the producers' codecs is not
 * checked, as in Kafka.
 */
const zstdSinceVersion = 10;

/**
 * Behavior: reads committed records of the requested partitions, in order, up to the client's and the broker's bounds. The first batch
 * found is always included, whatever its size, so that a consumer cannot get stuck. With fewer than `minBytes` the answer waits up to
 * `maxWaitMs`. Errors and divergence are answered at once. A client that says its rack may be sent to a follower there, and followers serve
 * it (KIP-392); to what a follower does not know yet the answer waits, too. Read committed ends at the last stable offset, and is told
 * which transactions were aborted (KIP-98). Followers of this cluster use the brokers' own protocol: a fetch with a replica's id is
 * TOPIC_AUTHORIZATION_FAILED.
 * Version notes: fetch sessions since 7 (KIP-227); leader epochs since 9 (KIP-320); zstd topics since 10; divergence since 12; topics by id
 * since 13 (KIP-516); racks since 11; the replica id moved into a tag in 15; since 16 a leadership error comes with the new leader and its
 * address (KIP-951).
 */
export function fetchApi(parts: FetchParts, sessions: FetchSessionCache, limits: FetchLimits): Api<FetchRequest, FetchResponse> {
  return {
    request: fetchRequest,
    response: fetchResponse,
    boundsAnswer: true,
    async handle(request, { apiVersion, listener, signal, meter }) {
      const nameOf = (id: string) => parts.images.current.topicNames.get(id);
      if (isFromReplica(request)) return refuseReplica(request);
      const context = fetchContext(request, apiVersion, sessions, nameOf);
      if (context.kind === "refused") return response(context.error);
      const close = closeBy(request.rackId, listener, parts.images.current, limits);
      const bounds = { ...fetchBounds(request, apiVersion, limits), closeBy: close };
      const answers = await readUntilEnough(context.wanted, bounds, { ...parts, meter, signal });
      const result = answersToTell(context, answers);
      if (result.error !== null) return response(result.error);
      return partitionsResponse(result.told, result.sessionId, apiVersion, new LeaderHints(parts.images.current, listener));
    },
  };
}

function fetchBounds(request: FetchRequest, version: number, limits: FetchLimits): Omit<FetchBounds, "closeBy"> {
  const maxBytes = Math.max(0, Math.min(request.maxBytes, limits.maxBytes));
  return {
    maxBytes,
    minBytes: Math.min(request.minBytes, limits.maxBytes),
    maxWaitMs: boundedWaitMs(request.maxWaitMs),
    readCommitted: request.isolationLevel === 1,
    withoutZstd: version < zstdSinceVersion,
  };
}

function isFromReplica({ replicaId, replicaState }: FetchRequest): boolean {
  return replicaId >= 0 || replicaState.replicaId >= 0;
}

function refuseReplica(request: FetchRequest): FetchResponse {
  const answers = [...wantedPartitions(request, () => undefined)].map(([key, wanted]) => ({
    key,
    wanted,
    answer: errorAnswer(wanted.partition, "TOPIC_AUTHORIZATION_FAILED", false),
  }));
  return { ...response("NONE"), responses: byTopic(answers) };
}

function response(errorCode: KafkaErrorCode): FetchResponse {
  return { throttleTimeMs: 0, errorCode, sessionId: noSessionId, responses: [], nodeEndpoints: [] };
}

/** KIP-951: from this version on the response names the new leader. */
const leaderHintsSinceVersion = 16;

function partitionsResponse(told: readonly AnsweredPartition[], sessionId: number, version: number, hints: LeaderHints): FetchResponse {
  const hinted = version < leaderHintsSinceVersion ? told : told.map((one) => withHint(one, hints));
  return { throttleTimeMs: 0, errorCode: "NONE", sessionId, responses: byTopic(hinted), nodeEndpoints: hints.nodeEndpoints };
}

function withHint({ key, wanted, answer }: AnsweredPartition, hints: LeaderHints): AnsweredPartition {
  const ref = { topic: wanted.topic ?? "", partition: wanted.partition };
  return { key, wanted, answer: { ...answer, currentLeader: hints.forError(ref, answer.errorCode) } };
}

/** Groups adjacent partitions by topic; the order of the partitions stays, as the client may rely on it. */
function byTopic(answers: readonly AnsweredPartition[]): FetchResponse["responses"] {
  const groups: { topic: string; topicId: string; partitions: AnsweredPartition["answer"][] }[] = [];
  for (const { wanted, answer } of answers) {
    const topic = wanted.topic ?? "";
    const last = groups.at(-1);
    if (last !== undefined && last.topic === topic && last.topicId === wanted.topicId) last.partitions.push(answer);
    else groups.push({ topic, topicId: wanted.topicId, partitions: [answer] });
  }
  return groups;
}
