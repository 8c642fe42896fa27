import fc from "fast-check";
import { kafkaErrors } from "../../../protocol/errors/kafka-errors.ts";
import { type MessagePair, messagesByKey } from "../../../protocol/messages/apis.ts";
import type { Fields } from "../../../protocol/schema/composites.ts";
import type { Message } from "../../../protocol/schema/message.ts";
import type { PrimitiveName, Shape, Type } from "../../../protocol/schema/type.ts";
import { printable } from "../../../protocol/wire/printable.ts";

/** Every message that is declared, in every version, named as in a test report. */
export const everyVersion: readonly (readonly [name: string, message: Message<unknown>, version: number])[] = [...messagesByKey.values()]
  .flatMap((pair: MessagePair) => [pair.request, pair.response])
  .flatMap((message) => versionsOf(message).map((version) => [`${message.name} v${version}`, message, version] as const));

function versionsOf({ versions: [first, last] }: Message<unknown>): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

export function isOnWire({ since, until }: Type<unknown>, version: number): boolean {
  return version >= (since ?? 0) && version <= (until ?? Number.POSITIVE_INFINITY);
}

export function isNullable({ nullableSince }: Shape, version: number): boolean {
  return nullableSince !== null && version >= nullableSince;
}

/** Values that a version can carry: what it has no field for is at its default. */
export function valuesOf(message: Message<unknown>, version: number): fc.Arbitrary<unknown> {
  return structOf(message.fields, version);
}

function structOf(fields: Fields, version: number): fc.Arbitrary<unknown> {
  const model: Record<string, fc.Arbitrary<unknown>> = {};
  for (const [name, field] of Object.entries(fields)) {
    if (!isOnWire(field, version)) model[name] = fc.constant(field.absent);
    else if (field.tag === undefined) model[name] = shapeOf(field.shape, version);
    else model[name] = fc.oneof(fc.constant(field.absent), shapeOf(field.shape, version));
  }
  return fc.record(model, { noNullPrototype: true });
}

function shapeOf(shape: Shape, version: number): fc.Arbitrary<unknown> {
  const present = presentOf(shape, version);
  return isNullable(shape, version) ? fc.option(present, { nil: null, freq: 4 }) : present;
}

function presentOf(shape: Shape, version: number): fc.Arbitrary<unknown> {
  switch (shape.kind) {
    case "primitive":
      return primitives[shape.name];
    case "array":
      return fc.array(shapeOf(shape.element, version), { maxLength: 3 });
    case "struct":
      return structOf(shape.fields, version);
  }
}

const byteString = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));

const primitives: Record<PrimitiveName, fc.Arbitrary<unknown>> = {
  bool: fc.boolean(),
  int8: fc.integer({ min: -128, max: 127 }),
  int16: fc.integer({ min: -0x8000, max: 0x7fff }),
  errorCode: fc.constantFrom(...Object.keys(kafkaErrors)),
  uint16: fc.integer({ min: 0, max: 0xffff }),
  int32: fc.integer({ min: -0x80000000, max: 0x7fffffff }),
  uint32: fc.integer({ min: 0, max: 0xffffffff }),
  int64: fc.maxSafeInteger(),
  float64: fc.double(),
  uuid: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString("base64url")),
  string: fc.string({ unit: "binary", maxLength: 140 }),
  errorMessage: fc.string({ unit: "binary", maxLength: 140 }).map(printable),
  bytes: byteString,
  records: byteString.map((bytes) => [bytes]),
};
