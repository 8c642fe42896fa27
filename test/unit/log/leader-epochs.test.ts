import { deepStrictEqual, strictEqual, throws } from "node:assert";
import { test } from "vitest";
import { LeaderEpochs } from "../../../broker/log/partition-log/leader-epochs.ts";

function epochs(...entries: readonly (readonly [number, number])[]): LeaderEpochs {
  const made = new LeaderEpochs();
  for (const [epoch, startOffset] of entries) made.begin(epoch, startOffset);
  return made;
}

test("an epoch ends where the next one begins, the latest at the log's end", () => {
  const known = epochs([1, 0], [3, 10], [4, 25]);
  deepStrictEqual(known.endOffsetFor(1, 30), { epoch: 1, endOffset: 10 });
  deepStrictEqual(known.endOffsetFor(3, 30), { epoch: 3, endOffset: 25 });
  deepStrictEqual(known.endOffsetFor(4, 30), { epoch: 4, endOffset: 30 });
});

test("an epoch without records here answers as the one before it (KIP-279)", () => {
  const known = epochs([1, 0], [3, 10]);
  deepStrictEqual(known.endOffsetFor(2, 30), { epoch: 1, endOffset: 10 });
  deepStrictEqual(known.endOffsetFor(9, 30), { epoch: 3, endOffset: 30 });
  strictEqual(known.endOffsetFor(0, 30), null);
  strictEqual(epochs().endOffsetFor(5, 0), null);
});

test("an epoch whose records are not written yet is not known yet", () => {
  const known = epochs([1, 0], [2, 10]);
  deepStrictEqual(known.endOffsetFor(2, 8), { epoch: 1, endOffset: 8 });
  deepStrictEqual(known.endOffsetFor(2, 10), { epoch: 2, endOffset: 10 });
});

test("an epoch that began without a record gives way to the next that begins there", () => {
  const known = epochs([1, 0], [2, 10], [5, 10]);
  deepStrictEqual(known.entries, [
    { epoch: 1, startOffset: 0 },
    { epoch: 5, startOffset: 10 },
  ]);
  const lower = epochs([1, 0], [7, 10], [3, 10]);
  strictEqual(lower.latest, 3);
});

test("epochs only rise", () => {
  throws(() => epochs([3, 0], [2, 5]), /leader epochs only rise/);
});

test("truncation forgets what begins at the new end or above", () => {
  const known = epochs([1, 0], [3, 10], [4, 25]);
  known.truncateTo(25);
  strictEqual(known.latest, 3);
  known.truncateTo(11);
  strictEqual(known.latest, 3);
  known.truncateTo(10);
  strictEqual(known.latest, 1);
  strictEqual(known.epochAt(9), 1);
});

test("the file is Kafka's: version, count, epoch and start per line; anything else is damaged", () => {
  const known = epochs([1, 0], [3, 10]);
  strictEqual(String(known.encode()), "0\n2\n1 0\n3 10\n");
  deepStrictEqual(LeaderEpochs.decode(known.encode())?.entries, known.entries);
  strictEqual(String(new LeaderEpochs().encode()), "0\n0\n");
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
    strictEqual(LeaderEpochs.decode(Buffer.from(damaged)), null, JSON.stringify(damaged));
});
