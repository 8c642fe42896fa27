import { expect, test } from "vitest";
import type { Api, Endpoint, RequestContext } from "../../../broker/api/api.ts";
import { TopicTraffic } from "../../../broker/api/topic-traffic.ts";
import { ImageStore } from "../../../broker/cluster/cluster-image.ts";
import { LoopDelay } from "../../../broker/metrics/loop-delay.ts";
import { RequestTally } from "../../../broker/metrics/request-tally.ts";
import type { IsrChangeRequest, IsrWriteResult } from "../../../broker/partition/cluster-contract.ts";
import { IsrChanges } from "../../../broker/partition/isr-changes.ts";
import { ReplicationTraffic } from "../../../broker/replication/replication-traffic.ts";
import { zeroTopicId } from "../../../protocol/base/ids.ts";
import type { FetchRequest, FetchResponse } from "../../../protocol/messages/fetch.ts";
import type { ProduceRequest, ProduceResponse } from "../../../protocol/messages/produce.ts";
import { fieldAt } from "../../../protocol/records/batch-header.ts";
import { topicId, topicOf } from "../cluster/topics.ts";
import { ManualClock, settled } from "../network/manual-clock.ts";

const noContext = {} as RequestContext;

test("a request is under way until it is answered, then it counts with its time, or as a failure", async () => {
  const clock = new ManualClock();
  const tally = new RequestTally(clock);
  const ends: { readonly answer: (chunks: Buffer[] | null) => void; readonly fail: (error: Error) => void }[] = [];
  const serve = () => new Promise<Buffer[] | null>((answer, fail) => ends.push({ answer, fail }));
  const endpoint = tally.counting({ apiKey: 0, name: "Produce", serve } as unknown as Endpoint);
  const [api] = tally.apis();
  const answered = endpoint.serve(Buffer.alloc(7), noContext);
  const failed = endpoint.serve(Buffer.alloc(3), noContext);
  expect(api).toMatchObject({ api: "Produce", underWay: 2, requestBytes: 10 });
  await clock.advance(20);
  ends[0]?.answer([Buffer.alloc(4), Buffer.alloc(1)]);
  ends[1]?.fail(new Error("the client is gone"));
  expect(await answered).toHaveLength(2);
  await expect(failed).rejects.toThrow("the client is gone");
  expect(api).toMatchObject({ underWay: 0, failures: 1, responseBytes: 5 });
  expect(api?.durations.count).toBe(2);
  expect(api?.durations.sumSeconds).toBeCloseTo(0.04);
  expect(api?.durations.cumulative()[api.durations.bounds.indexOf(0.01)]).toBe(0);
  expect(api?.durations.cumulative()[api.durations.bounds.indexOf(0.025)]).toBe(2);
});

test("a request that cannot be read throws as before, and is not under way", () => {
  const tally = new RequestTally(new ManualClock());
  const serve = () => {
    throw new Error("malformed");
  };
  expect(() => tally.counting({ name: "Fetch", serve } as unknown as Endpoint).serve(Buffer.alloc(1), noContext)).toThrow("malformed");
  expect(tally.apis()[0]?.underWay).toBe(0);
});

function batch(records: number, bytes: number): Buffer {
  const written = Buffer.alloc(bytes);
  written.writeInt32BE(records, fieldAt.recordsCount);
  return written;
}

function knownTopics(...names: readonly string[]): ImageStore {
  const images = new ImageStore("c");
  replaceTopics(images, names);
  return images;
}

function replaceTopics(images: ImageStore, names: readonly string[]): void {
  const topics = new Map(names.map((name, index) => [name, topicOf(name, index, 2)]));
  images.replace({ ...images.current, topics, topicNames: new Map(names.map((name, index) => [topicId(index), name])) });
}

const produced = (...errors: readonly string[]) =>
  ({ responses: [{ name: "a", partitionResponses: errors.map((errorCode) => ({ errorCode })) }] }) as unknown as ProduceResponse;

test("what is produced counts by topic once it is appended, and what is refused as a failure", async () => {
  const traffic = new TopicTraffic(knownTopics("a"));
  let answer: ProduceResponse | null = null;
  const api = traffic.countingProduces({ handle: async () => answer } as unknown as Api<ProduceRequest, ProduceResponse>);
  const request = {
    topicData: [
      {
        name: "a",
        partitionData: [
          { index: 0, records: [batch(3, 100)] },
          { index: 1, records: [batch(5, 61), Buffer.alloc(9)] },
        ],
      },
    ],
  } as unknown as ProduceRequest;
  answer = produced("NONE", "NOT_ENOUGH_REPLICAS");
  await api.handle(request, noContext);
  answer = null; // acks=0
  await api.handle(request, noContext);
  expect([...traffic.topics()]).toEqual([
    ["a", { receivedBytes: 100 + 170, receivedRecords: 3 + 8, sentBytes: 0, failedProduces: 1, failedFetches: 0 }],
  ]);
});

test("names that no topic has get no counters, and a deleted topic loses its own", async () => {
  const images = knownTopics("a");
  const traffic = new TopicTraffic(images);
  const api = traffic.countingProduces({ handle: async () => null } as unknown as Api<ProduceRequest, ProduceResponse>);
  const to = (name: string) =>
    ({ topicData: [{ name, partitionData: [{ index: 0, records: [batch(1, 61)] }] }] }) as unknown as ProduceRequest;
  for (const name of ["a", "made-up", "__proto__"]) await api.handle(to(name), noContext);
  expect([...traffic.topics()].map(([topic]) => topic)).toEqual(["a"]);
  replaceTopics(images, ["b"]);
  expect([...traffic.topics()]).toEqual([]);
});

test("what is fetched counts by topic, whether it was asked for by name or by id", async () => {
  const traffic = new TopicTraffic(knownTopics("a", "b"));
  const partitions = [
    { errorCode: "NONE", records: [Buffer.alloc(5), Buffer.alloc(6)] },
    { errorCode: "NOT_LEADER_OR_FOLLOWER", records: [] },
  ];
  const response = {
    responses: [
      { topic: "a", topicId: zeroTopicId, partitions },
      { topic: "", topicId: topicId(1), partitions },
    ],
  };
  await traffic
    .countingFetches({ handle: async () => response } as unknown as Api<FetchRequest, FetchResponse>)
    .handle({} as FetchRequest, noContext);
  expect([...traffic.topics()].map(([topic, { sentBytes, failedFetches }]) => [topic, sentBytes, failedFetches])).toEqual([
    ["a", 11, 1],
    ["b", 11, 1],
  ]);
});

test("an in-sync set counts when it is written, as smaller or larger", async () => {
  const changes = new IsrChanges();
  let result: IsrWriteResult = { kind: "written", stateVersion: 1 };
  const store = changes.counted({ writeIsr: async () => result });
  const write = (isr: number[], formerSize: number) => store.writeIsr({ isr, formerSize } as unknown as IsrChangeRequest);
  await write([1], 3);
  await write([1, 2], 1);
  await write([1, 2, 3], 2);
  result = { kind: "unknown" };
  await write([1], 3);
  expect([changes.shrinks, changes.expands]).toEqual([1, 2]);
});

test("replication counts the bytes of records in both directions", async () => {
  const traffic = new ReplicationTraffic();
  const peers = traffic.countingAnswers({ request: async () => ({ body: {} as never, payload: Buffer.alloc(12) }) });
  await peers.request({ host: "h", port: 1 }, "replica-fetch", {} as never, { timeoutMs: 1, lane: "replication" });
  await traffic.countingServed(async () => ({ body: {} as never, payload: [Buffer.alloc(3), Buffer.alloc(4)] }))(
    {} as never,
    Buffer.alloc(0),
    "",
  );
  expect([traffic.receivedBytes, traffic.sentBytes]).toEqual([12, 7]);
});

test("the event loop's delay is how late a timer is", async () => {
  const clock = new ManualClock();
  const delay = new LoopDelay(clock);
  delay.start();
  await clock.advance(500);
  expect([delay.delays.count, delay.delays.sumSeconds]).toEqual([5, 0]);
  delay.stop();
  await clock.advance(500);
  await settled();
  expect([delay.delays.count, clock.pendingTimers]).toEqual([5, 0]);
});
