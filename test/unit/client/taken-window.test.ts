import fc from "fast-check";
import { expect, test } from "vitest";
import { type TakenEntry, TakenWindow } from "../../../client/consumer/taken-window.ts";

const place = (offset: number, topicId = "one") => ({ offset, leaderEpoch: 0, topicId });
/** A record is taken: its entry. */
function take(window: TakenWindow, offset: number, bytes: number, before = place(offset)): TakenEntry {
  const entry = { before, offset, bytes, isProcessed: false };
  window.take(entry);
  return entry;
}
const roomy = { recordsMax: 1_000, bytesMax: 1_000_000 };

test("what may be committed is the place of the oldest record that is not processed, however the others finish", () => {
  const perOrder = fc.uniqueArray(fc.nat(19), { minLength: 20, maxLength: 20 });
  const gaps = fc.array(fc.nat(3), { minLength: 20, maxLength: 20 });
  fc.assert(
    fc.property(perOrder, gaps, (order, skipped) => {
      const window = new TakenWindow();
      let position = 0;
      const entries: TakenEntry[] = [];
      for (const gap of skipped) {
        entries.push(take(window, position + gap, 10, place(position)));
        position += gap + 1;
      }
      for (const which of order) {
        window.processed(entries[which] as TakenEntry);
        expect(window.oldest).toEqual(entries.find(({ isProcessed }) => !isProcessed)?.before ?? null);
      }
      expect(window.oldest).toBeNull();
    }),
  );
});

test("it is full by records or by bytes, counted from the oldest that is not processed, and then until half of it is processed", () => {
  for (const limits of [
    { ...roomy, recordsMax: 4 },
    { ...roomy, bytesMax: 40 },
  ]) {
    const window = new TakenWindow();
    const entries = [0, 1, 2, 3].map((offset) => {
      expect(window.mayTake(limits)).toBe(true);
      return take(window, offset, 10);
    });
    for (const processed of [3, 2, 1]) {
      window.processed(entries[processed] as TakenEntry);
      expect(window.mayTake(limits), "the oldest holds back what comes after it").toBe(false);
    }
    window.processed(entries[0] as TakenEntry);
    expect(window.mayTake(limits)).toBe(true);
    const [first, second, third] = [4, 5, 6, 7].map((offset) => take(window, offset, 10)) as TakenEntry[];
    expect(window.mayTake(limits)).toBe(false);
    window.processed(first as TakenEntry);
    expect(window.mayTake(limits), "a quarter is processed").toBe(false);
    window.processed(second as TakenEntry);
    expect(window.mayTake(limits), "half is processed, and that is not below half").toBe(false);
    window.processed(third as TakenEntry);
    expect(window.mayTake(limits)).toBe(true);
  }
});

test("one record is always allowed, however large", () => {
  const window = new TakenWindow();
  expect(window.mayTake({ recordsMax: 0.1, bytesMax: 5 })).toBe(true);
  const entry = take(window, 0, 100);
  expect(window.mayTake({ recordsMax: 10, bytesMax: 5 })).toBe(false);
  window.processed(entry);
  expect(window.mayTake({ recordsMax: 10, bytesMax: 5 })).toBe(true);
});

test("what the application has committed itself is processed", () => {
  const window = new TakenWindow();
  const entries = [0, 1, 2, 3].map((offset) => take(window, offset, 1));
  window.processed(entries[2] as TakenEntry);
  window.committedTo(2);
  expect(window.oldest).toEqual(place(3));
  window.processed(entries[0] as TakenEntry);
  expect(window.oldest).toEqual(place(3));
});

test("a record from before its end, or of another topic of that name, does not continue it", () => {
  const window = new TakenWindow();
  expect(window.isContinuedBy(place(7))).toBe(true);
  take(window, 7, 1, place(5));
  expect(window.isContinuedBy(place(8))).toBe(true);
  expect(window.isContinuedBy(place(7))).toBe(false);
  expect(window.isContinuedBy(place(8, "two"))).toBe(false);
});

test("what lies before records that were begun holds them up, unless something before it has failed", () => {
  const window = new TakenWindow();
  const entries = [0, 1, 2, 3, 4].map((offset) => take(window, offset, 1));
  const holdingUp = () => entries.filter((entry) => window.holdsUp(entry)).map(({ offset }) => offset);
  expect(holdingUp()).toEqual([]);
  window.begun(entries[3] as TakenEntry);
  window.begun(entries[0] as TakenEntry);
  expect(holdingUp()).toEqual([0, 1, 2]);
  window.failed(entries[1] as TakenEntry);
  window.failed(entries[2] as TakenEntry);
  expect(holdingUp()).toEqual([0]);
});
