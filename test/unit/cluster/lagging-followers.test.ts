import { expect, test } from "vitest";
import { emptyImage, ImageStore } from "../../../broker/cluster/cluster-image.ts";
import { LaggingFollowers } from "../../../broker/cluster/lagging-followers.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import type { BrokerRecord, PartitionRecord } from "../../../protocol/peer/messages.ts";
import { ManualClock } from "../network/manual-clock.ts";

const alive = (...ids: number[]) => new Map(ids.map((id) => [id, { id } as BrokerRecord]));

function world() {
  const clock = new ManualClock();
  const images = new ImageStore("c");
  const lines: object[] = [];
  const tell = (fields: object, message: string) => lines.push({ ...fields, message });
  const stop = new AbortController();
  new LaggingFollowers({ brokerId: 1, images, clock, log: { ...silentLogger, info: tell, warn: tell } }).start(stop.signal);
  /** Partitions of brokers 1, 2 and 3, each led by 1 unless said otherwise, with these in sync. */
  const inSync = (sets: readonly (readonly number[])[], brokers = alive(1, 2, 3), leader = 1) => {
    const partitions = sets.map((isr, partition) => ({ partition, leader, isr, replicas: [1, 2, 3] }) as unknown as PartitionRecord);
    images.replace({ ...emptyImage("c"), brokers, topics: new Map([["t", { name: "t", id: "t", partitions, config: {} }]]) });
  };
  return { clock, lines, inSync, stop };
}

const lagging = expect.stringMatching(/^a follower does not keep up/);

test("a follower that is missing in in-sync sets for a while is told once, with the number of partitions, and once when it is back", async () => {
  const { clock, lines, inSync } = world();
  inSync([
    [1, 2],
    [1, 2],
    [1, 2, 3],
  ]);
  await clock.advance(60_000);
  inSync([
    [1, 2],
    [1, 2],
    [1, 2],
  ]);
  await clock.advance(60_000);
  expect(lines).toEqual([{ follower: 3, partitions: 2, message: lagging }]);
  inSync([
    [1, 2, 3],
    [1, 2, 3],
    [1, 2, 3],
  ]);
  await clock.advance(60_000);
  expect(lines.slice(1)).toEqual([{ follower: 3, forMs: expect.any(Number), message: "a follower is in sync again" }]);
});

test("not one that catches up soon, is gone, or follows another leader", async () => {
  const { clock, lines, inSync } = world();
  inSync([[1, 2]]);
  await clock.advance(4_000);
  inSync([[1, 2, 3]]);
  await clock.advance(60_000);
  inSync([[1, 2]], alive(1, 2));
  await clock.advance(60_000);
  inSync([[2]], alive(1, 2, 3), 2);
  await clock.advance(60_000);
  expect(lines).toEqual([]);
});

test("nothing is looked at while nothing changes, nor once the broker stops", async () => {
  const { clock, inSync, stop } = world();
  inSync([[1, 2, 3]]);
  await clock.advance(10_000);
  expect(clock.pendingTimers).toBe(0);
  inSync([[1, 2]]);
  stop.abort();
  expect(clock.pendingTimers).toBe(0);
});
