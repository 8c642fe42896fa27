import { MalformedFrame } from "../wire/reader.ts";

/** Deeper than any body that we send. */
const depthMax = 16;

/**
 * Walks msgpack without building anything, before it is unpacked: one whole value, not too deep, no count that the bytes cannot hold, and
 * nothing but maps, arrays, strings, numbers, booleans and nil. Extension types are refused because the library gives them powers (records
 * compiled to code, references, regular expressions) that a peer does not need. Throws MalformedFrame.
 */
export function checkMsgpack(bytes: Buffer): void {
  /** Values still expected at each depth. */
  const toCome = [1];
  let at = 0;
  while (toCome.length > 0) {
    const depth = toCome.length - 1;
    const left = toCome[depth] as number;
    if (left === 0) {
      toCome.pop();
      continue;
    }
    toCome[depth] = left - 1;
    if (at >= bytes.length) throw new MalformedFrame("msgpack ends too soon");
    const { next, children } = step(bytes, at);
    // each child takes at least one byte
    if (next + children > bytes.length) throw new MalformedFrame(`msgpack at ${at} announces more than there is`);
    at = next;
    if (children === 0) continue;
    if (toCome.length >= depthMax) throw new MalformedFrame(`msgpack deeper than ${depthMax}`);
    toCome.push(children);
  }
  if (at !== bytes.length) throw new MalformedFrame(`${bytes.length - at} bytes after the msgpack`);
}

interface Step {
  /** Where the value's children, or else the next value, start. */
  next: number;
  children: number;
}

/** One per process: a step is used up before the next is created. */
const scratch: Step = { next: 0, children: 0 };

function took(next: number, children: number): Step {
  scratch.next = next;
  scratch.children = children;
  return scratch;
}

function step(bytes: Buffer, at: number): Step {
  const tag = bytes[at] as number;
  if (tag < 0x80 || tag >= 0xe0) return took(at + 1, 0);
  if (tag < 0x90) return took(at + 1, (tag & 0x0f) * 2);
  if (tag < 0xa0) return took(at + 1, tag & 0x0f);
  if (tag < 0xc0) return took(at + 1 + (tag & 0x1f), 0);
  switch (tag) {
    case 0xc0: // nil
    case 0xc2: // false
    case 0xc3: // true
      return took(at + 1, 0);
    case 0xcc: // uint8
    case 0xd0: // int8
      return took(at + 2, 0);
    case 0xcd: // uint16
    case 0xd1: // int16
      return took(at + 3, 0);
    case 0xca: // float32
    case 0xce: // uint32
    case 0xd2: // int32
      return took(at + 5, 0);
    case 0xcb: // float64
    case 0xcf: // uint64
    case 0xd3: // int64
      return took(at + 9, 0);
    case 0xd9: // str8
      return took(at + 2 + count(bytes, at + 1, 1), 0);
    case 0xda: // str16
      return took(at + 3 + count(bytes, at + 1, 2), 0);
    case 0xdb: // str32
      return took(at + 5 + count(bytes, at + 1, 4), 0);
    case 0xdc: // array16
      return took(at + 3, count(bytes, at + 1, 2));
    case 0xdd: // array32
      return took(at + 5, count(bytes, at + 1, 4));
    case 0xde: // map16
      return took(at + 3, count(bytes, at + 1, 2) * 2);
    case 0xdf: // map32
      return took(at + 5, count(bytes, at + 1, 4) * 2);
    default:
      throw new MalformedFrame(`msgpack type 0x${tag.toString(16)} at ${at}`);
  }
}

function count(bytes: Buffer, at: number, width: 1 | 2 | 4): number {
  if (at + width > bytes.length) throw new MalformedFrame("msgpack ends too soon");
  return bytes.readUIntBE(at, width);
}
