import fc from "fast-check";
import { expect, test } from "vitest";
import { Outgoing } from "../../../broker/network/outgoing.ts";
import { settled } from "./manual-clock.ts";
import { MemoryLink } from "./memory-transport.ts";

test("large answers leave piece by piece, whole and in order, and are less and less to hold", async () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 1_500_000 }), { minLength: 1, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(fc.array(sizes, { minLength: 1, maxLength: 3 }), async (answers) => {
      const [near, far] = [new MemoryLink("near"), new MemoryLink("far")];
      near.other = far;
      far.other = near;
      const outgoing = new Outgoing(near);
      const held: number[] = [];
      const received: Buffer[] = [];
      near.handlers = { onData: () => {}, onClose: () => {}, onDrain: () => outgoing.onDrain() };
      far.handlers = {
        onData: (chunk) => {
          received.push(Buffer.from(chunk));
          held.push(outgoing.unsentBytes);
        },
        onClose: () => {},
      };
      const chunks = answers.flat().map((size, i) => Buffer.alloc(size, i + 1));
      let at = 0;
      for (const answer of answers) {
        const own = chunks.slice(at, at + answer.length);
        at += answer.length;
        outgoing.write(own);
      }
      for (let i = 0; i < 40; i++) await settled();
      expect(Buffer.concat(received).equals(Buffer.concat(chunks))).toBe(true);
      expect(held).toEqual([...held].sort((a, b) => b - a));
      expect([outgoing.isHandedOver, outgoing.unsentBytes]).toEqual([true, 0]);
    }),
    { numRuns: 10 },
  );
});

test("a client that reads slowly is seen to read", async () => {
  const [near, far] = [new MemoryLink("near"), new MemoryLink("far")];
  near.other = far;
  far.other = near;
  const outgoing = new Outgoing(near);
  near.handlers = { onData: () => {}, onClose: () => {}, onDrain: () => outgoing.onDrain() };
  const pieces: number[] = [];
  far.handlers = { onData: ({ length }) => pieces.push(length), onClose: () => {} };
  outgoing.write([Buffer.alloc(1_000_000)]);
  for (let i = 0; i < 20; i++) await settled();
  expect(pieces.reduce((sum, length) => sum + length)).toBe(1_000_000);
  expect(Math.max(...pieces)).toBeLessThanOrEqual(128 * 1024);
});

test("what an answer consists of is released when all of it has left, in whichever pieces, or when the link is gone", async () => {
  for (const sizes of [[10], [300_000], [10, 500_000, 20], [128 * 1024], [128 * 1024 + 1]]) {
    const [near, far] = [new MemoryLink("near"), new MemoryLink("far")];
    near.other = far;
    far.other = near;
    const outgoing = new Outgoing(near);
    let left = 0;
    let [written, leftAtSent] = [0, -1];
    near.handlers = { onData: () => {}, onClose: () => {}, onDrain: () => outgoing.onDrain() };
    far.handlers = {
      onData: ({ length }) => {
        left += length;
      },
      onClose: () => {},
    };
    const sent: number[] = [];
    far.isPaused = true;
    for (const [i, size] of sizes.entries()) {
      written += size;
      const all = written;
      const release = () => {
        sent.push(i);
        leftAtSent = left;
        // the last piece is handed over before it arrives
        expect(left, "bytes that arrived before").toBeGreaterThanOrEqual(all - 128 * 1024 - 1);
      };
      outgoing.write([Buffer.alloc(size, 1)], [{ bytes: size, release }]);
    }
    for (let i = 0; i < 5; i++) await settled();
    expect(sent).toEqual([]);
    far.resume();
    for (let i = 0; i < 60; i++) await settled();
    expect([sent, left]).toEqual([sizes.map((_, i) => i), written]);
    expect(leftAtSent).toBeLessThanOrEqual(written);
    expect(outgoing.heldBytes).toBe(0);
    far.isPaused = true;
    outgoing.write([Buffer.alloc(300_000)], [{ bytes: 512 * 1024, release: () => sent.push(-1) }]);
    expect(outgoing.heldBytes, "the memory of the answer, not its bytes").toBe(512 * 1024);
    for (let i = 0; i < 5; i++) await settled();
    expect(sent).not.toContain(-1);
    near.destroy();
    outgoing.close();
    expect(sent, "the link may still read the first piece").not.toContain(-1);
    for (let i = 0; i < 5; i++) await settled();
    expect(sent.filter((one) => one === -1)).toEqual([-1]);
    expect(outgoing.heldBytes).toBe(0);
  }
});
