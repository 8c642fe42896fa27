import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { FrameSplitter } from "../../../protocol/wire/frame-splitter.ts";
import { MalformedFrame } from "../../../protocol/wire/reader.ts";
import { type Slab, SlabPool } from "../../../protocol/wire/slab-pool.ts";

function framed(content: Buffer): Buffer {
  const prefix = Buffer.alloc(4);
  prefix.writeInt32BE(content.length);
  return Buffer.concat([prefix, content]);
}

function split(chunks: readonly Buffer[], frameMaxBytes = 10): Buffer[] {
  const splitter = new FrameSplitter({ frameMaxBytes });
  const frames: Buffer[] = [];
  for (const chunk of chunks) splitter.push(chunk, (frame) => frames.push(frame));
  return frames;
}

const stream = Buffer.concat(["ab", "", "c", "0123456789"].map((text) => framed(Buffer.from(text))));

test("frames come out whole however the bytes are cut in three", () => {
  for (let first = 0; first <= stream.length; first++)
    for (let second = first; second <= stream.length; second++) {
      const frames = split([stream.subarray(0, first), stream.subarray(first, second), stream.subarray(second)]);
      expect(frames.map(String), `cut at ${first} and ${second}`).toEqual(["ab", "", "c", "0123456789"]);
    }
});

test("frames come out whole when every byte comes alone", () => {
  expect(split([...stream].map((byte) => Buffer.from([byte]))).map(String)).toEqual(["ab", "", "c", "0123456789"]);
});

test("any frames cut anywhere come out as they were", () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }),
      (contents, sizes) => {
        const whole = Buffer.concat(contents.map((content) => framed(Buffer.from(content))));
        const chunks: Buffer[] = [];
        for (let at = 0, i = 0; at < whole.length; i++) {
          const size = sizes[i % sizes.length] as number;
          chunks.push(whole.subarray(at, at + size));
          at += size;
        }
        expect(split(chunks, 300).map((frame) => frame.toString("hex"))).toEqual(
          contents.map((content) => Buffer.from(content).toString("hex")),
        );
      },
    ),
  );
});

test("frames come out with their length in front where it is kept, however the bytes are cut", () => {
  const packet = (length: number) => framed(Buffer.alloc(length, length));
  fc.assert(
    fc.property(fc.array(fc.nat(50), { maxLength: 8 }), fc.array(fc.nat(400), { maxLength: 10 }), (lengths, cuts) => {
      const whole = Buffer.concat(lengths.map(packet));
      const at = [0, ...cuts.filter((cut) => cut < whole.length).sort((a, b) => a - b), whole.length];
      const splitter = new FrameSplitter({ frameMaxBytes: 50, keepsPrefix: true });
      const found: Buffer[] = [];
      for (const [i, end] of at.slice(1).entries()) splitter.push(whole.subarray(at[i], end), (frame) => found.push(frame));
      expect(found).toEqual(lengths.map(packet));
      expect([splitter.heldBytes, splitter.announcedBytes]).toEqual([0, 0]);
    }),
  );
});

test("a frame larger than a megabyte arrives in pieces and comes out whole", () => {
  const content = Buffer.alloc(5_000_000);
  for (let i = 0; i < content.length; i += 997) content[i] = i % 251;
  const whole = framed(content);
  const chunks: Buffer[] = [];
  for (let at = 0; at < whole.length; at += 65_536) chunks.push(whole.subarray(at, at + 65_536));
  const [frame] = split(chunks, content.length);
  expect(frame?.equals(content)).toBe(true);
});

test("a frame is not a view on the chunk: those bytes are the link's", () => {
  for (const size of [1, 5000, 100_000]) {
    const chunk = framed(Buffer.alloc(size, "a"));
    const splitter = new FrameSplitter({ frameMaxBytes: size, slabs: new SlabPool() });
    splitter.push(chunk, (frame) => {
      chunk.fill("b");
      expect(frame.equals(Buffer.alloc(size, "a"))).toBe(true);
    });
  }
});

test("large frames come in slabs, which are used again once they are released and not before", () => {
  const slabs = new SlabPool();
  const splitter = new FrameSplitter({ frameMaxBytes: 10_000_000, slabs });
  const receive = (size: number, fill: string) => {
    const received: { frame: Buffer; slab: Slab | null }[] = [];
    const whole = framed(Buffer.alloc(size, fill));
    for (let at = 0; at < whole.length; at += 65_536)
      splitter.push(whole.subarray(at, at + 65_536), (frame, slab) => received.push({ frame, slab }));
    expect(received.length).toBe(1);
    expect(received[0]!.frame.equals(Buffer.alloc(size, fill))).toBe(true);
    return received[0]!;
  };
  expect(receive(1000, "s").slab).toBe(null);
  const first = receive(100_000, "a");
  const second = receive(100_000, "b");
  expect(second.frame.buffer).not.toBe(first.frame.buffer);
  first.slab!.release();
  expect(receive(70_000, "c").frame.buffer).toBe(first.frame.buffer);
  expect(second.frame.equals(Buffer.alloc(100_000, "b"))).toBe(true);
  // one that grows while it arrives gives back what it grew out of
  const before = slabs.keptBytes;
  receive(3_000_000, "d");
  expect(slabs.keptBytes).toBe(before + 1024 * 1024 + 2 * 1024 * 1024);
});

test("a frame up to the size that is allocated at once is not copied as it grows", () => {
  const size = 3_000_000;
  const whole = framed(Buffer.alloc(size, "x"));
  for (const [allocatedAtOnceBytesMax, allocations] of [
    [size, 1],
    [size / 2, 2],
  ] as const) {
    const allocate = vi.spyOn(Buffer, "allocUnsafe");
    const splitter = new FrameSplitter({ frameMaxBytes: size, allocatedAtOnceBytesMax });
    const frames: Buffer[] = [];
    for (let at = 0; at < whole.length; at += 65_536) splitter.push(whole.subarray(at, at + 65_536), (frame) => frames.push(frame));
    expect(allocate).toHaveBeenCalledTimes(allocations);
    allocate.mockRestore();
    expect(frames.map((frame) => frame.equals(whole.subarray(4)))).toEqual([true]);
  }
});

test("a negative length and one above the bound are refused, after the frames before were delivered", () => {
  for (const length of [-1, 11, 0x7fffffff, -0x80000000]) {
    const bad = Buffer.alloc(4);
    bad.writeInt32BE(length);
    for (const cut of [0, 1, 3]) {
      const splitter = new FrameSplitter({ frameMaxBytes: 10 });
      const frames: string[] = [];
      const bytes = Buffer.concat([framed(Buffer.from("ok")), bad]);
      splitter.push(bytes.subarray(0, 6 + cut), (frame) => frames.push(String(frame)));
      expect(() => splitter.push(bytes.subarray(6 + cut), () => {}), `length ${length} cut at ${cut}`).toThrow(MalformedFrame);
      expect(frames).toEqual(["ok"]);
    }
  }
});

test("announcing a large frame costs no memory of its size", () => {
  const splitter = new FrameSplitter({ frameMaxBytes: 2 ** 31 - 1 });
  const before = process.memoryUsage().arrayBuffers;
  const prefix = Buffer.alloc(5);
  prefix.writeInt32BE(2 ** 31 - 1);
  splitter.push(prefix, () => {});
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 * 1024 * 1024);
});
