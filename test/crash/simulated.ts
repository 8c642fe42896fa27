import { openLogStore } from "../../broker/log/directories/open-directories.ts";
import { silentLogger } from "../../protocol/base/logger.ts";
import { randomInt, seededRandom } from "../../protocol/base/random.ts";
import { dyingAt, endLife } from "../support/dying-disk.ts";
import { MemoryDisk } from "../support/memory-files.ts";
import { verify } from "../unit/cli/log-verify/verify-fixture.ts";
import { StillClock } from "../unit/log/log-fixture.ts";
import { LogExpectation } from "./expectations.ts";
import { CrashWorkload, logsOfCrash, topicId } from "./workload.ts";

const directory = "/data/logs";
const lives = 4;

/**
 * Lives of the same workload on a disk in memory, each ended in the midst of some operation: by a kill, or by a loss of power, which loses
 * and tears what was not synced. Rejects with the seed.
 */
export async function crashSimulated(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const clock = new StillClock();
  const disk = new MemoryDisk({ clock, random: seededRandom(seed * 7 + 3) });
  const expected = new Map<string, LogExpectation>(logsOfCrash.map(({ topic }) => [topic, new LogExpectation(topic)]));
  const open = () =>
    openLogStore(
      { files: disk.attach(), clock, random: seededRandom(seed + 1), log: silentLogger },
      { directory, tailCacheBytesMax: 3000 },
    );

  for (let life = 0; life < lives; life++) {
    const power = random.next() < 0.7;
    const work = async () => {
      const store = await open();
      const report = (event: Parameters<LogExpectation["note"]>[0]) => expected.get(event.topic)?.note(event, { lost: power });
      const workload = new CrashWorkload({ store, random, producerEpoch: life, report });
      await workload.open();
      for (;;) await workload.step();
    };
    const operation = 1 + randomInt(random, 400);
    try {
      await dyingAt(disk, operation, () => endLife(disk, power), work);
      const store = await open();
      for (const { topic, settings } of logsOfCrash) await expected.get(topic)?.check(await store.open(topic, 0, topicId, settings));
      await store.close();
      const { failure } = await verify(disk.attach(), [directory], { producerExpiration: Number.MAX_SAFE_INTEGER });
      if (failure !== null) throw new Error(failure);
    } catch (error) {
      throw new Error(`seed ${seed}, life ${life}, ${power ? "power lost" : "killed"}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    }
  }
}
