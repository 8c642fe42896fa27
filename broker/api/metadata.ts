import { type TopicId, zeroTopicId } from "../../protocol/base/ids.ts";
import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import { type MetadataRequest, type MetadataResponse, metadataRequest, metadataResponse } from "../../protocol/messages/metadata.ts";
import type { ClusterImage, ImageSource, TopicImage } from "../cluster/cluster-image.ts";
import { isInternalTopic, topicNameFault } from "../runtime/topic-names.ts";
import type { Api, RequestContext } from "./api.ts";
import { allClusterOperations, allTopicOperations, operationsNotAsked } from "./authorized-operations.ts";
import { nodesOn } from "./leader-hints.ts";
import { changingReplicas, type ListingRules, listPartition, notChanging, offlineReasons } from "./partition-listing.ts";
import { answerEach } from "./request-meter.ts";
import type { Beginning, Refusal } from "./topic-maker.ts";

type TopicResponse = MetadataResponse["topics"][number];

/** Creates topics when a client first mentions them. */
export interface TopicAutoCreation {
  /** The value of `auto.create.topics.enable`. */
  readonly isEnabled: boolean;
  /** Starts to create the topic, unless that is in progress; does not wait. */
  begin(name: string): Beginning;
}

/**
 * Behavior: the live brokers at the addresses of the request's listener, the controller, and the requested topics (by name, by id, or all),
 * with each partition's leader, replicas and ISR. If broker and request allow it, the creation of a topic that does not exist is started;
 * it is LEADER_NOT_AVAILABLE meanwhile, so that the client retries. Once the controller has refused, it is the controller's error, as in
 * Kafka with ZooKeeper (INVALID_REPLICATION_FACTOR where too few brokers live): Kafka's clients name it and retry.
 * Version notes: all topics are an empty list in 0, null from 1 on. 0 lists only reachable replicas. LISTENER_NOT_FOUND since 6, topic ids
 * in the response since 10, in the request since 12 (10 and 11 have the field and refuse it). Authorized operations (8 on; the cluster's
 * until 10) are all of them when requested: there are no access control lists.
 */
export function metadataApi(images: Pick<ImageSource, "current">, autoCreation: TopicAutoCreation): Api<MetadataRequest, MetadataResponse> {
  return {
    request: metadataRequest,
    response: metadataResponse,
    async handle(request, context) {
      const image = images.current;
      const wanted = wantedTopics(request, context.apiVersion);
      const describe = topicDescriber(image, context, request);
      const mayCreate = autoCreation.isEnabled && request.allowAutoTopicCreation;
      const byId = (id: TopicId) => {
        const topic = topicById(image, id);
        return topic === undefined ? absentTopic("UNKNOWN_TOPIC_ID", null, id) : describe(topic);
      };
      const byName = (name: string) => {
        const topic = image.topics.get(name);
        if (topic !== undefined) return describe(topic);
        const { error, message } = absence(name, mayCreate ? autoCreation : null);
        return { ...absentTopic(error, name), errorMessage: request.includeReasons ? message : null };
      };
      const { meter } = context;
      let topics: readonly TopicResponse[] = [];
      if (wanted.kind === "refused") topics = refuseAll(request);
      if (wanted.kind === "all") topics = await answerEach(image.topics.values(), meter, describe);
      if (wanted.kind === "ids") topics = await answerEach(wanted.ids, meter, byId);
      if (wanted.kind === "names") topics = await answerEach(wanted.names, meter, byName);
      return {
        throttleTimeMs: 0,
        brokers: nodesOn(image, context.listener),
        clusterId: image.clusterId,
        controllerId: image.controllerId,
        topics,
        clusterAuthorizedOperations: request.includeClusterAuthorizedOperations ? allClusterOperations : operationsNotAsked,
      };
    },
  };
}

type WantedTopics =
  | { readonly kind: "all" }
  | { readonly kind: "names"; readonly names: ReadonlySet<string> }
  | { readonly kind: "ids"; readonly ids: ReadonlySet<TopicId> }
  /** The version has the field but does not allow its use. */
  | { readonly kind: "refused" };

/** Which topics a request means. As soon as one is named by id, only ids count, as in Kafka. */
export function wantedTopics({ topics }: Pick<MetadataRequest, "topics">, version: number): WantedTopics {
  if (topics === null || (version === 0 && topics.length === 0)) return { kind: "all" };
  if (version < 12 && topics.some(({ name, topicId }) => name === null || topicId !== zeroTopicId)) return { kind: "refused" };
  if (topics.some(({ name, topicId }) => name === null || topicId !== zeroTopicId))
    return {
      kind: "ids",
      ids: new Set(topics.filter(({ name, topicId }) => name === null || topicId !== zeroTopicId).map(({ topicId }) => topicId)),
    };
  return { kind: "names", names: new Set(topics.map(({ name }) => name ?? "")) };
}

function topicDescriber(
  image: ClusterImage,
  { apiVersion, listener }: RequestContext,
  { includeTopicAuthorizedOperations, includeReasons }: MetadataRequest,
): (topic: TopicImage) => TopicResponse {
  const rules: ListingRules = { onlyReachable: apiVersion === 0, listenerErrors: apiVersion >= 6 };
  return ({ name, id, partitions }) => ({
    errorCode: "NONE",
    name,
    topicId: id,
    isInternal: isInternalTopic(name),
    partitions: partitions.map((record) => ({
      ...listPartition(image, listener, id, record, rules),
      offlineReasons: includeReasons ? offlineReasons(image, id, record) : [],
      ...(includeReasons ? changingReplicas(record) : notChanging),
    })),
    errorMessage: null,
    topicAuthorizedOperations: includeTopicAuthorizedOperations ? allTopicOperations : operationsNotAsked,
  });
}

function topicById(image: ClusterImage, id: TopicId): TopicImage | undefined {
  const name = image.topicNames.get(id);
  return name === undefined ? undefined : image.topics.get(name);
}

/** The answer for a name that no topic has; starts to create it when `creation` is given. */
function absence(name: string, creation: TopicAutoCreation | null): Refusal {
  if (topicNameFault(name) !== null) return { error: "INVALID_TOPIC_EXCEPTION", message: null };
  const begun = creation?.begin(name) ?? "not-begun";
  if (begun === "begun") return { error: "LEADER_NOT_AVAILABLE", message: "it is being created" };
  if (begun === "not-begun") return { error: "UNKNOWN_TOPIC_OR_PARTITION", message: null };
  return { error: begun.error, message: begun.message === null ? null : `it cannot be created now: ${asClause(begun.message)}` };
}

/** A sentence of the controller's as the end of another. */
function asClause(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1).replace(/\.$/, "");
}

function absentTopic(errorCode: KafkaErrorCode, name: string | null, topicId: TopicId = zeroTopicId): TopicResponse {
  return {
    errorCode,
    name,
    topicId,
    isInternal: name !== null && isInternalTopic(name),
    partitions: [],
    errorMessage: null,
    topicAuthorizedOperations: operationsNotAsked,
  };
}

function refuseAll({ topics }: MetadataRequest): TopicResponse[] {
  return (topics ?? []).map(({ name, topicId }) => absentTopic("INVALID_REQUEST", name ?? "", topicId));
}
