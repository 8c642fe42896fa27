import { isDeepStrictEqual } from "node:util";
import { kafkaErrors } from "../../../protocol/errors/kafka-errors.ts";
import type { Fields } from "../../../protocol/schema/composites.ts";
import type { PrimitiveName, Shape } from "../../../protocol/schema/type.ts";
import { isOnWire } from "./arbitrary.ts";

/**
 * A second opinion on the wire format: written from the protocol's guide, sharing only the shapes with the codecs under test.
 * It checks nothing, so that it can also write what no codec of ours would.
 */
export interface Encoding {
  readonly version: number;
  readonly flexible: boolean;
  /** Adds to every tag section a tag that nobody knows. */
  readonly strangeTags?: boolean;
}

const strangeTag = { tag: 4711, bytes: Buffer.from("from a later version") };

export function encodeFields(fields: Fields, value: unknown, encoding: Encoding): Buffer {
  const record = value as Record<string, unknown>;
  const positional: Buffer[] = [];
  const tagged: { tag: number; bytes: Buffer }[] = encoding.strangeTags ? [strangeTag] : [];
  for (const [name, field] of Object.entries(fields)) {
    if (!isOnWire(field, encoding.version)) continue;
    if (field.tag === undefined) positional.push(encodeShape(field.shape, record[name], encoding));
    else if (!isDeepStrictEqual(record[name], field.absent))
      tagged.push({ tag: field.tag, bytes: encodeShape(field.shape, record[name], encoding) });
  }
  if (!encoding.flexible) return Buffer.concat(positional);
  const section = tagged.sort((a, b) => a.tag - b.tag).flatMap(({ tag, bytes }) => [unsigned(tag), unsigned(bytes.length), bytes]);
  return Buffer.concat([...positional, unsigned(tagged.length), ...section]);
}

function encodeShape(shape: Shape, value: unknown, encoding: Encoding): Buffer {
  switch (shape.kind) {
    case "primitive":
      return encodePrimitive(shape.name, value, encoding.flexible);
    case "array": {
      const elements = value as readonly unknown[] | null;
      const bytes = (elements ?? []).map((element) => encodeShape(shape.element, element, encoding));
      return Buffer.concat([size(elements?.length ?? -1, 4, encoding.flexible), ...bytes]);
    }
    case "struct": {
      if (shape.nullableSince === null || encoding.version < shape.nullableSince) return encodeFields(shape.fields, value, encoding);
      if (value === null) return Buffer.of(0xff);
      return Buffer.concat([Buffer.of(1), encodeFields(shape.fields, value, encoding)]);
    }
  }
}

function encodePrimitive(name: PrimitiveName, value: unknown, flexible: boolean): Buffer {
  switch (name) {
    case "bool":
      return Buffer.of(value === true ? 1 : 0);
    case "int8":
      return bigEndian(value as number, 1);
    case "int16":
    case "uint16":
      return bigEndian(value as number, 2);
    case "errorCode":
      return bigEndian(kafkaErrors[value as keyof typeof kafkaErrors].code, 2);
    case "int32":
    case "uint32":
      return bigEndian(value as number, 4);
    case "int64":
      return bigEndian(value as number, 8);
    case "float64":
      return Buffer.from(new Uint8Array(new Float64Array([value as number]).buffer).reverse());
    case "uuid":
      return Buffer.from(value as string, "base64url");
    case "string":
    case "errorMessage":
      return sized(value === null ? null : Buffer.from(value as string), 2, flexible);
    case "bytes":
      return sized(value as Buffer | null, 4, flexible);
    case "records":
      return sized(value === null ? null : Buffer.concat(value as Buffer[]), 4, flexible);
  }
}

function sized(bytes: Buffer | null, width: number, flexible: boolean): Buffer {
  return Buffer.concat([size(bytes?.length ?? -1, width, flexible), bytes ?? Buffer.alloc(0)]);
}

/** A length or count; -1 for null. Compact ones are one more than they mean. */
function size(count: number, width: number, flexible: boolean): Buffer {
  return flexible ? unsigned(count + 1) : bigEndian(count, width);
}

function bigEndian(value: number, width: number): Buffer {
  const hex = BigInt.asUintN(width * 8, BigInt(value)).toString(16);
  return Buffer.from(hex.padStart(width * 2, "0"), "hex");
}

export function unsigned(value: number): Buffer {
  const groups: number[] = [];
  for (let rest = BigInt(value); groups.length === 0 || rest > 0n; rest >>= 7n) groups.push(Number(rest & 0x7fn));
  return Buffer.from(groups.map((group, i) => (i < groups.length - 1 ? group | 0x80 : group)));
}
