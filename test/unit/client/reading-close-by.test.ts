import { describe, expect, test } from "vitest";
import type { ConsumerOptions } from "../../../client/consumer/consumer-options.ts";
import type { KafkaErrorCode } from "../../../protocol/errors/kafka-errors.ts";
import type { FetchRequest, FetchResponse } from "../../../protocol/messages/fetch.ts";
import { consumerFor, fill, take, values, valuesOf } from "./consumer-fixture.ts";
import { FakeCluster } from "./fake-cluster.ts";
import type { FakePartition } from "./fake-partition.ts";

/** Topic `t`, led by broker 1, which sends consumers that say "near" to broker 2. */
async function sent(options: Partial<ConsumerOptions<string, string>> = {}, id = 2) {
  const cluster = new FakeCluster();
  const [partition] = cluster.topic("t", [1]) as [FakePartition];
  fill(partition, 0, 4);
  /** What the follower does, and where the leader sends to. */
  const follower: { error: KafkaErrorCode | null; hangs: boolean; closes: boolean; id: number } = {
    ...{ error: null, hangs: false, closes: false, id },
  };
  /** Broker and rack of each fetch. */
  const fetches: string[] = [];
  const changed = (answer: FetchResponse, change: Partial<FetchResponse["responses"][number]["partitions"][number]>) => ({
    ...answer,
    responses: answer.responses.map((of) => ({ ...of, partitions: of.partitions.map((one) => ({ ...one, ...change })) })),
  });
  cluster.intercept = ({ api, broker, request, version }) => {
    if (api !== "Fetch") return undefined;
    const asked = request as unknown as FetchRequest;
    const isLeader = broker === partition.leader;
    if (asked.topics.length > 0) fetches.push(`${broker} ${asked.rackId}`.trim());
    if (isLeader && asked.rackId === "near")
      return changed(cluster.fetch(asked, broker, version), { records: [Buffer.alloc(0)], preferredReadReplica: follower.id });
    if (isLeader) return undefined;
    if (follower.hangs) return "ignore";
    if (follower.closes) return "close";
    const answer = cluster.fetch(asked, partition.leader, version);
    if (follower.error !== null) return changed(answer, { records: [Buffer.alloc(0)], errorCode: follower.error });
    const isEmpty = answer.responses.every(({ partitions }) => partitions.every(({ records }) => records?.[0]?.length === 0));
    return isEmpty
      ? (respond) => cluster.clock.schedule(asked.maxWaitMs, () => respond(cluster.fetch(asked, partition.leader, version)))
      : answer;
  };
  const consumer = consumerFor(cluster, { rack: "near", retryBackoffMs: 100, fetchWaitMaxMs: 200, ...options });
  await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
  return { cluster, partition, follower, fetches, consumer };
}

describe("a consumer that says its rack", () => {
  test("reads from where its leader sends it", async () => {
    const { cluster, partition, consumer, fetches } = await sent();
    expect(valuesOf(await take(cluster, consumer, 4))).toEqual(values(0, 4));
    fill(partition, 4, 8);
    expect(valuesOf(await take(cluster, consumer, 4))).toEqual(values(4, 8));
    expect(fetches[0]).toBe("1 near");
    expect(new Set(fetches.slice(1))).toEqual(new Set(["2 near"]));
  });

  test("asks the leader again once the lease is over", async () => {
    const { cluster, partition, consumer, fetches } = await sent({ metadataMaxAgeMs: 5_000 });
    await take(cluster, consumer, 4);
    fetches.length = 0;
    const reading = take(cluster, consumer, 2);
    await cluster.clock.advance(6_000);
    fill(partition, 4, 6);
    expect(valuesOf(await reading)).toEqual(values(4, 6));
    expect(fetches.filter((one) => one === "1 near")).toHaveLength(1);
  });

  // what a follower says is not in the log is for the leader to say: no offset is reset, nothing is lost
  test.each([
    "OFFSET_OUT_OF_RANGE",
    "OFFSET_NOT_AVAILABLE",
    "NOT_LEADER_OR_FOLLOWER",
    "UNKNOWN_LEADER_EPOCH",
    "UNKNOWN_SERVER_ERROR",
  ] as const)("goes back to the leader when the follower answers %s, and asks there without a rack for a while", async (error) => {
    const { cluster, partition, consumer, follower, fetches } = await sent({ offsetReset: "none" });
    await take(cluster, consumer, 2);
    follower.error = error;
    fill(partition, 4, 8);
    expect(valuesOf(await take(cluster, consumer, 6))).toEqual(values(2, 8));
    expect(fetches).toContain("1");
    follower.error = null;
    const reading = take(cluster, consumer, 2);
    await cluster.clock.advance(2_000);
    fill(partition, 8, 10);
    expect(valuesOf(await reading)).toEqual(values(8, 10));
    expect(fetches.at(-1)).toBe("2 near");
  });

  test.each(["hangs", "closes"] as const)("does not wait for a follower that %s", async (how) => {
    const { cluster, partition, consumer, follower, fetches } = await sent({ slowAfterMs: 300 });
    await take(cluster, consumer, 4);
    follower[how] = true;
    const reading = take(cluster, consumer, 2);
    await cluster.clock.advance(250); // the fetch that was under way ends
    fill(partition, 4, 6);
    const beganAtMs = cluster.clock.monotonicMs();
    expect(valuesOf(await reading)).toEqual(values(4, 6));
    expect(cluster.clock.monotonicMs() - beganAtMs).toBeLessThan(1_500);
    expect(fetches).toContain("1");
  });

  test("reads from the next leader when it changes", async () => {
    const { cluster, partition, consumer, fetches } = await sent();
    await take(cluster, consumer, 4);
    cluster.moveLeader("t", 0, 2);
    fill(partition, 4, 6);
    fetches.length = 0;
    // it is sent to the leader itself: nothing comes of that
    expect(valuesOf(await take(cluster, consumer, 2))).toEqual(values(4, 6));
    expect(fetches).toContain("2");
  });

  test("reads from the leader when it is sent to a broker that nobody knows", async () => {
    const { cluster, consumer, fetches } = await sent({}, 77);
    expect(valuesOf(await take(cluster, consumer, 4))).toEqual(values(0, 4));
    expect(fetches).toContain("1");
  });
});

test("one that says none reads from the leader", async () => {
  const { cluster, consumer, fetches } = await sent({ rack: "" });
  await take(cluster, consumer, 4);
  expect(new Set(fetches)).toEqual(new Set(["1"]));
});
