import { expect, test } from "vitest";
import { HighWatermarkCheckpoint } from "../../../broker/partition/high-watermark-checkpoint.ts";

test("a write at the stop waits for the one under way, and then brings what moved meanwhile", async () => {
  const begun: { readonly offsets: ReadonlyMap<string, number>; readonly done: () => void }[] = [];
  const checkpoint = new HighWatermarkCheckpoint({
    highWatermarks: new Map(),
    checkpointHighWatermarks: (offsets) => new Promise((resolve) => begun.push({ offsets, done: resolve })),
  });
  checkpoint.set("t-0", 5);
  const first = checkpoint.write();
  await expect.poll(() => begun.length).toBe(1);
  checkpoint.set("t-0", 7);
  const second = checkpoint.write();
  await new Promise((resolve) => setImmediate(resolve));
  expect(begun).toHaveLength(1);
  begun[0]?.done();
  await first;
  await expect.poll(() => begun.length).toBe(2);
  begun[1]?.done();
  await second;
  expect(begun.map(({ offsets }) => offsets.get("t-0"))).toStrictEqual([5, 7]);
});
