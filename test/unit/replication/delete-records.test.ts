import { afterEach, describe, expect, test } from "vitest";
import { lowWatermark } from "../../../broker/partition/leader-log-start.ts";
import { producedBatch, testSettings } from "../../support/memory-log.ts";
import { MiniCluster, ref } from "./mini-cluster.ts";

let cluster: MiniCluster;
afterEach(() => cluster.stop());

/** Three replicas in sync with ten records, in batches of two. */
async function tenRecords(): Promise<void> {
  cluster = new MiniCluster();
  await cluster.start();
  for (let i = 0; i < 5; i++) void cluster.node(1).service.append(ref, producedBatch(2), { acks: -1, timeoutMs: 1000 });
  await cluster.until(() => [1, 2, 3].every((id) => cluster.highWatermark(id) === 10), "ten records everywhere");
}

/** Asks and lets time pass until there is an answer: the low watermark, or an error. */
async function deleteRecords(beforeOffset: number, { of = 1, timeoutMs = 5000 } = {}): Promise<number | string> {
  let answer: number | string | null = null;
  void cluster
    .node(of)
    .service.deleteRecords(ref, beforeOffset, timeoutMs)
    .then((outcome) => {
      answer = outcome.error ?? (outcome.error === null ? outcome.lowWatermark : "");
    });
  await cluster.until(() => answer !== null, "an answer");
  return answer ?? "";
}

const starts = () => [1, 2, 3].map((id) => cluster.node(id).log().startOffset);

describe("deleting records", () => {
  test("is answered when all live replicas begin there", async () => {
    await tenRecords();
    expect(await deleteRecords(4)).toBe(4);
    expect(starts()).toStrictEqual([4, 4, 4]);
    expect(await deleteRecords(7), "inside a batch").toBe(7);
    expect(starts()).toStrictEqual([7, 7, 7]);
    expect(await deleteRecords(3), "below the start: nothing to do").toBe(7);
    expect(await deleteRecords(-1), "all that is committed").toBe(10);
    expect(await deleteRecords(11)).toBe("OFFSET_OUT_OF_RANGE");
    expect(await deleteRecords(-2)).toBe("OFFSET_OUT_OF_RANGE");
    expect(await deleteRecords(10, { of: 2 })).toBe("NOT_LEADER_OR_FOLLOWER");
    const read = await cluster.node(1).service.read(ref, {
      fetchOffset: 9,
      currentLeaderEpoch: -1,
      lastFetchedEpoch: -1,
      maxBytes: 1000,
      minOneBatch: true,
    });
    expect(read.error).toBe("OFFSET_OUT_OF_RANGE");
  });

  test("is refused where the topic is only compacted", async () => {
    await tenRecords();
    cluster.node(1).table.updateSettings(ref.topic, { ...testSettings, cleanupPolicy: "compact" });
    expect(await deleteRecords(4)).toBe("POLICY_VIOLATION");
    cluster.node(1).table.updateSettings(ref.topic, { ...testSettings, cleanupPolicy: "compact,delete" });
    expect(await deleteRecords(4)).toBe(4);
  });

  test("waits for a replica that is alive, and not for one that is dead; that one starts over when it is back", async () => {
    await tenRecords();
    cluster.cut.add("3>1").add("1>3");
    expect(await deleteRecords(4, { timeoutMs: 700 })).toBe("REQUEST_TIMED_OUT");
    expect(starts()).toStrictEqual([4, 4, 0]);
    cluster.kill(3);
    cluster.cut.clear();
    expect(await deleteRecords(4)).toBe(4);
    for (let i = 0; i < 3; i++) void cluster.node(1).service.append(ref, producedBatch(2), { acks: 1, timeoutMs: 1000 });
    await cluster.until(() => cluster.highWatermark(1) === 16, "six more without it");
    expect(await deleteRecords(13)).toBe(13);
    await cluster.boot(3);
    await cluster.assign([3]);
    await cluster.until(() => cluster.znode.current.isr.length === 3, "in sync again");
    expect(starts()).toStrictEqual([13, 13, 13]);
    expect(cluster.node(3).log().content, "with the whole batch that the leader's log begins inside of").toStrictEqual(
      cluster.node(1).log().content,
    );
    expect(cluster.node(3).log().content[0]?.baseOffset).toBe(12);
  });

  test("ends with the leadership", async () => {
    await tenRecords();
    cluster.cut.add("3>1").add("1>3");
    const answer = cluster.node(1).service.deleteRecords(ref, 4, 5000);
    await cluster.until(() => starts()[1] === 4, "one follower knows");
    cluster.elect(2, [2, 3]);
    await cluster.assign([1, 2]);
    expect((await answer).error).toBe("NOT_LEADER_OR_FOLLOWER");
    cluster.cut.clear();
    await cluster.assign([3]);
    await cluster.until(() => starts().every((start) => start === 4), "the new leader knew, and the third one learns it");
  });
});

test("the low watermark is the lowest start of those that are alive, and unknown before all have told theirs", () => {
  const alive = (id: number) => id !== 4;
  expect(lowWatermark(9, [], new Map(), alive)).toBe(9);
  expect(lowWatermark(9, [2, 3], new Map([[2, 7]]), alive)).toBe(-1);
  expect(
    lowWatermark(
      9,
      [2, 3, 4],
      new Map([
        [2, 7],
        [3, 12],
      ]),
      alive,
    ),
  ).toBe(7);
});
