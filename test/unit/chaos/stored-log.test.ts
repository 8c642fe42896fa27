import { expect, test } from "vitest";
import { crc32c } from "../../chaos/end/crc32c.ts";
import { parseSegments } from "../../chaos/end/stored-log.ts";
import { hashOf, recordValue } from "../../chaos/history/value.ts";

const headerBytes = 61;

/** Zigzag, as records have their numbers. */
function varint(value: number): number[] {
  let rest = value >= 0 ? value * 2 : -value * 2 - 1;
  const bytes: number[] = [];
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 0x80);
  return [...bytes, rest];
}

/** By hand, from the description of Kafka's format. */
function batch(baseOffset: number, values: readonly string[]): Buffer {
  const records = values.map((value, delta) => {
    const body = Buffer.concat([
      Buffer.from([0, ...varint(-3), ...varint(delta), ...varint(-1), ...varint(value.length)]),
      Buffer.from(value),
    ]);
    const withHeaders = Buffer.concat([body, Buffer.from(varint(0))]);
    return Buffer.concat([Buffer.from(varint(withHeaders.length)), withHeaders]);
  });
  const bytes = Buffer.concat([Buffer.alloc(headerBytes), ...records]);
  bytes.writeBigInt64BE(BigInt(baseOffset), 0);
  bytes.writeInt32BE(bytes.length - 12, 8);
  bytes.writeInt8(2, 16);
  bytes.writeInt32BE(values.length - 1, 23);
  bytes.writeInt32BE(values.length, 57);
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
  return bytes;
}

const values = [0, 1, 2].map((seq) => recordValue("w", 4, seq));

test("CRC-32C of the nine digits that its definition gives", () => {
  expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
});

test("batches one after the other give their records", () => {
  const { records, problems } = parseSegments(Buffer.concat([batch(0, values.slice(0, 2)), batch(2, values.slice(2))]));
  expect(problems).toEqual([]);
  expect(records).toEqual(values.map((value, offset) => ({ offset, id: `w/4/${offset}`, hash: hashOf(value) })));
});

test("a changed byte, a torn end and a hole are told", () => {
  const whole = batch(0, values);
  const changed = Buffer.from(whole);
  changed[80] = (changed[80] ?? 0) ^ 1;
  expect(parseSegments(changed).problems).toEqual(["the batch at offset 0 does not match its CRC"]);
  expect(parseSegments(whole.subarray(0, -1)).problems).toEqual([`at byte 0 of ${whole.length - 1} there is no whole batch`]);
  expect(parseSegments(Buffer.concat([whole, batch(4, values)])).problems).toEqual(["offset 4 follows 2"]);
});
