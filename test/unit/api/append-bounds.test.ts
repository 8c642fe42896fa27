import { describe, expect, test } from "vitest";
import { type Api, type Endpoint, endpoint } from "../../../broker/api/api.ts";
import { groupApis } from "../../../broker/api/group-apis.ts";
import type { GroupService } from "../../../broker/api/group-context.ts";
import { offsetCommitApi } from "../../../broker/api/offset-commit.ts";
import { type RequestMeter, uncounted } from "../../../broker/api/request-meter.ts";
import { sliceMax, sliceMaxBytes } from "../../../broker/api/slices.ts";
import { offsetRecord, PositionBytes } from "../../../broker/group/group-records.ts";
import { AppendRoom } from "../../../broker/state-machine/append-room.ts";
import { messagesByKey } from "../../../protocol/messages/apis.ts";
import { recordBytesAtMost } from "../../../protocol/records/encode-batch.ts";
import { encodeWhole } from "../../../protocol/schema/message.ts";
import { World } from "../group/world.ts";
import { settled } from "../network/manual-clock.ts";
import { leastOf } from "../protocol/samples.ts";
import { answerOf, context, Images, image, partition, topic, topicId } from "./fixtures.ts";

const batchBytes = 1024 * 1024;
const longGroupId = "g".repeat(30_000);
const manyPartitions = Array.from({ length: 20_000 }, (_, i) => partition(i));
const images = new Images(image([topic("orders", topicId("o"), manyPartitions)]));

async function served(room?: AppendRoom) {
  const world = await World.loaded({ offsetMetadataMaxBytes: 4096, groupMaxSize: 2_000 }, { waitingMax: 10_000 });
  const run: GroupService["run"] = (_groupId, operation) => world.shard.run(operation);
  const groups: GroupService = { run, runEvenUnnamed: run, listGroups: async () => ({ error: null, groups: [] }) };
  const batches = () => world.partition.batches.map(({ bytes }) => bytes.length);
  const logBytes = () => batches().reduce((sum, bytes) => sum + bytes, 0);
  return { world, groups, api: offsetCommitApi(groups, images, room), batches, logBytes };
}

type Mention = readonly [partitionIndex: number, offset: number];

function commitOf(mentions: readonly Mention[], { groupId = "group", metadata = "" } = {}) {
  const partitions = mentions.map(([partitionIndex, committedOffset]) => ({
    ...{ partitionIndex, committedOffset, committedLeaderEpoch: -1, commitTimestamp: -1, committedMetadata: metadata },
  }));
  const who = { groupId, generationIdOrMemberEpoch: -1, memberId: "", groupInstanceId: null, retentionTimeMs: -1 };
  return { ...who, topics: [{ name: "orders", topicId: topicId("o"), partitions }] };
}

const each = (count: number, from = 0): Mention[] => Array.from({ length: count }, (_, i) => [from + i, i]);

function counts(topics: readonly { readonly partitions: readonly { readonly errorCode: string }[] }[]) {
  const all = topics.flatMap(({ partitions }) => partitions);
  return Object.fromEntries([...Map.groupBy(all, ({ errorCode }) => errorCode)].map(([code, { length }]) => [code, length]));
}

test("what a position takes in the log is never more than is thought, and not much less", () => {
  const value = { offset: 2 ** 50, leaderEpoch: 7, metadata: "é".repeat(100), commitTimestamp: 2 ** 50, topicId: "AAECAwQFBgcICQoLDA0ODw" };
  const groupId = "grüppe".repeat(50);
  const positions = new PositionBytes(groupId);
  for (const expireTimestamp of [-1, 2 ** 50]) {
    const real = recordBytesAtMost(offsetRecord(groupId, "orders", 3, { ...value, expireTimestamp }));
    expect(positions.of("orders", value.metadata)).toBeGreaterThanOrEqual(real);
    expect(positions.of("orders", value.metadata)).toBeLessThan(real + 128);
  }
});

describe("a partition that is named again and again", () => {
  test("is kept once, as it was named last, and answered in every place", async () => {
    const { world, api } = await served();
    const mentions: Mention[] = Array.from({ length: 1_000 }, (_, i) => [i % 2, i]);
    const request = commitOf(mentions, { groupId: longGroupId });
    const unknown = { ...request.topics[0]!, name: "unknown", topicId: topicId("u") };
    for (const version of [8, 10]) {
      const before = world.partition.endOffset;
      const topics = [request.topics[0]!, unknown, { ...request.topics[0]!, partitions: request.topics[0]!.partitions.slice(0, 3) }];
      const answer = await answerOf(api, { ...request, topics }, version);
      expect(answer.topics.map(({ partitions }) => partitions.map(({ partitionIndex }) => partitionIndex))).toEqual(
        topics.map(({ partitions }) => partitions.map(({ partitionIndex }) => partitionIndex)),
      );
      const unknownCode = version === 8 ? "UNKNOWN_TOPIC_OR_PARTITION" : "UNKNOWN_TOPIC_ID";
      expect(answer.topics.map((one) => counts([one]))).toEqual([{ NONE: 1_000 }, { [unknownCode]: 1_000 }, { NONE: 3 }]);
      expect(world.partition.endOffset - before).toBe(2);
      const kept = world.machine.offsets.of(longGroupId).get("orders");
      expect([kept?.get(0)?.offset, kept?.get(1)?.offset], "the third topic comes last").toEqual([2, 1]);
    }
  });
});

describe("what one commit may append", () => {
  test("in proportion to what it says, or nothing of it", async () => {
    const { api, logBytes } = await served();
    const asBatch = await answerOf(api, commitOf(each(30), { groupId: longGroupId }), 8);
    expect([counts(asBatch.topics), logBytes() > 30 * 30_000], "no more than Kafka takes").toEqual([{ NONE: 30 }, true]);
    const before = logBytes();
    const tooMuch = await answerOf(api, commitOf([...each(1_000), [30_000, 1]], { groupId: longGroupId }), 8);
    expect(counts(tooMuch.topics)).toEqual({ INVALID_COMMIT_OFFSET_SIZE: 1_000, UNKNOWN_TOPIC_OR_PARTITION: 1 });
    expect(logBytes()).toBe(before);
  });

  test("very many positions of a group with a long but usual name are kept, in batches no larger than a slice", async () => {
    const { api, batches } = await served();
    const groupId = "a-group-with-a-name-that-is-as-long-as-those-that-tools-put-together-".padEnd(200, "x");
    expect(counts((await answerOf(api, commitOf(each(20_000), { groupId }), 8)).topics)).toEqual({ NONE: 20_000 });
    expect(batches().length).toBeGreaterThanOrEqual(20_000 / sliceMax);
    const metadata = "m".repeat(4_000);
    expect(counts((await answerOf(api, commitOf(each(1_000), { metadata }), 8)).topics), "it says much").toEqual({ NONE: 1_000 });
    expect(Math.max(...batches())).toBeLessThanOrEqual(sliceMaxBytes);
  });
});

describe("a commit that is appended in many slices", () => {
  const metadata = "m".repeat(4_000);
  const large = commitOf(each(1_000), { metadata });

  /** The followers stand still, and as much of it is begun as may be. */
  async function stalled() {
    const room = new AppendRoom();
    const { world, api } = await served(room);
    world.partition.isReplicated = false;
    const answer = answerOf(api, large, 8);
    await settled();
    return { room, world, answer, begun: world.machine.offsets.size };
  }

  test("waits for the followers, so that they are never far behind", async () => {
    const room = new AppendRoom();
    const { world, api, logBytes } = await served(room);
    world.partition.isReplicated = false;
    const answer = answerOf(api, large, 8);
    let rounds = 0;
    for (; rounds < 100 && world.machine.offsets.size < 1_000; rounds++) {
      await settled();
      const before = world.partition.highWatermark;
      const behind = world.partition.batches.filter(({ endOffset }) => endOffset > before);
      expect(behind.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeLessThanOrEqual(batchBytes);
      world.partition.commit();
    }
    world.partition.commit();
    expect(counts((await answer).topics)).toEqual({ NONE: 1_000 });
    expect([rounds > 3, logBytes() > 4_000_000, room.underwayBytes]).toEqual([true, true, 0]);
  });

  test("what is small goes past what waits; what is large waits in line, also behind another request", async () => {
    const { world, api } = await served();
    world.partition.isReplicated = false;
    const first = answerOf(api, large, 8);
    const second = answerOf(api, commitOf(each(1_000, 1_000), { metadata }), 8);
    const small = answerOf(api, commitOf([[5_000, 7]]), 8);
    await settled();
    expect(world.machine.offsets.of("group").get("orders")?.get(5_000)?.offset).toBe(7);
    expect(world.machine.offsets.size).toBeLessThan(2 + batchBytes / metadata.length);
    world.partition.isReplicated = true;
    world.partition.commit();
    const answers = await Promise.all([first, second, small]);
    expect(answers.map(({ topics }) => counts(topics))).toEqual([{ NONE: 1_000 }, { NONE: 1_000 }, { NONE: 1 }]);
  });

  test("after the first slice that was refused, nothing more is begun, and all that is left has the same error", async () => {
    const { room, world, answer, begun } = await stalled();
    world.partition.refusal = "NOT_ENOUGH_REPLICAS";
    world.partition.commit();
    expect(counts((await answer).topics)).toEqual({ NONE: begun, COORDINATOR_NOT_AVAILABLE: 1_000 - begun });
    world.partition.refusal = null;
    await settled();
    expect([world.machine.offsets.size, room.underwayBytes]).toEqual([begun, 0]);
  });

  test("when the followers do not come, it gives up after what it began", async () => {
    const { room, world, answer, begun } = await stalled();
    await world.clock.advance(5_000);
    expect(counts((await answer).topics)).toEqual({ COORDINATOR_NOT_AVAILABLE: 1_000 });
    expect([begun < 300, world.machine.offsets.size, room.underwayBytes]).toEqual([true, begun, 0]);
  });

  test("when its client is gone, it begins nothing more, and leaves its room to others", async () => {
    const room = new AppendRoom();
    const { world, api } = await served(room);
    world.partition.isReplicated = false;
    let isGone = false;
    const checkAwaited = () => {
      if (isGone) throw new Error("the client is gone");
    };
    const meter: RequestMeter = { ...uncounted, checkAwaited };
    const answer = answerOf(api, large, 8, { meter });
    answer.catch(() => undefined);
    await settled();
    const begun = world.machine.offsets.size;
    isGone = true;
    world.partition.isReplicated = true;
    world.partition.commit();
    await expect(answer).rejects.toThrow("the client is gone");
    await settled();
    expect([world.machine.offsets.size, room.underwayBytes]).toEqual([begun, 0]);
  });
});

/** Requests about a group with a very long id; those that are about positions find 1,000 of them. */
const costly: Readonly<Record<string, object>> = {
  ConsumerGroupHeartbeat: { groupId: longGroupId, memberId: "m", memberEpoch: 0, subscribedTopicNames: ["orders"], topicPartitions: [] },
  DeleteGroups: { groupsNames: [longGroupId, longGroupId] },
  Heartbeat: { groupId: longGroupId },
  JoinGroup: { groupId: longGroupId, sessionTimeoutMs: 10_000, protocols: [{ name: "range", metadata: Buffer.alloc(0) }] },
  LeaveGroup: {
    groupId: longGroupId,
    members: Array.from({ length: 1_000 }, () => ({ memberId: "m", groupInstanceId: null, reason: null })),
  },
  OffsetCommit: { ...commitOf(each(1_000), { groupId: longGroupId }) },
  SyncGroup: { groupId: longGroupId, assignments: Array.from({ length: 1_000 }, () => ({ memberId: "m", assignment: Buffer.alloc(0) })) },
};

function endpointsOf(groups: GroupService): Endpoint[] {
  return Object.values<Api<unknown, unknown>>(groupApis(groups, images)).map((api) => endpoint(api));
}

test.each(Object.keys(costly))("%s appends a batch at most, or in proportion to what it says", async (name) => {
  const { world, groups, batches, logBytes } = await served();
  const positions = each(name === "DeleteGroups" ? 30 : 0);
  await answerOf(offsetCommitApi(groups, images), commitOf(positions, { groupId: longGroupId }), 8);
  const before = { bytes: logBytes(), batches: batches().length };
  const endpoint = endpointsOf(groups).find((one) => one.name === name)!;
  const { request } = messagesByKey.get(endpoint.apiKey)!;
  const version = endpoint.versions[1];
  const body = encodeWhole(request, { ...leastOf(request.fields, version), ...costly[name] }, version);
  const answer = endpoint.serve(body, context(version));
  await world.clock.advance(10_000);
  await answer;
  expect(logBytes() - before.bytes).toBeLessThanOrEqual(Math.max(batchBytes, 20 * body.length));
  // what is one change is one batch
  expect(Math.max(0, ...batches().slice(before.batches))).toBeLessThanOrEqual(
    name === "ConsumerGroupHeartbeat" ? batchBytes : sliceMaxBytes,
  );
});

test("OffsetDelete and DeleteGroups forget in slices by bytes, each position once", async () => {
  const { world, groups, batches } = await served();
  const commit = () => answerOf(offsetCommitApi(groups, images), commitOf(each(30), { groupId: longGroupId }), 8);
  const endpoints = endpointsOf(groups);
  const ask = async (name: string, value: object) => {
    await commit();
    const [count, endOffset] = [batches().length, world.partition.endOffset];
    const endpoint = endpoints.find((one) => one.name === name)!;
    const { request } = messagesByKey.get(endpoint.apiKey)!;
    const version = endpoint.versions[1];
    await endpoint.serve(encodeWhole(request, { ...leastOf(request.fields, version), ...value }, version), context(version));
    expect(Math.max(...batches().slice(count))).toBeLessThanOrEqual(sliceMaxBytes);
    return world.partition.endOffset - endOffset;
  };
  const twice = [...each(30), ...each(30)].map(([partitionIndex]) => ({ partitionIndex }));
  expect(await ask("OffsetDelete", { groupId: longGroupId, topics: [{ name: "orders", partitions: twice }] })).toBe(30);
  expect(await ask("DeleteGroups", { groupsNames: [longGroupId, longGroupId] })).toBeLessThanOrEqual(31);
  expect([world.machine.offsets.size, world.machine.groups.size]).toEqual([0, 0]);
});
