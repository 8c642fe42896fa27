import { expect, test } from "vitest";
import { LeaderEpochs } from "../../../broker/log/partition-log/leader-epochs.ts";

function epochs(...entries: readonly (readonly [number, number])[]): LeaderEpochs {
  const made = new LeaderEpochs();
  for (const [epoch, startOffset] of entries) made.begin(epoch, startOffset);
  return made;
}

test("an epoch ends where the next one begins, the latest at the log's end", () => {
  const known = epochs([1, 0], [3, 10], [4, 25]);
  expect(known.endOffsetFor(1, 30)).toStrictEqual({ epoch: 1, endOffset: 10 });
  expect(known.endOffsetFor(3, 30)).toStrictEqual({ epoch: 3, endOffset: 25 });
  expect(known.endOffsetFor(4, 30)).toStrictEqual({ epoch: 4, endOffset: 30 });
});

test("an epoch without records here answers as the one before it (KIP-279)", () => {
  const known = epochs([1, 0], [3, 10]);
  expect(known.endOffsetFor(2, 30)).toStrictEqual({ epoch: 1, endOffset: 10 });
  expect(known.endOffsetFor(9, 30)).toStrictEqual({ epoch: 3, endOffset: 30 });
  expect(known.endOffsetFor(0, 30)).toBeNull();
  expect(epochs().endOffsetFor(5, 0)).toBeNull();
});

test("an epoch whose records are not written yet is not known yet", () => {
  const known = epochs([1, 0], [2, 10]);
  expect(known.endOffsetFor(2, 8)).toStrictEqual({ epoch: 1, endOffset: 8 });
  expect(known.endOffsetFor(2, 10)).toStrictEqual({ epoch: 2, endOffset: 10 });
});

test("an epoch that began without a record gives way to the next that begins there", () => {
  const known = epochs([1, 0], [2, 10], [5, 10]);
  expect(known.entries).toStrictEqual([
    { epoch: 1, startOffset: 0 },
    { epoch: 5, startOffset: 10 },
  ]);
  const lower = epochs([1, 0], [7, 10], [3, 10]);
  expect(lower.latest).toBe(3);
});

test("epochs only rise", () => {
  expect(() => epochs([3, 0], [2, 5])).toThrow(/leader epochs only rise/);
});

test("truncation forgets what begins at the new end or above", () => {
  const known = epochs([1, 0], [3, 10], [4, 25]);
  known.truncateTo(25);
  expect(known.latest).toBe(3);
  known.truncateTo(11);
  expect(known.latest).toBe(3);
  known.truncateTo(10);
  expect(known.latest).toBe(1);
  expect(known.epochAt(9)).toBe(1);
});

test("the file is Kafka's: version, count, epoch and start per line; anything else is damaged", () => {
  const known = epochs([1, 0], [3, 10]);
  expect(String(known.encode())).toBe("0\n2\n1 0\n3 10\n");
  expect(LeaderEpochs.decode(known.encode())?.entries).toStrictEqual(known.entries);
  expect(String(new LeaderEpochs().encode())).toBe("0\n0\n");
  for (const damaged of [
    "",
    "0\n",
    "1\n0\n",
    "0\n2\n1 0\n",
    "0\n1\n1 x\n",
    "0\n2\n3 0\n1 5\n",
    "0\n2\n1 5\n3 5\n",
    "0\n1\n1 0 0\n",
    "\0\0\0\0",
  ])
    expect(LeaderEpochs.decode(Buffer.from(damaged)), JSON.stringify(damaged)).toBeNull();
});
