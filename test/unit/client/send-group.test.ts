import { expect, test } from "vitest";
import { type RecordMetadata, SendGroup } from "../../../client/producer/pending-send.ts";

const sentAt = (offset: number): RecordMetadata => ({ topic: "t", partition: 0, offset, timestampMs: 0, attempts: 1 });

function group(recordsCount: number) {
  const settled: unknown[] = [];
  const sends = new SendGroup(recordsCount, {
    resolve: (sent) => settled.push(sent.map(({ offset }) => offset)),
    reject: (error) => settled.push(error.message),
  });
  return { sends: Array.from({ length: recordsCount }, (_, index) => sends.sendOf(index)), settled };
}

test("records that are sent together are acknowledged together, in their order", () => {
  const { sends, settled } = group(3);
  sends[2]?.resolve(sentAt(12));
  sends[0]?.resolve(sentAt(10));
  expect(settled).toEqual([]);
  sends[1]?.resolve(sentAt(11));
  expect(settled).toEqual([[10, 11, 12]]);
  expect(group(0).settled).toEqual([[]]);
});

test("one that fails is told at once, and the others never make the group succeed", () => {
  const { sends, settled } = group(2);
  sends[1]?.reject(new Error("gone"));
  expect(settled).toEqual(["gone"]);
  sends[0]?.resolve(sentAt(10));
  expect(settled).toEqual(["gone"]);
});
