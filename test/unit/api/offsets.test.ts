import { describe, expect, test } from "vitest";
import { listOffsetsApi } from "../../../broker/api/list-offsets.ts";
import { offsetForLeaderEpochApi } from "../../../broker/api/offset-for-leader-epoch.ts";
import type { OffsetTarget } from "../../../broker/partition/client-contract.ts";
import type { TopicPartition } from "../../../protocol/base/ids.ts";
import type { KafkaError } from "../../../protocol/errors/kafka-errors.ts";
import { answerOf, Images, image, partition, topic, topicId } from "./fixtures.ts";

const images = new Images(image([topic("orders", topicId("o"), [partition(0), partition(1)])]));

function listing(error: KafkaError | null = null) {
  const asked: { readonly ref: TopicPartition; readonly target: OffsetTarget; readonly epoch: number }[] = [];
  const api = listOffsetsApi(
    {
      leader: (ref) => ({
        async listOffset(target, epoch) {
          asked.push({ ref, target, epoch });
          if (target.kind === "timestamp" && target.timestampMs > 1234)
            return { error: null, offset: -1, timestampMs: -1, leaderEpoch: -1 };
          return error === null ? { error: null, offset: 33, timestampMs: 1234, leaderEpoch: 5 } : { error };
        },
      }),
    },
    images,
  );
  const ask = (timestamp: number, version: number, partitions: readonly number[] = [0], maxNumOffsets = 1) =>
    answerOf(
      api,
      {
        replicaId: -1,
        isolationLevel: 0,
        topics: [
          {
            name: "orders",
            partitions: partitions.map((partitionIndex) => ({ partitionIndex, currentLeaderEpoch: 4, timestamp, maxNumOffsets })),
          },
        ],
      },
      version,
    );
  return { asked, ask };
}

describe("ListOffsets", () => {
  test("answers a timestamp in every version", async () => {
    for (let version = 1; version <= 9; version++) {
      const { asked, ask } = listing();
      expect((await ask(1000, version)).topics[0]?.partitions).toEqual([
        {
          partitionIndex: 0,
          errorCode: "NONE",
          oldStyleOffsets: [],
          timestamp: 1234,
          offset: 33,
          leaderEpoch: version >= 4 ? 5 : -1,
        },
      ]);
      expect(asked).toEqual([
        {
          ref: { topic: "orders", partition: 0 },
          target: { kind: "timestamp", timestampMs: 1000 },
          epoch: version >= 4 ? 4 : -1,
        },
      ]);
    }
  });

  test("version 0 answers with a list: the offset asked for, at the end for a time after all records", async () => {
    const asked = async (timestamp: number, max = 1) => (await listing().ask(timestamp, 0, [0], max)).topics[0]?.partitions[0];
    const plain = { partitionIndex: 0, errorCode: "NONE", timestamp: -1, offset: -1, leaderEpoch: -1 };
    expect(await asked(1000)).toEqual({ ...plain, oldStyleOffsets: [33] });
    expect(await asked(-2, 100)).toEqual({ ...plain, oldStyleOffsets: [33] });
    expect(await asked(-1, 0)).toEqual({ ...plain, oldStyleOffsets: [] });
    expect(await asked(-3)).toEqual({ ...plain, errorCode: "UNSUPPORTED_VERSION", oldStyleOffsets: [] });
    const late = listing();
    expect((await late.ask(2000, 0)).topics[0]?.partitions[0]?.oldStyleOffsets).toEqual([33]);
    expect(late.asked.map(({ target }) => target.kind)).toEqual(["timestamp", "latest"]);
  });

  test("knows each special timestamp from its version on", async () => {
    const meant = async (timestamp: number, version: number) => {
      const { asked, ask } = listing();
      const { topics } = await ask(timestamp, version);
      return asked[0]?.target.kind ?? topics[0]?.partitions[0]?.errorCode;
    };
    expect([await meant(-1, 1), await meant(-2, 1)]).toEqual(["latest", "earliest"]);
    expect([await meant(-3, 6), await meant(-3, 7)]).toEqual(["UNSUPPORTED_VERSION", "max-timestamp"]);
    expect([await meant(-4, 7), await meant(-4, 8)]).toEqual(["UNSUPPORTED_VERSION", "earliest"]);
    expect(await meant(-5, 8)).toBe("UNSUPPORTED_VERSION");
    expect(await meant(-6, 9)).toBe("UNSUPPORTED_VERSION");
  });

  test("nothing is tiered, but the partition's errors are told", async () => {
    expect((await listing().ask(-5, 9)).topics[0]?.partitions[0]).toMatchObject({ errorCode: "NONE", offset: -1, timestamp: -1 });
    const moved = listing("NOT_LEADER_OR_FOLLOWER");
    expect((await moved.ask(-5, 9)).topics[0]?.partitions[0]?.errorCode).toBe("NOT_LEADER_OR_FOLLOWER");
  });

  test("a partition asked for twice is refused in both places, the others are answered", async () => {
    const { ask } = listing();
    expect((await ask(-1, 5, [0, 1, 0])).topics[0]?.partitions.map(({ errorCode }) => errorCode)).toEqual([
      "INVALID_REQUEST",
      "NONE",
      "INVALID_REQUEST",
    ]);
  });

  test("before version 5 OFFSET_NOT_AVAILABLE goes by a name that clients know", async () => {
    const codeIn = async (version: number) => (await listing("OFFSET_NOT_AVAILABLE").ask(-1, version)).topics[0]?.partitions[0]?.errorCode;
    expect([await codeIn(4), await codeIn(5)]).toEqual(["LEADER_NOT_AVAILABLE", "OFFSET_NOT_AVAILABLE"]);
  });
});

test("OffsetForLeaderEpoch answers each partition's epoch end, or its error, in every version", async () => {
  const api = offsetForLeaderEpochApi(
    {
      leader: ({ partition: number }) => ({
        endOffsetForEpoch: (currentLeaderEpoch, epoch) =>
          number === 0 ? { error: null, epoch: epoch - 1, endOffset: 100 + currentLeaderEpoch } : { error: "UNKNOWN_TOPIC_OR_PARTITION" },
      }),
    },
    images,
  );
  for (let version = 0; version <= 4; version++) {
    const partitions = [0, 1, 7].map((number) => ({ partition: number, currentLeaderEpoch: 6, leaderEpoch: 4 }));
    const { topics } = await answerOf(api, { replicaId: -1, topics: [{ topic: "orders", partitions }] }, version);
    expect(topics[0]?.partitions).toEqual([
      { errorCode: "NONE", partition: 0, leaderEpoch: version >= 1 ? 3 : -1, endOffset: version >= 2 ? 106 : 99 },
      { errorCode: "NOT_LEADER_OR_FOLLOWER", partition: 1, leaderEpoch: -1, endOffset: -1 },
      { errorCode: "UNKNOWN_TOPIC_OR_PARTITION", partition: 7, leaderEpoch: -1, endOffset: -1 },
    ]);
  }
});
