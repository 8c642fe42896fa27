import type { TopicId } from "../../protocol/base/ids.ts";
import { apis } from "../../protocol/messages/apis.ts";
import type { CoordinatorLink, CoordinatorRequest } from "../coordinator/coordinator-link.ts";
import { metadataRequest } from "../metadata/metadata-request.ts";

/**
 * The topics' ids as the group's coordinator has them; null: it knows no topic of that name. Commits and committed offsets use names, so
 * what counts is to which topic the coordinator resolves a name. A coordinator that does not send ids is assumed to mean our topic: the
 * zero id.
 */
export type CoordinatorTopics = ReadonlyMap<string, TopicId | null>;

/**
 * One attempt, or with `deadlineMs` as many as needed. Only for topics whose ids are known from somewhere, or for which metadata is
 * requested anyway: brokers without topic ids would create a topic that is requested.
 */
export async function topicsAt(
  link: CoordinatorLink,
  topics: readonly string[],
  { deadlineMs, signal }: { readonly deadlineMs?: number; readonly signal?: AbortSignal } = {},
): Promise<CoordinatorTopics> {
  if (topics.length === 0) return new Map();
  const build = (version: number) => metadataRequest(new Set(topics), version);
  const options: CoordinatorRequest<unknown> = { errorOf: () => "NONE", ...(signal === undefined ? {} : { signal }) };
  const answer = await (deadlineMs === undefined
    ? link.request(apis.metadata, build, options)
    : link.retrying(apis.metadata, build, options, deadlineMs));
  return new Map(
    answer.topics.map(({ name, topicId, errorCode }) => [name ?? "", errorCode === "UNKNOWN_TOPIC_OR_PARTITION" ? null : topicId]),
  );
}
