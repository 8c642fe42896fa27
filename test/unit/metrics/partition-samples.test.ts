import { expect, test } from "vitest";
import { Pace } from "../../../broker/metrics/pace.ts";
import { collectPartitions } from "../../../broker/metrics/partition-samples.ts";
import { Samples } from "../../../broker/metrics/samples.ts";
import type { Partition } from "../../../broker/partition/partition.ts";
import { nodeClock } from "../../../protocol/node/node-clock.ts";
import type { Reassignment } from "../../../protocol/peer/messages.ts";

/** A partition that is led here, of which brokers 1 and 2 are in sync. */
function led(replicas: readonly number[], reassignment?: Reassignment): Partition {
  const state = { isr: new Set([1, 2]), replicas, reassignment, followers: new Map(), logEndOffset: 0 };
  return {
    identity: { topic: "t", partition: 0 },
    role: "leading",
    log: { sizeInBytes: 0 },
    settings: { minInsyncReplicas: 2 },
    leader: () => ({ state, waitingAppends: new Set() }),
  } as unknown as Partition;
}

async function counted(...partitions: readonly Partition[]) {
  const into = new Samples();
  await collectPartitions(
    { partitions: () => partitions, offlineReplicas: () => 0, tellsPartitions: () => false },
    into,
    new Pace(nodeClock),
  );
  const value = (family: Parameters<Samples["of"]>[0]) => into.of(family)[0]?.value;
  return {
    lacking: value("ottla_under_replicated_partitions"),
    ofTopic: value("ottla_topic_under_replicated_partitions"),
    moving: value("ottla_reassigning_partitions"),
  };
}

test("a partition lacks a copy when one that is to stay is not in sync", async () => {
  expect(await counted(led([1, 2]))).toEqual({ lacking: 0, ofTopic: 0, moving: 0 });
  expect(await counted(led([1, 2, 3]), led([2, 1, 4]), led([1, 2]))).toEqual({ lacking: 2, ofTopic: 2, moving: 0 });
});

test("what is being added or removed is not lacking, for as long as that takes", async () => {
  expect(await counted(led([1, 2, 3], { adding: [3], removing: [] }))).toEqual({ lacking: 0, ofTopic: 0, moving: 1 });
  expect(await counted(led([1, 2, 3], { adding: [], removing: [3] }))).toEqual({ lacking: 0, ofTopic: 0, moving: 1 });
  expect(await counted(led([1, 2, 3, 4], { adding: [4], removing: [1] })), "3 is to stay").toEqual({ lacking: 1, ofTopic: 1, moving: 1 });
});
