import { expect, test } from "vitest";
import { DescriptorShortage } from "../../../broker/runtime/descriptor-shortage.ts";
import { descriptorLimit, descriptorShares } from "../../../broker/runtime/descriptors.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { ManualClock, settled } from "../network/manual-clock.ts";

const limits = "Limit                     Soft Limit           Hard Limit           Units     \n";

test("the limit of open files is read from what Linux shows, where there is one", () => {
  expect(descriptorLimit(`${limits}Max open files            1024                 524288               files     \n`)).toBe(1024);
  expect(descriptorLimit(`${limits}Max open files            unlimited            unlimited            files     \n`)).toBe(null);
  expect(descriptorLimit("")).toBe(null);
});

test("whatever the limit, connections, logs and files for reading together stay below it", () => {
  for (const limit of [192, 256, 1_024, 4_096, 20_000, 1_048_576]) {
    const { clientConnectionsMax, readFilesMax, logsMax } = descriptorShares(limit);
    expect(Math.min(clientConnectionsMax, readFilesMax, logsMax)).toBeGreaterThan(0);
    expect(clientConnectionsMax + readFilesMax + logsMax).toBeLessThan(limit - 64);
  }
  expect(descriptorShares(null)).toMatchObject({ clientConnectionsMax: Infinity, logsMax: Infinity, readFilesMax: 256 });
});

const noneLeft = () => Object.assign(new Error("EMFILE: too many open files"), { code: "EMFILE" });

function world() {
  const clock = new ManualClock();
  const lines: string[] = [];
  const tell = (_fields: object, message: string) => lines.push(message);
  return { clock, lines, shortage: new DescriptorShortage(clock, { ...silentLogger, error: tell, info: tell }) };
}

test("what needs a descriptor waits until there is one, and it is told once when that begins and once when it ends", async () => {
  const { clock, lines, shortage } = world();
  let left = 0;
  const open = async () => {
    if (left-- <= 0) throw noneLeft();
    return "opened";
  };
  const opened: string[] = [];
  for (let i = 0; i < 20; i++) void shortage.untilFree(open).then((file) => opened.push(file));
  await clock.advance(5_000);
  expect(opened).toEqual([]);
  expect(lines).toEqual([expect.stringMatching(/^no file can be opened.*ulimit -n/)]);
  left = 1_000_000;
  await clock.advance(200);
  expect(opened).toHaveLength(20);
  expect(lines.slice(1)).toEqual(["files can be opened again"]);
});

test("a shortage that lasts is told once a minute, also when nothing new needs a file; a short one soon after another is not", async () => {
  const { clock, lines, shortage } = world();
  let left = 0;
  const open = async () => {
    if (left <= 0) throw noneLeft();
  };
  const seconds = async (count: number) => {
    for (let second = 0; second < count; second++) await clock.advance(1_000);
  };
  const first = shortage.untilFree(open);
  await seconds(125);
  expect(lines).toHaveLength(3);
  left = 1;
  await seconds(1);
  await first;
  left = 0;
  const second = shortage.untilFree(open);
  await seconds(10);
  expect(lines.slice(3)).toEqual(["files can be opened again"]);
  await seconds(60);
  expect(lines.slice(4), "but one that stays").toEqual([expect.stringMatching(/^no file can be opened/)]);
  left = 1;
  await seconds(1);
  await second;
  expect(lines.slice(5)).toEqual(["files can be opened again"]);
});

test("every other failure is the caller's", async () => {
  const { shortage, lines } = world();
  await expect(shortage.untilFree(() => Promise.reject(Object.assign(new Error("x"), { code: "EIO" })))).rejects.toThrow("x");
  await settled();
  expect(lines).toEqual([]);
});
