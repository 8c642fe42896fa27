import { type TopicId, zeroTopicId } from "../../../protocol/base/ids.ts";
import type { Fields } from "../../../protocol/schema/composites.ts";
import type { PrimitiveName, Shape } from "../../../protocol/schema/type.ts";
import { isNullable, isOnWire } from "./arbitrary.ts";

const topicId: TopicId = "AQIDBAUGBwgJCgsMDQ4PEA";

const primitives: Record<PrimitiveName, unknown> = {
  bool: true,
  int8: 3,
  int16: 300,
  errorCode: "NOT_LEADER_OR_FOLLOWER",
  uint16: 65_000,
  int32: 70_000,
  uint32: 4_000_000_000,
  int64: 5_000_000_000,
  float64: 0.5,
  uuid: topicId,
  string: "orders",
  errorMessage: "There is no such topic.",
  bytes: Buffer.from("bytes"),
  records: [Buffer.from("records")],
};

/** A value with something in every field of the version: nothing null, one element in every array, every tag used. */
export function sampleOf(fields: Fields, version: number): Record<string, unknown> {
  const record: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields))
    record[name] = isOnWire(field, version) ? sampleShape(field.shape, version) : field.absent;
  return record;
}

function sampleShape(shape: Shape, version: number): unknown {
  switch (shape.kind) {
    case "primitive":
      return primitives[shape.name];
    case "array":
      return [sampleShape(shape.element, version)];
    case "struct":
      return sampleOf(shape.fields, version);
  }
}

/** The sample with one null in it, for each place where null can be written but must not be. */
export function* wronglyNull(fields: Fields, version: number, path = ""): Generator<readonly [path: string, value: unknown]> {
  const sample = sampleOf(fields, version);
  for (const [name, field] of Object.entries(fields)) {
    if (!isOnWire(field, version)) continue;
    for (const [at, value] of wronglyNullShape(field.shape, version, `${path}${name}`)) yield [at, { ...sample, [name]: value }];
  }
}

const lengthPrefixed: readonly PrimitiveName[] = ["string", "errorMessage", "bytes", "records"];

function* wronglyNullShape(shape: Shape, version: number, path: string): Generator<readonly [path: string, value: unknown]> {
  const canSayNull = shape.kind === "array" || (shape.kind === "primitive" && lengthPrefixed.includes(shape.name));
  if (canSayNull && !isNullable(shape, version)) yield [path, null];
  if (shape.kind === "array") for (const [at, value] of wronglyNullShape(shape.element, version, `${path}[]`)) yield [at, [value]];
  if (shape.kind === "struct") yield* wronglyNull(shape.fields, version, `${path}.`);
}

/** The smallest encodings there are: zeros, empty, null where allowed. */
export function leastOf(fields: Fields, version: number): Record<string, unknown> {
  const record: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(fields))
    record[name] = isOnWire(field, version) && field.tag === undefined ? leastShape(field.shape, version) : field.absent;
  return record;
}

function leastShape(shape: Shape, version: number): unknown {
  if (isNullable(shape, version)) return null;
  if (shape.kind === "struct") return leastOf(shape.fields, version);
  if (shape.kind === "array" || shape.name === "records") return [];
  if (shape.name === "string" || shape.name === "errorMessage") return "";
  if (shape.name === "bytes") return Buffer.alloc(0);
  if (shape.name === "uuid") return zeroTopicId;
  if (shape.name === "errorCode") return "NONE";
  return shape.name === "bool" ? false : 0;
}

/** The structs that are elements of arrays in this version. */
export function* arrayElements(fields: Fields, version: number): Generator<Fields> {
  for (const field of Object.values(fields)) {
    if (!isOnWire(field, version)) continue;
    const { shape } = field;
    const inner = shape.kind === "array" ? shape.element : shape;
    if (inner.kind !== "struct") continue;
    if (shape.kind === "array") yield inner.fields;
    yield* arrayElements(inner.fields, version);
  }
}
