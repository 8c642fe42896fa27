import type { TopicId } from "../../protocol/base/ids.ts";
import type { KafkaError } from "../../protocol/errors/kafka-errors.ts";
import type { FetchRequest } from "../../protocol/messages/fetch.ts";
import {
  type AnsweredPartition,
  type FetchSession,
  finalEpoch,
  initialEpoch,
  nextEpoch,
  noSessionId,
  sessionKey,
  type WantedPartition,
  wantedPartitions,
} from "./fetch-session.ts";
import type { FetchSessionCache } from "./fetch-session-cache.ts";

/**
 * What a fetch request is about, decided in the turn in which it arrived: requests of one session take effect in the order in which they
 * were sent.
 */
type FetchContext =
  | { readonly kind: "refused"; readonly error: KafkaError }
  | { readonly kind: "sessionless"; readonly wanted: ReadonlyMap<string, WantedPartition> }
  | {
      /** `opening`: the response has all partitions, of which the client knows nothing yet. */
      readonly kind: "opening" | "incremental";
      readonly wanted: ReadonlyMap<string, WantedPartition>;
      readonly session: FetchSession;
      /** The session's epoch between this request and the next. */
      readonly epoch: number;
    };

/** From this version on topics go by id (KIP-516). */
const topicIdsSinceVersion = 13;

/** KIP-227: which session the request opens, continues or closes. */
export function fetchContext(
  request: FetchRequest,
  version: number,
  sessions: FetchSessionCache,
  nameOf: (id: TopicId) => string | undefined,
): FetchContext {
  const usesTopicIds = version >= topicIdsSinceVersion;
  const wanted = wantedPartitions(request, nameOf);
  const { sessionId, sessionEpoch } = request;
  if (sessionEpoch === finalEpoch || sessionEpoch === initialEpoch) {
    if (sessionId !== noSessionId) sessions.close(sessionId);
    const session = sessionEpoch === initialEpoch ? sessions.open(wanted, usesTopicIds) : null;
    return session === null
      ? { kind: "sessionless", wanted }
      : { kind: "opening", wanted: session.wanted(), session, epoch: session.epoch };
  }
  const session = sessions.find(sessionId);
  if (session === undefined) return { kind: "refused", error: "FETCH_SESSION_ID_NOT_FOUND" };
  if (session.epoch !== sessionEpoch) return { kind: "refused", error: "INVALID_FETCH_SESSION_EPOCH" };
  if (session.usesTopicIds !== usesTopicIds) return { kind: "refused", error: "FETCH_SESSION_TOPIC_ID_ERROR" };
  // the client starts over, with everything in one request
  if (!sessions.update(session, wanted, forgotten(request))) return { kind: "refused", error: "FETCH_SESSION_ID_NOT_FOUND" };
  if (session.size === 0) {
    sessions.close(sessionId);
    return { kind: "sessionless", wanted: new Map() };
  }
  session.epoch = nextEpoch(session.epoch);
  return { kind: "incremental", wanted: session.wanted(), session, epoch: session.epoch };
}

function forgotten({ forgottenTopicsData }: FetchRequest): string[] {
  return forgottenTopicsData.flatMap(({ topic, topicId, partitions }) =>
    partitions.map((partition) => sessionKey(topic, topicId, partition)),
  );
}

type FetchAnswers =
  | { readonly error: null; readonly sessionId: number; readonly told: readonly AnsweredPartition[] }
  | { readonly error: KafkaError };

/**
 * Which of the answers are sent to the client. If a later request of the session overtook this one while it waited, what the client knows
 * is no longer certain, and it must start over. The same holds for a request that came before the session's first answer went out: its
 * sender guessed the id, and may have changed the session's partitions.
 */
export function answersToTell(context: Exclude<FetchContext, { kind: "refused" }>, answers: readonly AnsweredPartition[]): FetchAnswers {
  if (context.kind === "sessionless") return { error: null, sessionId: noSessionId, told: answers };
  const { kind, session, epoch } = context;
  if (session.epoch !== epoch) return { error: "INVALID_FETCH_SESSION_EPOCH" };
  const news = session.tell(answers);
  return { error: null, sessionId: session.id, told: kind === "opening" ? answers : news };
}
