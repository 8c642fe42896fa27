import fc from "fast-check";
import { expect, test } from "vitest";
import { InvariantViolation } from "../../../protocol/base/invariant.ts";
import { type Slab, SlabPool } from "../../../protocol/wire/slab-pool.ts";

test("a slab is at least as long as wanted, and at most twice as long where that is not tiny", () => {
  const slabs = new SlabPool();
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20_000_000 }), (wanted) => {
      const { length } = slabs.take(wanted).bytes;
      expect(length).toBeGreaterThanOrEqual(wanted);
      expect(length).toBeLessThanOrEqual(Math.max(4096, wanted * 2));
    }),
  );
});

test("no memory is given out twice, whatever is taken and released; what is kept stays within its bound, and is used again", () => {
  const act = fc.record({ takes: fc.boolean(), bytes: fc.integer({ min: 1, max: 300_000 }), which: fc.nat() });
  fc.assert(
    fc.property(fc.array(act, { maxLength: 300 }), fc.constantFrom(0, 4096, 100_000, 1_000_000), (acts, keptBytesMax) => {
      const slabs = new SlabPool({ keptBytesMax });
      const taken: { readonly slab: Slab; readonly mark: number }[] = [];
      for (const [i, { takes, bytes, which }] of acts.entries()) {
        if (takes || taken.length === 0) {
          const mark = i % 251;
          const slab = slabs.take(bytes);
          slab.bytes.fill(mark);
          taken.push({ slab, mark });
        } else {
          const [{ slab, mark }] = taken.splice(which % taken.length, 1) as [(typeof taken)[number]];
          expect(
            slab.bytes.every((byte) => byte === mark),
            "nobody else wrote to it",
          ).toBe(true);
          slab.release();
        }
        expect(slabs.keptBytes).toBeLessThanOrEqual(keptBytesMax);
      }
      expect(new Set(taken.map(({ slab }) => slab.bytes.buffer)).size).toBe(taken.length);
    }),
    { numRuns: 50 },
  );
});

test("what is released is taken again, the last first; sizes that nobody takes any more make room for others", () => {
  const slabs = new SlabPool({ keptBytesMax: 5 * 64 * 1024 });
  const small = Array.from({ length: 5 }, () => slabs.take(60_000));
  for (const slab of small) slab.release();
  expect(slabs.take(64 * 1024).bytes).toBe(small[4]!.bytes);
  const large = [slabs.take(100_000), slabs.take(100_000)];
  for (const slab of large) slab.release();
  expect(slabs.take(128 * 1024).bytes).toBe(large[1]!.bytes);
  expect(slabs.take(128 * 1024).bytes).toBe(large[0]!.bytes);
  expect(slabs.keptBytes).toBe(64 * 1024);
});

test("the rare huge one is not kept", () => {
  const slabs = new SlabPool({ keptBytesMax: 2 ** 30 });
  slabs.take(5_000_000).release();
  expect(slabs.keptBytes).toBe(0);
});

test("what is not kept is freed at once: the garbage collector would leave it for long", () => {
  const slabs = new SlabPool({ keptBytesMax: 2 * 64 * 1024 });
  const taken = [slabs.take(5_000_000), ...Array.from({ length: 5 }, () => slabs.take(64 * 1024))];
  for (const slab of taken) slab.release();
  expect(taken.map(({ bytes }) => bytes.length)).toEqual([0, 0, 0, 0, 64 * 1024, 64 * 1024]);
});

test("a second release is a bug, and told as one", () => {
  const slab = new SlabPool().take(1);
  slab.release();
  expect(() => slab.release()).toThrow(InvariantViolation);
});

test("with detachesReleased, a view that outlives the release is empty", () => {
  const slab = new SlabPool({ detachesReleased: true }).take(100_000);
  const view = slab.bytes.subarray(10, 20);
  slab.release();
  expect(view.length).toBe(0);
  expect(() => view.readInt32BE(0)).toThrow();
});
