import { expect, test } from "vitest";
import { Book, idOf } from "../../growth/book.ts";
import { faultsOf, unevenness } from "../../growth/checks.ts";

/** One partition: `count` records of one writer, all acknowledged, stored and read. */
function perfect(count: number) {
  const book = new Book(1);
  const stored = Array.from({ length: count }, (_, offset) => ({ offset, id: idOf("w", offset) }));
  for (const { offset, id } of stored) {
    book.acknowledged(0, "w", book.take(0, "w"), offset);
    book.read(0, offset, id);
  }
  return { book, stored };
}

const check = ({ book, stored }: ReturnType<typeof perfect>) => faultsOf(0, book.partitions[0]!, stored);

test("what was written once, in order, and read has no faults; what was given up may be there or not", () => {
  const world = perfect(10);
  expect(check(world)).toEqual([]);
  world.book.take(0, "w"); // not acknowledged, not stored
  expect(check(world)).toEqual([]);
  world.book.take(0, "w");
  world.stored.push({ offset: 10, id: idOf("w", 11) });
  world.book.read(0, 10, idOf("w", 11));
  expect(check(world)).toEqual([]);
});

test("each kind of fault is found", () => {
  const lost = perfect(10);
  lost.stored.pop();
  expect(check(lost)).toEqual([
    "partition 0: the group was handed records up to 9, beyond the end at 9",
    "partition 0: w-9 was acknowledged at 9, and is not stored",
  ]);
  const doubled = perfect(3);
  doubled.stored.push({ offset: 3, id: "w-1" });
  doubled.book.read(0, 3, "w-1");
  expect(check(doubled)[0]).toBe("partition 0: w-1 is stored twice, at 1 and 3");
  const swapped = perfect(3);
  [swapped.stored[1], swapped.stored[2]] = [
    { offset: 1, id: "w-2" },
    { offset: 2, id: "w-1" },
  ];
  expect(check(swapped)).toContain("partition 0: w-1 was acknowledged at 1, and is stored at 2");
  const madeUp = perfect(2);
  madeUp.stored.push({ offset: 2, id: "x-0" });
  madeUp.book.read(0, 2, "x-0");
  expect(check(madeUp)).toEqual(["partition 0: 1 records are stored that nobody sent there"]);
  const hole = perfect(2);
  hole.stored[1] = { offset: 2, id: "w-1" };
  expect(check(hole)).toContain("partition 0: offset 2 is where 1 belongs");
  const twoValues = perfect(2);
  twoValues.book.read(0, 1, "w-0");
  expect(check(twoValues)).toEqual(["partition 0: the group was handed w-1 and w-0 at 1, where w-1 is stored"]);
});

test("order: what was acknowledged later is not stored earlier, each where it was acknowledged", () => {
  const book = new Book(1);
  book.acknowledged(0, "w", book.take(0, "w"), 1);
  book.acknowledged(0, "w", book.take(0, "w"), 0);
  const stored = [
    { offset: 0, id: "w-1" },
    { offset: 1, id: "w-0" },
  ];
  for (const { offset, id } of stored) book.read(0, offset, id);
  expect(faultsOf(0, book.partitions[0]!, stored)).toEqual(["partition 0: w-1 is stored at 0, before one that was sent before it"]);
});

test("how far from even: leaders that cannot be divided are as even as they can be", () => {
  const shares = (leaders: number[], bytes: number[]) =>
    leaders.map((count, at) => ({ broker: at, leaders: count, bytes: bytes[at] ?? 0 }));
  expect(unevenness(shares([14, 14, 14], [100, 100, 100]))).toEqual({ leaders: 0, bytes: 0 });
  expect(unevenness(shares([24, 23, 23], [110, 100, 90]))).toEqual({ leaders: 0, bytes: 0.1 });
  expect(unevenness(shares([12, 8, 10], [1, 1, 1])).leaders).toBe(0.2);
});
