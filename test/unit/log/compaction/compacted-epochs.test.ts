import { deepStrictEqual } from "node:assert";
import { describe, test } from "vitest";
import type { Log } from "../../../../broker/log/log-contract.ts";
import { epochsBehind, positionIn } from "../../../../broker/partition/log-position.ts";
import { lead, startLog, startStore, topicId } from "../log-fixture.ts";
import { cleanerOf, compacted, keyedBatch } from "./compaction-fixture.ts";

/** One record per offset, of these keys. */
async function put(log: Log, epoch: number, keys: readonly string[]): Promise<void> {
  for (const key of keys) {
    lead(log, keyedBatch([{ key, value: `${epoch} ${"x".repeat(40)}` }]), epoch);
    await log.written(log.endOffset);
  }
}

/** Everything, as a follower fetches it. */
async function follow(follower: Log, leader: Log, maxBytes: number): Promise<void> {
  while (follower.endOffset < leader.writtenEndOffset) {
    const asked = { fetchOffset: follower.endOffset, lastFetchedEpoch: follower.lastEpoch };
    const { chunks } = await leader.read(asked.fetchOffset, { maxBytes, endOffsetLimit: leader.writtenEndOffset, minOneBatch: true });
    follower.appendAsFollower(Buffer.concat(chunks), epochsBehind(leader, asked));
    await follower.written(follower.endOffset);
  }
}

const repeated = (count: number) => Array.from({ length: count }, () => "again");

describe("a replica that is copied from a compacted leader", () => {
  test.each([1, 100_000])(
    "knows where each epoch began, also one whose first records, or all, are gone (%i bytes at a time)",
    async (maxBytes) => {
      const { log, clock } = await startLog({ ...compacted, segmentBytes: 100_000 });
      // epoch 0 up to 10, epoch 1 up to 14, epoch 2 up to 20; all that is left of 8 to 17 is 18 and 19
      await put(log, 0, ["a", "b", "c", "d", "e", "f", "g", "h", ...repeated(2)]);
      log.beginEpoch(1);
      await put(log, 1, repeated(4));
      log.beginEpoch(2);
      await put(log, 2, repeated(6));
      const uncompacted = log.epochsFrom(0);
      log.updateSettings({ ...compacted, segmentBytes: 100 });
      await put(log, 2, ["y", "z"]);
      await log.flush();
      await cleanerOf(log, { clock }).cleanOne();

      const copy = await startLog({ ...compacted, segmentBytes: 100_000 });
      await follow(copy.log, log, maxBytes);
      deepStrictEqual(copy.log.epochsFrom(0), uncompacted);
      // who has 10 to 14 of epoch 0, which were never committed, is told to cut them
      deepStrictEqual(positionIn(copy.log, 15, 0), { kind: "diverging", epoch: 0, endOffset: 10 });
      // who has the records of epoch 1 keeps them
      deepStrictEqual(positionIn(copy.log, 14, 1), { kind: "agrees" });
      deepStrictEqual(positionIn(copy.log, 15, 1), { kind: "diverging", epoch: 1, endOffset: 14 });
      await copy.store.close();
      const again = await startStore(copy.disk);
      deepStrictEqual((await again.store.open("t", 0, topicId, compacted)).epochsFrom(0), uncompacted, "after a restart");
    },
  );
});
