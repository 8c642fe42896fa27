import { describe, expect, test } from "vitest";
import { CorruptBatch, InvalidArgument, KafkaProtocolError, NoCommittedOffset, OffsetOutOfRange } from "../../../client/base/errors.ts";
import { consumerFor, fill, take, values, valuesOf } from "./consumer-fixture.ts";
import { FakeCluster } from "./fake-cluster.ts";
import type { FakePartition } from "./fake-partition.ts";
import { FakeGroup, refuse } from "./group/fake-group.ts";
import { memberOf } from "./group/group-fixture.ts";

function world(records = 4) {
  const cluster = new FakeCluster();
  const [log] = cluster.topic("t", [1]) as [FakePartition];
  fill(log, 0, records);
  return { cluster, log };
}

type Reader = ReturnType<typeof consumerFor>;
const failureOf = (cluster: FakeCluster, consumer: Reader) => take(cluster, consumer, 1).catch((error: unknown) => error);

describe("an iteration after one that failed", () => {
  test("fails again while the position is not in the log, and goes on once it is", async () => {
    const { cluster, log } = world();
    const consumer = consumerFor(cluster, { offsetReset: "none" });
    await cluster.clock.until(consumer.assign([{ topic: "t", from: { offset: 6 } }]));
    for (let round = 0; round < 3; round++) expect(await failureOf(cluster, consumer)).toBeInstanceOf(OffsetOutOfRange);
    fill(log, 4, 8);
    expect(valuesOf(await take(cluster, consumer, 2))).toEqual(["v6", "v7"]);
  });

  test("fails again at a record that cannot be read, after what comes before it was read", async () => {
    const { cluster, log } = world();
    log.batches = log.batches.map((batch, i) => (i === 1 ? withDamagedEnd(batch) : batch));
    const consumer = consumerFor(cluster, { checkCrc: false });
    await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
    expect(valuesOf(await take(cluster, consumer, 3))).toEqual(values(0, 3));
    for (let round = 0; round < 3; round++) expect(await failureOf(cluster, consumer)).toBeInstanceOf(CorruptBatch);
    expect(consumer.position("t", 0)).toBe(3);
    fill(log, 4, 6);
    consumer.seek({ topic: "t", partition: 0 }, { offset: 4 });
    expect(valuesOf(await take(cluster, consumer, 2))).toEqual(["v4", "v5"]);
  });

  test.each([["of the partition"], ["of the whole answer"]])("asks again after a refusal %s", async (where) => {
    const { cluster } = world();
    let isRefused = true;
    cluster.intercept = ({ api, broker, version, request }) => {
      if (api !== "Fetch" || !isRefused) return undefined;
      const answer = cluster.fetch(request, broker, version);
      if (where === "of the whole answer") return { ...answer, errorCode: "TOPIC_AUTHORIZATION_FAILED" };
      const refused = ({ partitions, ...rest }: (typeof answer.responses)[number]) => ({
        ...rest,
        partitions: partitions.map((each) => ({ ...each, errorCode: "TOPIC_AUTHORIZATION_FAILED" })),
      });
      return { ...answer, responses: answer.responses.map(refused) };
    };
    const consumer = consumerFor(cluster);
    await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
    for (let round = 0; round < 2; round++) expect(await failureOf(cluster, consumer)).toBeInstanceOf(KafkaProtocolError);
    isRefused = false;
    expect(valuesOf(await take(cluster, consumer, 4))).toEqual(values(0, 4));
  });

  test("fails again where no position is known and none is to be chosen: in a group, and in a topic that was re-created", async () => {
    const { cluster } = world();
    new FakeGroup(cluster);
    const member = memberOf(cluster, { offsetReset: "none", metadataMaxAgeMs: 1_000 });
    await cluster.clock.until(member.subscribe(["t"]));
    for (let round = 0; round < 3; round++) expect(await failureOf(cluster, member)).toBeInstanceOf(NoCommittedOffset);
    member.seek({ topic: "t", partition: 0 }, "beginning");
    expect(valuesOf(await take(cluster, member, 4))).toEqual(values(0, 4));
    const [made] = cluster.topic("t", [1], `${"A".repeat(21)}Q`);
    fill(made, 0, 8);
    for (let round = 0; round < 3; round++) expect(await failureOf(cluster, member)).toBeInstanceOf(OffsetOutOfRange);
    member.seek({ topic: "t", partition: 0 }, "beginning");
    expect(valuesOf(await take(cluster, member, 8))).toEqual(values(0, 8));
  });

  test("looks again for where to begin when the group would not say", async () => {
    const { cluster } = world();
    const group = new FakeGroup(cluster);
    let refusals = 2;
    group.override = ({ api, request }) =>
      api === "OffsetFetch" && refusals-- > 0 ? refuse(api, "GROUP_AUTHORIZATION_FAILED", request) : undefined;
    const member = memberOf(cluster);
    await cluster.clock.until(member.subscribe(["t"]));
    for (let round = 0; round < 2; round++) expect(await failureOf(cluster, member)).toMatchObject({ code: "GROUP_AUTHORIZATION_FAILED" });
    expect(valuesOf(await take(cluster, member, 4))).toEqual(values(0, 4));
  });

  test("fails again when the member is out of its group, until it subscribes again", async () => {
    const { cluster } = world();
    const group = new FakeGroup(cluster);
    let isRefused = true;
    group.override = ({ api, request }) => (api === "JoinGroup" && isRefused ? refuse(api, "FENCED_INSTANCE_ID", request) : undefined);
    const member = memberOf(cluster, { groupInstanceId: "i" });
    await cluster.clock.until(member.subscribe(["t"]));
    for (let round = 0; round < 3; round++) expect(await failureOf(cluster, member)).toMatchObject({ code: "FENCED_INSTANCE_ID" });
    isRefused = false;
    await cluster.clock.until(member.subscribe(["t"]));
    expect(valuesOf(await take(cluster, member, 4))).toEqual(values(0, 4));
  });
});

describe("iterators", () => {
  test("one at a time; who waits for a record when it ends hears that it is over; and so does everybody after `close`", async () => {
    const { cluster } = world(0);
    const consumer = consumerFor(cluster);
    await cluster.clock.until(consumer.assign([{ topic: "t", from: "beginning" }]));
    const first = consumer[Symbol.asyncIterator]();
    const waiting = first.next();
    expect(() => consumer[Symbol.asyncIterator]()).toThrow(InvalidArgument);
    expect(() => consumer.batches()).toThrow(InvalidArgument);
    await first.return?.();
    await cluster.clock.settle();
    const over = { done: true, value: undefined };
    expect(await waiting).toEqual(over);
    const second = consumer.batches();
    expect(await first.next()).toEqual(over);
    const pending = second.next();
    await cluster.clock.until(consumer.close());
    expect([await pending, await second.next(), await first.next()]).toEqual([over, over, over]);
    expect(await consumer[Symbol.asyncIterator]().next()).toEqual(over);
  });
});

/** Its last record claims more headers than there are bytes. */
function withDamagedEnd(batch: Buffer): Buffer {
  const damaged = Buffer.from(batch);
  damaged[damaged.length - 1] = 0x7f;
  return damaged;
}
