import { expect, test } from "vitest";
import { openLogDirectories } from "../../../broker/log/directories/open-directories.ts";
import { TooManyLogs } from "../../../broker/log/store-contract.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { MemoryDisk } from "../../support/memory-files.ts";
import { StillClock, settingsWith, topicId } from "./log-fixture.ts";

test("a log beyond what the process may have open is refused, the others and their directory go on, and it is told once", async () => {
  const clock = new StillClock();
  const disk = new MemoryDisk({ clock, random: seededRandom(1) });
  const errors: string[] = [];
  const log = { ...silentLogger, error: (_fields: object, message: string) => errors.push(message) };
  const parts = { files: disk.attach(), clock, random: seededRandom(7), log };
  const logs = await openLogDirectories(parts, { directories: ["/one"], offline: [], logsMax: 2 });
  const open = (topic: string) => logs.open(topic, 0, topicId, settingsWith(), true);
  await open("a");
  await open("b");
  for (const topic of ["c", "d"]) await expect(open(topic)).rejects.toThrow(TooManyLogs);
  expect(errors).toEqual([expect.stringMatching(/^a log is not opened.*has 2 logs.*ulimit -n/)]);
  expect(logs.onlineCount).toBe(1);
  await open("a");
  await logs.delete("b", 0, topicId);
  await open("c");
  await logs.close();
});
