import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../protocol/base/random.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { MemoryDisk } from "../../support/memory-files.ts";
import { StillClock, settingsWith, startStore, topicId } from "./log-fixture.ts";

const batch = (baseOffset: number, leaderEpoch: number) =>
  encodeBatch([{ key: Buffer.from("k"), value: Buffer.from("v"), timestampMs: 1 }], { baseOffset, leaderEpoch });

/** At the leader: epoch 1 up to 4, epoch 2 up to 8, epoch 3 from there on; compaction left 0, 12 and 13. */
const leaders = [
  { epoch: 1, startOffset: 0 },
  { epoch: 2, startOffset: 5 },
  { epoch: 3, startOffset: 9 },
];

describe("a follower of a compacted log", () => {
  test.each(["power", "process"] as const)(
    "has what was written behind a gap, and knows the epochs that began in it, when the %s is lost",
    async (how) => {
      for (let seed = 1; seed <= 20; seed++) {
        const clock = new StillClock();
        const disk = new MemoryDisk({ clock, random: seededRandom(seed) });
        const settings = settingsWith({ flushMessages: 1 });
        const log = await (await startStore(disk, {}, clock)).store.open("t", 0, topicId, settings);
        for (const [offset, epoch] of [
          [0, 1],
          [12, 3],
          [13, 3],
        ] as const) {
          expect(log.appendAsFollower(batch(offset, epoch), leaders)).toBeTruthy();
          await log.written(offset + 1);
        }
        if (how === "power") disk.crash();
        else disk.loseProcess();
        const again = await (await startStore(disk, {}, clock)).store.open("t", 0, topicId, settings);
        expect(again.endOffset, `seed ${seed}: written counts as on the disk`).toBe(14);
        expect(again.epochsFrom(0), `seed ${seed}`).toStrictEqual(leaders);
        expect(again.damage).toBeNull();
      }
    },
  );
});
