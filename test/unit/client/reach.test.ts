import { expect, test } from "vitest";
import { Admin } from "../../../client/admin/admin.ts";
import { ConnectionLost } from "../../../client/base/errors.ts";
import { Consumer } from "../../../client/consumer/consumer.ts";
import { FakeCluster } from "./fake-cluster.ts";

async function nobody(): Promise<FakeCluster> {
  const fake = new FakeCluster();
  await fake.kill(1);
  await fake.kill(2);
  return fake;
}

/** How long it takes to be told that nobody is there. */
async function refusedAfterMs(fake: FakeCluster, work: Promise<unknown>): Promise<number> {
  const beganMs = fake.clock.monotonicMs();
  await expect(fake.clock.until(work)).rejects.toThrow(ConnectionLost);
  return fake.clock.monotonicMs() - beganMs;
}

test("where no broker ever answered, Admin gives up as soon as a command does, whatever it was to do", async () => {
  const fake = await nobody();
  const admin = new Admin(fake.options);
  for (const work of [
    () => admin.createTopics([{ name: "t" }]),
    () => admin.listTopics(),
    () => admin.listGroupOffsets("g"),
    () => admin.listOffsets([{ topic: "t", partition: 0, spec: "latest" }]),
    () => admin.listGroups(),
  ]) {
    const tookMs = await refusedAfterMs(fake, work());
    expect(tookMs).toBeGreaterThan(8_000);
    expect(tookMs).toBeLessThanOrEqual(10_000);
  }
});

test("subscribe and assign give up likewise, at the time that the same option says", async () => {
  const fake = await nobody();
  const options = { ...fake.options, group: "g", reachTimeoutMs: 3_000 };
  expect(await refusedAfterMs(fake, new Consumer(options).subscribe(["t"]))).toBeLessThanOrEqual(3_000);
  expect(await refusedAfterMs(fake, new Consumer(options).subscribe([/t/]))).toBeLessThanOrEqual(3_000);
  expect(await refusedAfterMs(fake, new Consumer(options).assign([{ topic: "t" }]))).toBeLessThanOrEqual(3_000);
  expect(await refusedAfterMs(fake, new Admin({ ...fake.options, reachTimeoutMs: 60_000 }).listTopics())).toBeGreaterThan(50_000);
});

test("an operation's own time, where that is shorter, comes first; a broker that swallows everything is no answer", async () => {
  const fake = await nobody();
  expect(await refusedAfterMs(fake, new Admin({ ...fake.options, operationTimeoutMs: 2_000 }).listTopics())).toBeLessThanOrEqual(2_000);
  const silent = new FakeCluster();
  silent.intercept = () => "ignore";
  const beganMs = silent.clock.monotonicMs();
  await expect(silent.clock.until(new Admin({ ...silent.options, reachTimeoutMs: 2_000 }).listTopics())).rejects.toThrow(
    "no broker answered within 2000 ms",
  );
  expect(silent.clock.monotonicMs() - beganMs).toBe(2_000);
});

test("once a broker has answered, an operation tries for as long as its own time says", async () => {
  const fake = new FakeCluster();
  const admin = new Admin(fake.options);
  await fake.clock.until(admin.listTopics());
  await fake.kill(1);
  await fake.kill(2);
  expect(await refusedAfterMs(fake, admin.listTopics())).toBeGreaterThan(50_000);
});
