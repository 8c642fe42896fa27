import { describe, expect, test } from "vitest";
import { CloseConnection } from "../../../broker/api/api.ts";
import { produceApi } from "../../../broker/api/produce.ts";
import { uncounted } from "../../../broker/api/request-meter.ts";
import type { AppendingLeader, AppendOptions, AppendOutcome } from "../../../broker/partition/client-contract.ts";
import { TransactionGuards } from "../../../broker/partition/transaction-guards.ts";
import type { TopicPartition } from "../../../protocol/base/ids.ts";
import type { ProduceRequest } from "../../../protocol/messages/produce.ts";
import { answerOf, ask, context, Images, image, partition, topic, topicId } from "./fixtures.ts";

const images = new Images(
  image([topic("orders", topicId("o"), [partition(0), partition(1, { leader: 2, leaderEpoch: 9 })]), topic("bills", topicId("b"))]),
);

class Appends {
  readonly guards = new TransactionGuards();
  readonly calls: { readonly ref: TopicPartition; readonly text: string; readonly options: AppendOptions }[] = [];
  readonly outcomes = new Map<string, AppendOutcome>();
  /** While set, appends wait for it. */
  gate: Promise<void> | null = null;

  leader(ref: TopicPartition): AppendingLeader {
    return { append: (records, options) => this.#append(ref, records, options), guards: this.guards, openTransactionOf: () => null };
  }

  async #append(ref: TopicPartition, records: Buffer, options: AppendOptions): Promise<AppendOutcome> {
    this.calls.push({ ref, text: String(records), options });
    await this.gate;
    return this.outcomes.get(`${ref.topic}-${ref.partition}`) ?? { error: null, baseOffset: 40, logAppendTimeMs: -1, logStartOffset: 7 };
  }
}

function request(acks: number, topicData: Record<string, Record<number, readonly Buffer[] | null>>): ProduceRequest {
  return {
    transactionalId: null,
    acks,
    timeoutMs: 1500,
    topicData: Object.entries(topicData).map(([name, partitions]) => ({
      name,
      partitionData: Object.entries(partitions).map(([index, records]) => ({ index: Number(index), records })),
    })),
  };
}

const neverAsked = () => {
  throw new Error("no transaction is asked about");
};
const gate = { enter: neverAsked };
const bytes = (text: string) => [Buffer.from(text)];

describe("Produce", () => {
  test("answers every partition with its offset, in every version", async () => {
    for (let version = 3; version <= 12; version++) {
      const partitions = new Appends();
      const response = await answerOf(produceApi({ partitions, images, gate }), request(-1, { orders: { 0: bytes("a") } }), version);
      expect(partitions.calls).toMatchObject([
        { ref: { topic: "orders", partition: 0 }, text: "a", options: { acks: -1, timeoutMs: 1500 } },
      ]);
      expect(response.responses[0]?.partitionResponses[0]).toMatchObject({
        index: 0,
        errorCode: "NONE",
        baseOffset: 40,
        logAppendTimeMs: -1,
        logStartOffset: version >= 5 ? 7 : -1,
      });
    }
  });

  test("the brokers' own topics are closed to clients, but for Kafka's repair tools", async () => {
    const partitions = new Appends();
    const own = request(-1, { __consumer_offsets: { 0: bytes("a") } });
    const refused = await answerOf(produceApi({ partitions, images, gate }), own, 9);
    expect(refused.responses[0]?.partitionResponses[0]?.errorCode).toBe("INVALID_TOPIC_EXCEPTION");
    expect(partitions.calls).toEqual([]);
    await answerOf(produceApi({ partitions, images, gate }), own, 9, { clientId: "__admin_client" });
    expect(partitions.calls).toHaveLength(1);
  });

  test("appends in the order of the request before anything is awaited", async () => {
    const partitions = new Appends();
    partitions.gate = new Promise(() => {});
    const api = produceApi({ partitions, images, gate });
    void api.handle(request(1, { orders: { 0: bytes("a"), 1: bytes("b") }, bills: { 0: bytes("c") } }), context(9));
    void api.handle(request(1, { orders: { 0: bytes("d") } }), context(9));
    expect(partitions.calls.map(({ text }) => text)).toEqual(["a", "b", "c", "d"]);
  });

  test("appends nothing and says so when acks is none of 0, 1 and -1", async () => {
    const partitions = new Appends();
    const response = await answerOf(produceApi({ partitions, images, gate }), request(2, { orders: { 0: bytes("a") } }), 9);
    expect(partitions.calls).toEqual([]);
    expect(response.responses[0]?.partitionResponses[0]).toMatchObject({ errorCode: "INVALID_REQUIRED_ACKS", baseOffset: -1 });
  });

  test("does not answer acks=0, and closes the connection when something failed", async () => {
    const partitions = new Appends();
    const api = produceApi({ partitions, images, gate });
    expect(await ask(api, request(0, { orders: { 0: bytes("a") } }), 9)).toBeNull();
    partitions.outcomes.set("orders-0", { error: "NOT_LEADER_OR_FOLLOWER" });
    await expect(ask(api, request(0, { orders: { 0: bytes("a") } }), 9)).rejects.toThrow(CloseConnection);
  });

  test("one partition without records does not keep the others from being appended", async () => {
    const partitions = new Appends();
    const response = await answerOf(
      produceApi({ partitions, images, gate }),
      request(1, { orders: { 0: null, 1: [Buffer.alloc(0)] }, bills: { 0: bytes("c") } }),
      9,
    );
    expect(partitions.calls.map(({ text }) => text)).toEqual(["c"]);
    expect(response.responses.flatMap(({ partitionResponses }) => partitionResponses.map(({ errorCode }) => errorCode))).toEqual([
      "INVALID_RECORD",
      "INVALID_RECORD",
      "NONE",
    ]);
  });

  test("refuses zstd from a client whose version does not know it", async () => {
    const batch = Buffer.alloc(70);
    batch.writeInt8(2, 16);
    batch.writeInt16BE(4, 21);
    const partitions = new Appends();
    const api = produceApi({ partitions, images, gate });
    const codeIn = async (version: number) =>
      (await answerOf(api, request(1, { orders: { 0: [batch] } }), version)).responses[0]?.partitionResponses[0]?.errorCode;
    expect(await codeIn(6)).toBe("UNSUPPORTED_COMPRESSION_TYPE");
    expect(await codeIn(7)).toBe("NONE");
  });

  test("from version 8 on names the records for which a batch is refused", async () => {
    const partitions = new Appends();
    const recordErrors = [{ index: 3, error: "INVALID_RECORD", message: "no key" }] as const;
    partitions.outcomes.set("orders-0", { error: "INVALID_RECORD", message: "1 of 4", recordErrors });
    const partIn = async (version: number) =>
      (await answerOf(produceApi({ partitions, images, gate }), request(-1, { orders: { 0: bytes("a") } }), version)).responses[0]
        ?.partitionResponses[0];
    expect(await partIn(8)).toMatchObject({
      errorCode: "INVALID_RECORD",
      errorMessage: "1 of 4",
      recordErrors: [{ batchIndex: 3, batchIndexErrorMessage: "no key" }],
    });
    expect((await partIn(7))?.recordErrors).toEqual([]);
  });

  test("from version 10 on tells who leads now and where", async () => {
    const partitions = new Appends();
    partitions.outcomes.set("orders-1", { error: "NOT_LEADER_OR_FOLLOWER", message: "moved" });
    const api = produceApi({ partitions, images, gate });
    const at10 = await answerOf(api, request(1, { orders: { 0: bytes("a"), 1: bytes("b") } }), 10);
    expect(at10.responses[0]?.partitionResponses.map(({ currentLeader }) => currentLeader)).toEqual([
      { leaderId: -1, leaderEpoch: -1 },
      { leaderId: 2, leaderEpoch: 9 },
    ]);
    expect(at10.responses[0]?.partitionResponses[1]?.errorMessage).toBe("moved");
    expect(at10.nodeEndpoints).toEqual([{ nodeId: 2, host: "public-2", port: 9002, rack: null }]);
    expect((await answerOf(api, request(1, { orders: { 1: bytes("b") } }), 9)).nodeEndpoints).toEqual([]);
  });

  test("tells a partition that other brokers have from one that does not exist", async () => {
    const partitions = new Appends();
    partitions.outcomes.set("orders-0", { error: "UNKNOWN_TOPIC_OR_PARTITION" });
    partitions.outcomes.set("ghosts-0", { error: "NOT_LEADER_OR_FOLLOWER" });
    const response = await answerOf(
      produceApi({ partitions, images, gate }),
      request(1, { orders: { 0: bytes("a") }, ghosts: { 0: bytes("b") } }),
      11,
    );
    expect(response.responses.map(({ partitionResponses }) => partitionResponses[0]?.errorCode)).toEqual([
      "NOT_LEADER_OR_FOLLOWER",
      "UNKNOWN_TOPIC_OR_PARTITION",
    ]);
  });

  test("lets its request's bytes go when all of its records are on the disk or refused, and not before", async () => {
    const partitions = new Appends();
    partitions.gate = new Promise(() => {});
    let released = 0;
    const meter = { ...uncounted, releaseRequest: () => void released++ };
    void ask(produceApi({ partitions, images, gate }), request(-1, { orders: { 0: bytes("a"), 1: null }, bills: { 0: bytes("b") } }), 9, {
      meter,
    });
    const [a, b] = partitions.calls.map(({ options }) => options.onWritten);
    a?.();
    expect(released).toBe(0);
    b?.();
    expect(released, "it still waits for its replicas").toBe(1);
    void ask(
      produceApi({ partitions: { leader: () => "NOT_LEADER_OR_FOLLOWER" }, images, gate }),
      request(-1, { orders: { 0: bytes("a") } }),
      9,
      { meter },
    );
    expect(released, "nobody leads here").toBe(2);
    const written = new Appends();
    void ask(produceApi({ partitions: written, images, gate }), request(1, { orders: { 0: bytes("a") } }), 9, { meter });
    expect(written.calls[0]?.options, "acks=1 waits for nothing else").toEqual({ acks: 1, timeoutMs: 1500 });
  });
});
