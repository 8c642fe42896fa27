import type { KafkaErrorCode } from "../../protocol/errors/kafka-errors.ts";
import {
  type OffsetFetchRequest,
  type OffsetFetchResponse,
  offsetFetchRequest,
  offsetFetchResponse,
} from "../../protocol/messages/offset-fetch.ts";
import type { FetchedTopic, WantedTopic } from "../group/offset-requests.ts";
import { distinct, partitionsByTopic } from "../runtime/each-once.ts";
import type { Api } from "./api.ts";
import { type GroupService, memberError } from "./group-context.ts";
import { answerEach, type RequestMeter } from "./request-meter.ts";
import { byTopicAgain, inTurns, topicSlices } from "./slices.ts";

type GroupRequest = OffsetFetchRequest["groups"][number];
type GroupAnswer = OffsetFetchResponse["groups"][number];

/**
 * Behavior: the positions that groups have committed; -1 where there is none, whether or not the group exists. Where a transaction that
 * is still open may change one, it is UNSTABLE_OFFSET_COMMIT for clients that require stable ones.
 * Version notes: 0 reads where the others read, not from ZooKeeper; all topics (null) since 2, with an error for the whole group; before,
 * each partition has it. Leader epochs since 5, "require stable" since 7 (KIP-447), several groups since 8 (KIP-709), member and epoch
 * since 9 (KIP-848).
 */
export function offsetFetchApi(groups: Pick<GroupService, "runEvenUnnamed">): Api<OffsetFetchRequest, OffsetFetchResponse> {
  const fetchSlice = ({ groupId, memberId, memberEpoch }: GroupRequest, wanted: readonly WantedTopic[] | null, requireStable: boolean) =>
    groups.runEvenUnnamed(groupId, (machine) => machine.fetchOffsets(groupId, { memberId, memberEpoch }, wanted, requireStable));
  const answerFor = async (group: GroupRequest, requireStable: boolean, meter: RequestMeter): Promise<GroupAnswer> => {
    const { groupId, topics } = group;
    // however often a partition is named, once: its commit metadata may be long
    const wanted = topics === null ? null : [...partitionsByTopic(topics)].map(([name, each]) => ({ name, partitions: [...each] }));
    const cut: readonly { readonly topics: readonly WantedTopic[] | null; readonly bytes: number }[] =
      wanted === null ? [{ topics: null, bytes: 0 }] : topicSlices(wanted);
    const slices = await inTurns(cut, { meter }, (slice) => fetchSlice(group, slice.topics, requireStable));
    const found: FetchedTopic[] = [];
    for (const ran of slices) {
      if (ran.error !== null) return { groupId, topics: [], errorCode: memberError(ran.error) };
      if (ran.value.error !== null) return { groupId, topics: [], errorCode: ran.value.error };
      found.push(...ran.value.topics);
    }
    const all =
      wanted === null
        ? found
        : byTopicAgain(
            wanted,
            found.flatMap(({ partitions }) => partitions),
          );
    return { groupId, topics: all, errorCode: "NONE" };
  };
  return {
    request: offsetFetchRequest,
    response: offsetFetchResponse,
    async handle(request, { apiVersion, meter }) {
      if (apiVersion >= 8) {
        const answers = await answerEach(
          distinct(request.groups, ({ groupId }) => groupId),
          meter,
          (group) => answerFor(group, request.requireStable, meter),
        );
        return { throttleTimeMs: 0, topics: [], errorCode: "NONE", groups: answers };
      }
      const { groupId, topics: wanted } = request;
      const { topics, errorCode } = await answerFor(
        { groupId, memberId: null, memberEpoch: -1, topics: wanted },
        request.requireStable,
        meter,
      );
      const hasGroupError = apiVersion >= 2;
      return {
        throttleTimeMs: 0,
        topics: errorCode === "NONE" || hasGroupError ? topics : failedTopics(wanted ?? [], errorCode),
        errorCode,
        groups: [],
      };
    },
  };
}

function failedTopics(wanted: NonNullable<OffsetFetchRequest["topics"]>, errorCode: KafkaErrorCode): FetchedTopic[] {
  return wanted.map(({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map((partitionIndex) => ({
      partitionIndex,
      committedOffset: -1,
      committedLeaderEpoch: -1,
      metadata: "",
      errorCode,
    })),
  }));
}
