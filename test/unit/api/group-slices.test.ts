import { describe, expect, test } from "vitest";
import { deleteGroupsApi } from "../../../broker/api/delete-groups.ts";
import type { GroupService } from "../../../broker/api/group-context.ts";
import { leaveGroupApi } from "../../../broker/api/leave-group.ts";
import { offsetCommitApi } from "../../../broker/api/offset-commit.ts";
import { offsetDeleteApi } from "../../../broker/api/offset-delete.ts";
import { offsetFetchApi } from "../../../broker/api/offset-fetch.ts";
import { type RequestMeter, uncounted } from "../../../broker/api/request-meter.ts";
import { byTopicAgain, sliceMax, topicSlices } from "../../../broker/api/slices.ts";
import { World } from "../group/world.ts";
import { answerOf, Images, image, partition, settle, topic, topicId } from "./fixtures.ts";

const manyPartitions = Array.from({ length: 2_000 }, (_, i) => partition(i));
const count = 1_000;

/** Requests about many things, between whose slices something may happen: `meanwhile` at the first pause. */
async function served(groupMaxSize = 5) {
  const world = await World.loaded({ groupMaxSize }, { waitingMax: 1_000 });
  const images = new Images(image([topic("t", topicId("t"), manyPartitions), topic("u", topicId("u"))]));
  const run: GroupService["run"] = (_groupId, operation) => world.shard.run(operation);
  const groups: GroupService = { run, runEvenUnnamed: run, listGroups: async () => ({ error: null, groups: [] }) };
  let pauses = 0;
  const between = (meanwhile: () => unknown = () => undefined): { readonly meter: RequestMeter } => {
    pauses = 0;
    const pause = async () => {
      if (pauses++ === 0) await meanwhile();
    };
    return { meter: { ...uncounted, pause } };
  };
  return { world, images, groups, between, pauses: () => pauses };
}

const numbers = (length: number) => Array.from({ length }, (_, i) => i);

function commitOf(more: object = {}) {
  const offsets = (indexes: readonly number[]) =>
    indexes.map((partitionIndex) => ({
      ...{ partitionIndex, committedOffset: partitionIndex, committedLeaderEpoch: -1, commitTimestamp: -1, committedMetadata: null },
    }));
  const who = { groupId: "g", generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null, retentionTimeMs: -1 };
  const topics = [
    { name: "t", topicId: topicId("t"), partitions: offsets(numbers(count)) },
    { name: "u", topicId: topicId("u"), partitions: offsets([0, 7]) },
  ];
  return { ...who, topics, ...more };
}

/** How often each error was answered. */
function errors(topics: readonly { readonly partitions: readonly { readonly partitionIndex: number; readonly errorCode: string }[] }[]) {
  const all = topics.flatMap(({ partitions }) => partitions);
  return Object.fromEntries([...Map.groupBy(all, ({ errorCode }) => errorCode)].map(([code, { length }]) => [code, length]));
}

test("topics are cut where a slice is full, and put together again", () => {
  const named = (name: string, length: number) => ({ name, partitions: numbers(length) });
  const topics = [named("a", sliceMax - 1), named("none", 0), named("b", 2 * sliceMax), named("c", 1)];
  const slices = topicSlices(topics);
  expect(slices.map((slice) => slice.topics.map(({ name, partitions }) => `${name} ${partitions.length}`))).toEqual([
    [`a ${sliceMax - 1}`, "b 1"],
    [`b ${sliceMax}`],
    [`b ${sliceMax - 1}`, "c 1"],
  ]);
  expect(
    byTopicAgain(
      topics,
      slices.flatMap((slice) => slice.topics).flatMap(({ partitions }) => partitions),
    ),
  ).toEqual(topics);
  const nothing = [{ topics: [], bytes: 0 }];
  expect([topicSlices([]), topicSlices([named("none", 0)])]).toEqual([nothing, nothing]);
});

describe("a request about very many things gives way to others", () => {
  test("OffsetCommit, OffsetFetch, OffsetDelete, DeleteGroups", async () => {
    const { world, images, groups, between, pauses } = await served();
    const committed = await answerOf(offsetCommitApi(groups, images), commitOf(), 8, between());
    expect([errors(committed.topics), pauses()]).toEqual([{ NONE: count + 1, UNKNOWN_TOPIC_OR_PARTITION: 1 }, count / sliceMax]);
    expect(committed.topics[0]?.partitions.map(({ partitionIndex }) => partitionIndex)).toEqual(numbers(count));
    // whichever is named twice is answered once
    const wanted = [{ name: "t", partitionIndexes: [...numbers(count + 1), ...numbers(count)] }];
    const asked = { groupId: "g", memberId: null, memberEpoch: -1, topics: wanted };
    const request = { groups: [asked], groupId: "", topics: null, requireStable: false };
    const fetched = await answerOf(offsetFetchApi(groups), request, 8, between());
    const [found] = fetched.groups[0]?.topics ?? [];
    expect(found?.partitions.map(({ committedOffset }) => committedOffset)).toEqual([...numbers(count), -1]);
    expect(pauses()).toBe(count / sliceMax);
    const named = [{ name: "t", partitions: numbers(count).map((partitionIndex) => ({ partitionIndex })) }];
    const deleted = await answerOf(offsetDeleteApi(groups, images), { groupId: "g", topics: named }, 0, between());
    expect([deleted.errorCode, errors(deleted.topics), pauses()]).toEqual(["NONE", { NONE: count }, count / sliceMax - 1]);
    expect(await world.offsets()).toEqual({ u: 0 });
    await answerOf(offsetCommitApi(groups, images), commitOf(), 8);
    const gone = await answerOf(deleteGroupsApi(groups), { groupsNames: ["g"] }, 2, between());
    expect([gone.results, pauses()]).toEqual([[{ groupId: "g", errorCode: "NONE" }], count / sliceMax]);
    expect([await world.offsets(), world.machine.groups.size]).toEqual([{}, 0]);
  });

  test("LeaveGroup: those who stay rebalance once", async () => {
    const size = sliceMax + 2;
    const { world, groups, between, pauses } = await served(size);
    const ids = await world.stableGroup(size);
    const [staying = "", ...members] = ids.map((memberId) => memberId);
    let joined = null as Awaited<ReturnType<World["join"]>> | null;
    const leaving = { groupId: "g", memberId: "", members: members.map((memberId) => ({ memberId, groupInstanceId: null, reason: null })) };
    const left = await answerOf(
      leaveGroupApi(groups),
      leaving,
      5,
      between(async () => {
        expect(world.describe().members).toHaveLength(2);
        joined = await world.join({ memberId: staying });
        expect(joined.isWaiting, "for who is about to go").toBe(true);
      }),
    );
    expect([left.errorCode, new Set(left.members.map(({ errorCode }) => errorCode)), pauses()]).toEqual(["NONE", new Set(["NONE"]), 1]);
    expect(left.members).toHaveLength(size - 1);
    expect(joined?.value).toMatchObject({ errorCode: "NONE", generationId: 2 });
  });
});

describe("between two slices", () => {
  test("a member that leaves commits no more; what it committed before stays", async () => {
    const { world, images, groups, between } = await served();
    const [memberId = ""] = await world.stableGroup(1);
    const request = commitOf({ memberId, generationIdOrMemberEpoch: 1 });
    const leave = () => world.leave({ memberId, groupInstanceId: null });
    const { topics } = await answerOf(offsetCommitApi(groups, images), request, 8, between(leave));
    expect(errors(topics)).toEqual({ NONE: sliceMax, UNKNOWN_MEMBER_ID: count + 1 - sliceMax, UNKNOWN_TOPIC_OR_PARTITION: 1 });
    expect(world.machine.offsets.size).toBe(sliceMax);
  });

  test("the coordinator moves: all that is left is for the next one", async () => {
    const { world, images, groups, between } = await served();
    const move = async () => {
      await settle();
      world.shard.end();
    };
    const { topics } = await answerOf(offsetCommitApi(groups, images), commitOf(), 8, between(move));
    expect(errors(topics)).toMatchObject({ NONE: sliceMax, NOT_COORDINATOR: count + 1 - sliceMax });
  });

  test("a topic that is deleted is committed for no more", async () => {
    const { world, images, groups, between } = await served();
    const remove = () => images.replace(image([topic("u", topicId("u"))]));
    const { topics } = await answerOf(offsetCommitApi(groups, images), commitOf(), 8, between(remove));
    expect(errors(topics)).toEqual({ NONE: sliceMax + 1, UNKNOWN_TOPIC_OR_PARTITION: count + 1 - sliceMax });
    expect(world.machine.offsets.size).toBe(sliceMax + 1);
  });

  test("a topic is re-created: what names it by its id is not taken for the new one", async () => {
    const { world, images, groups, between } = await served();
    const makeAnew = () => images.replace(image([topic("t", topicId("n"), manyPartitions), topic("u", topicId("u"))]));
    const { topics } = await answerOf(offsetCommitApi(groups, images), commitOf(), 10, between(makeAnew));
    expect(topics.map((each) => [each.topicId, errors([each])])).toEqual([
      [topicId("t"), { NONE: sliceMax, UNKNOWN_TOPIC_ID: count - sliceMax }],
      [topicId("u"), { NONE: 1, UNKNOWN_TOPIC_OR_PARTITION: 1 }],
    ]);
    expect(world.machine.offsets.size).toBe(sliceMax + 1);
  });

  test("a group that is being deleted gets a member: it stays, with the positions that are left", async () => {
    const { world, images, groups, between } = await served();
    await answerOf(offsetCommitApi(groups, images), commitOf(), 8);
    const { results } = await answerOf(
      deleteGroupsApi(groups),
      { groupsNames: ["g"] },
      2,
      between(() => world.join()),
    );
    expect(results).toEqual([{ groupId: "g", errorCode: "NON_EMPTY_GROUP" }]);
    expect(world.machine.offsets.size).toBe(count + 1 - sliceMax);
  });
});
