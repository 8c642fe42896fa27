import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { Packr } from "msgpackr";
import { expect, test } from "vitest";
import { decodePeerFrame, encodePeerFrame } from "../../../broker/network/peer-frame.ts";
import { MalformedFrame } from "../../../protocol/wire/reader.ts";
import { peerSamples } from "./peer-samples.ts";

function whole(packed: Buffer, payload = Buffer.alloc(0)): Buffer {
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32BE(packed.length);
  return Buffer.concat([prefix, packed, payload]);
}

const plain = new Packr({ useRecords: false });
const packed = (value: unknown) => whole(plain.pack(value));

test("the payload's bytes are referenced on the way out and a view on the way in", () => {
  const records = [Buffer.from("one"), Buffer.from("two")];
  const chunks = encodePeerFrame(7, "replica-fetch", { a: 1 }, records);
  expect(chunks.slice(2)).toEqual(records);
  expect(chunks[2]).toBe(records[0]);
  const bytes = Buffer.concat(chunks);
  expect(bytes.readUInt32BE(0)).toBe(bytes.length - 4);
  const frame = decodePeerFrame(bytes.subarray(4));
  expect(frame).toMatchObject({ id: 7, kind: "replica-fetch", body: { a: 1 } });
  expect(String(frame.payload)).toBe("onetwo");
  expect(frame.payload.buffer).toBe(bytes.buffer);
});

const hostile: readonly [string, Buffer][] = [
  ["nothing", Buffer.alloc(0)],
  ["a packed part longer than the frame", Buffer.from([0xff, 0xff, 0xff, 0xff, 0x80])],
  ["no packed part", whole(Buffer.alloc(0))],
  ["a Kafka request", Buffer.from([0, 18, 0, 3, 0, 0, 0, 1, 0, 1, 0x61, 0])],
  ["no map", packed([1, "kind", {}])],
  ["no id", packed({ kind: "forward", body: {} })],
  ["a fraction as id", packed({ id: 1.5, kind: "forward", body: {} })],
  ["a number as kind", packed({ id: 1, kind: 2, body: {} })],
  ["an array of four thousand million", whole(Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff]))],
  ["a map of four thousand million", whole(Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff, 0xa1, 0x61, 0x01]))],
  ["a string beyond the end", whole(Buffer.from([0xdb, 0x7f, 0xff, 0xff, 0xff, 0x61]))],
  ["ten thousand arrays in each other", whole(Buffer.alloc(10_000, 0x91))],
  ["ten thousand maps in each other", whole(Buffer.concat([...Array(10_000)].map(() => Buffer.from([0x81, 0xa1, 0x61]))))],
  ["two values", whole(Buffer.concat([plain.pack({ id: 1, kind: "forward", body: 0 }), Buffer.from([0xc0])]))],
  ["a record definition, which would become code", whole(new Packr({ useRecords: true }).pack({ id: 1, kind: "forward", body: {} }))],
  ["a Set", whole(new Packr({ moreTypes: true, useRecords: false }).pack({ id: 1, kind: "forward", body: new Set([1]) }))],
  ["a regular expression", whole(new Packr({ moreTypes: true, useRecords: false }).pack({ id: 1, kind: "f", body: /(a+)+$/ }))],
  ["a date", packed({ id: 1, kind: "forward", body: new Date(0) })],
  ["bytes", packed({ id: 1, kind: "forward", body: Buffer.from("x") })],
  ["the type that msgpack never uses", whole(Buffer.from([0xc1]))],
];

for (const [what, frame] of hostile)
  test(`${what}: refused as malformed`, () => {
    expect(() => decodePeerFrame(frame)).toThrow(MalformedFrame);
  });

test("a body cannot reach Object's prototype", () => {
  const key = Buffer.from([0xa9, ...Buffer.from("__proto__")]);
  const polluted = Buffer.concat([Buffer.from([0x81]), key, plain.pack({ isAdmin: true })]);
  const message = Buffer.concat([
    Buffer.from([0x83]),
    plain.pack("id"),
    plain.pack(1),
    plain.pack("kind"),
    plain.pack("x"),
    plain.pack("body"),
    polluted,
  ]);
  const { body } = decodePeerFrame(whole(message));
  expect((body as { isAdmin?: boolean }).isAdmin).toBeUndefined();
  expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined();
});

function decodesOrRefuses(bytes: Buffer): void {
  try {
    decodePeerFrame(bytes);
  } catch (error) {
    if (!(error instanceof MalformedFrame)) throw error;
  }
  // what was refused leaves nothing behind that the next frame would meet
  const good = decodePeerFrame(Buffer.concat(encodePeerFrame(9, "isr-changed", peerSamples["isr-changed"].request)).subarray(4));
  if (!isDeepStrictEqual(good.body, peerSamples["isr-changed"].request)) throw new Error("a good frame was misread after a bad one");
}

test("any bytes are decoded or refused as malformed", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      decodesOrRefuses(Buffer.from(bytes));
      decodesOrRefuses(whole(Buffer.from(bytes)));
    }),
    { numRuns: 2000 },
  );
});

test("real frames with bytes changed, cut or doubled are decoded or refused as malformed", () => {
  const frames = Object.entries(peerSamples).flatMap(([kind, { request, response }]) =>
    [request, response].map((body) => Buffer.concat(encodePeerFrame(3, kind, body, [Buffer.from("payload")])).subarray(4)),
  );
  const change = fc.record({ at: fc.nat(), to: fc.nat(255) });
  fc.assert(
    fc.property(fc.constantFrom(...frames), fc.array(change, { maxLength: 8 }), fc.nat(), (frame, changes, end) => {
      const bytes = Buffer.from(frame);
      for (const { at, to } of changes) bytes[at % bytes.length] = to;
      decodesOrRefuses(bytes);
      decodesOrRefuses(bytes.subarray(0, end % (bytes.length + 1)));
    }),
    { numRuns: 3000 },
  );
});
