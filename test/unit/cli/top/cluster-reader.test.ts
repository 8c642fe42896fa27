import { expect, test } from "vitest";
import { ClusterReader, type View } from "../../../../cli/top/cluster-reader.ts";
import type { Admin } from "../../../../client/index.ts";
import { ManualClock } from "../../client/manual-clock.ts";
import { aBroker, aTopic } from "../cluster-to-order.ts";

/** How often each thing is asked of a cluster in a minute of one look a second. */
async function askedInAMinute(partitions: number, view: View, groups = 1): Promise<Record<string, number>> {
  const asked: Record<string, number> = {};
  const count = <T>(what: string, answer: T) => {
    asked[what] = (asked[what] ?? 0) + 1;
    return Promise.resolve(answer);
  };
  const topics = [
    aTopic(
      "t",
      Array.from({ length: partitions }, () => ({ replicas: [1, 2] })),
    ),
  ];
  const replicas = topics[0]!.partitions.map(({ partition }) => ({ topic: "t", partition, sizeInBytes: 1, offsetLag: 0, isFuture: false }));
  const directories = [{ directory: "/d", error: null, totalBytes: -1, usableBytes: -1, replicas }];
  const listings = Array.from({ length: groups }, (_, i) => ({
    groupId: `g${i}`,
    protocolType: "consumer",
    state: "Empty",
    type: "classic",
  }));
  const admin = {
    describeCluster: () => count("metadata", { clusterId: "c", controllerId: 1, brokers: [aBroker(1), aBroker(2)] }),
    listTopics: () => count("topics", topics),
    describeConfigs: () => count("settings", [{ configs: [], error: null }]),
    describeLogDirs: ([broker]: readonly number[]) => count("sizes", [{ broker, directories, error: null }]),
    listOffsets: (wanted: readonly object[]) =>
      count(
        "ends",
        wanted.map((each) => ({ ...each, offset: 1 })),
      ),
    listGroups: () => count("groups", listings),
    describeGroups: () => count("group", [{ error: new Error("gone") }]),
    listGroupOffsets: () => count("positions", []),
    describeTopics: () => count("described", []),
  } as unknown as Admin;
  const clock = new ManualClock();
  const reader = new ClusterReader({ admin, clock, everyMs: 1_000, metricsNamed: [], stop: new AbortController().signal });
  for (let second = 0; second < 60; second++) {
    await reader.ask(view);
    await clock.advance(1_000);
  }
  return asked;
}

test("a small cluster is asked at every look, for sizes less often, and for what another view shows never", async () => {
  // of two brokers, one of which leads everything
  expect(await askedInAMinute(10, "brokers")).toEqual({ metadata: 60, topics: 60, settings: 2, sizes: 12, ends: 60 });
  expect(await askedInAMinute(10, "groups")).toMatchObject({ metadata: 60, groups: 60, group: 60, positions: 60 });
});

test("10,000 partitions are asked for every ten seconds, their copies every twenty, and 500 groups every five", async () => {
  expect(await askedInAMinute(10_000, "topics")).toEqual({ metadata: 6, topics: 6, settings: 2, sizes: 6, ends: 6 });
  expect((await askedInAMinute(10, "groups", 500)).groups).toBe(12);
});

test("what is asked first has to be answered; what fails later is told, and what is known stays", async () => {
  const failing = { describeCluster: () => Promise.reject(new Error("nobody")), listTopics: () => Promise.resolve([]) };
  const parts = { clock: new ManualClock(), everyMs: 1_000, metricsNamed: [], stop: new AbortController().signal };
  await expect(new ClusterReader({ ...parts, admin: failing as unknown as Admin }).ask("groups")).rejects.toThrow("nobody");
  let isWell = true;
  const answer = <T>(value: T) => (isWell ? Promise.resolve(value) : Promise.reject(new Error("away")));
  const admin = {
    describeCluster: () => answer({ clusterId: "c", controllerId: 1, brokers: [] }),
    listTopics: () => answer([]),
    listGroups: () => answer([]),
  } as unknown as Admin;
  const reader = new ClusterReader({ ...parts, admin });
  await reader.ask("groups");
  isWell = false;
  await parts.clock.advance(1_000);
  await reader.ask("groups");
  expect(reader.known).toMatchObject({ metadata: { clusterId: "c" }, groups: { value: { groups: [] } } });
  expect(reader.known.failures).toEqual(["metadata: away", "groups: away"]);
});
