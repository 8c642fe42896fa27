import { describe, expect, test } from "vitest";
import { Consumer } from "../../../client/consumer/consumer.ts";
import { markAborted } from "../../../client/fetch/aborted-batches.ts";
import type { Isolation } from "../../../client/metadata/offset-lookup.ts";
import { stringSerde } from "../../../client/serialization/serde.ts";
import type { FetchRequest } from "../../../protocol/messages/fetch.ts";
import type { ListOffsetsRequest } from "../../../protocol/messages/list-offsets.ts";
import { encodeBatch } from "../../../protocol/records/encode-batch.ts";
import { encodeEndMarker } from "../../../protocol/records/end-marker.ts";
import { scanBatches } from "../../../protocol/records/validate-batches.ts";
import { FakeCluster, textRecord } from "./fake-cluster.ts";
import { FakePartition } from "./fake-partition.ts";

/** A log in the making: what is appended, and the answers that a leader would give. */
class Log {
  readonly partition = new FakePartition(1);

  write(producerId: number, ...values: string[]): this {
    const fields = { producerId, producerEpoch: 0, baseSequence: 0, isTransactional: producerId >= 0 };
    this.partition.append(
      encodeBatch(
        values.map((value) => textRecord(value)),
        fields,
      ),
    );
    return this;
  }

  end(producerId: number, kind: "commit" | "abort"): this {
    this.partition.append(encodeEndMarker({ producerId, producerEpoch: 0, coordinatorEpoch: 0, kind }, 0));
    return this;
  }

  marked(aborted: readonly (readonly [number, number])[], from = 0) {
    const bytes = Buffer.concat(this.partition.batches.slice(from));
    const { batches } = scanBatches(bytes, { checkCrc: true });
    return markAborted(
      bytes,
      batches,
      aborted.map(([producerId, firstOffset]) => ({ producerId, firstOffset })),
    )
      .filter(({ isControl, isAborted }) => !isControl && isAborted !== true)
      .map(({ baseOffset }) => baseOffset);
  }
}

describe("batches of aborted transactions", () => {
  test("are those of the producer from the first offset up to its ABORT; what it commits afterwards is not among them", () => {
    const log = new Log().write(1, "a").end(1, "abort").write(1, "b").end(1, "commit");
    expect(log.marked([[1, 0]])).toEqual([2]);
  });

  test("what the producer committed before is not among them, even in the same answer", () => {
    const log = new Log().write(1, "a").end(1, "commit").write(1, "b").end(1, "abort");
    expect(log.marked([[1, 2]])).toEqual([0]);
  });

  test("of producers that write at the same time each has its own; records outside of transactions stay", () => {
    const log = new Log()
      .write(1, "a")
      .write(2, "b")
      .write(-1, "c")
      .write(1, "d")
      .end(2, "abort")
      .write(2, "e")
      .end(1, "abort")
      .end(2, "commit");
    expect(
      log.marked([
        [2, 1],
        [1, 0],
      ]),
    ).toEqual([2, 5]);
  });

  test("an answer may begin within the transaction, and one producer may have two in it", () => {
    const log = new Log().write(1, "a").write(1, "b").end(1, "abort").write(1, "c").end(1, "abort").write(1, "d");
    expect(
      log.marked(
        [
          [1, 0],
          [1, 3],
        ],
        1,
      ),
    ).toEqual([5]);
  });

  test("another producer's COMMIT does not end it, its own ABORT does", () => {
    const log = new Log().write(1, "a").write(2, "b").end(2, "commit").write(1, "c").end(1, "abort");
    expect(log.marked([[1, 0]])).toEqual([1]);
  });
});

/** Answers fetches up to `stableEnd`, with this aborted transaction; everything to those who ask for it. */
function serve(cluster: FakeCluster, stableEnd: number, aborted: { readonly producerId: number; readonly firstOffset: number }) {
  cluster.intercept = ({ api, request, broker, version }) => {
    if (api === "ListOffsets" && (request as ListOffsetsRequest).isolationLevel === 1) {
      const answer = cluster.listOffsets(request, broker);
      return {
        ...answer,
        topics: answer.topics.map((topic) => ({
          ...topic,
          partitions: topic.partitions.map((each) => ({ ...each, offset: Math.min(each.offset, stableEnd) })),
        })),
      };
    }
    const asked = request as FetchRequest;
    if (api !== "Fetch" || asked.isolationLevel !== 1) return undefined;
    const answer = cluster.fetch(asked, broker, version);
    const responses = answer.responses.map((topic) => ({
      ...topic,
      partitions: topic.partitions.map((each) => {
        const bytes = Buffer.concat(each.records ?? []);
        const within = scanBatches(bytes, { checkCrc: true }).batches.filter(({ lastOffset }) => lastOffset < stableEnd);
        const end = within.reduce((sum, { sizeInBytes }) => sum + sizeInBytes, 0);
        return { ...each, lastStableOffset: stableEnd, abortedTransactions: [aborted], records: [bytes.subarray(0, end)] };
      }),
    }));
    return (respond) => cluster.clock.schedule(50, () => respond({ ...answer, responses }));
  };
}

async function read(isolation: Isolation) {
  const cluster = new FakeCluster();
  const log = new Log().write(1, "aborted", "too").write(2, "kept").end(1, "abort").end(2, "commit").write(3, "open");
  cluster.topics.set("t", { topicId: "dF9fX19fX19fX19fX19fXw", partitions: [log.partition] });
  serve(cluster, 5, { producerId: 1, firstOffset: 0 });
  const consumer = new Consumer({ ...cluster.options, isolation, stopAtEnd: true, valueSerde: stringSerde });
  const values: (string | null)[] = [];
  const reading = (async () => {
    await consumer.assign([{ topic: "t", from: "beginning" }]);
    for await (const { value } of consumer) values.push(value);
  })();
  await cluster.clock.until(reading);
  const [state] = consumer.assignment();
  return { values, position: state?.position, end: state?.readableEnd, highWatermark: state?.highWatermark, lag: state?.lag };
}

describe("a consumer", () => {
  test("of what is committed gets neither aborted records nor those of an open transaction; its position passes over them", async () => {
    expect(await read("read_committed")).toEqual({ values: ["kept"], position: 5, end: 5, highWatermark: 6, lag: 0 });
  });

  test("of everything gets everything but control batches", async () => {
    expect(await read("read_uncommitted")).toEqual({
      values: ["aborted", "too", "kept", "open"],
      position: 6,
      end: 6,
      highWatermark: 6,
      lag: 0,
    });
  });
});
