import { describe, expect, test } from "vitest";
import { kafkaErrors } from "../../protocol/errors/kafka-errors.ts";
import { type MessagePair, messagesByKey } from "../../protocol/messages/apis.ts";
import type { Fields } from "../../protocol/schema/composites.ts";
import type { Shape, Type } from "../../protocol/schema/type.ts";
import {
  isOurOwn,
  parseVersions,
  referenceMessage,
  referenceMissing,
  referenceText,
  tellOurs,
  tellReference,
} from "./messages-reference.ts";

const messages = [...messagesByKey.values()].flatMap((pair: MessagePair) => [pair.request, pair.response]);
const suite = referenceMissing === null ? "Kafka's own definitions" : `Kafka's own definitions (skipped: ${referenceMissing})`;

describe.skipIf(referenceMissing !== null)(suite, () => {
  test.each(messages.map((message) => [message.name, message] as const))("%s is Kafka's in every version", (name, message) => {
    const reference = referenceMessage(name);
    expect(message.apiKey).toBe(reference.apiKey);
    expect(tellOurs(message, message.fields)).toEqual(tellReference(reference, message.versions));
  });

  test.each(messages.map((message) => [message.name, message] as const))("%s claims no version that Kafka has not", (name, message) => {
    const [first, last] = parseVersions(referenceMessage(name).validVersions);
    expect(message.versions[0]).toBeGreaterThanOrEqual(first);
    expect(message.versions[1]).toBeLessThanOrEqual(last);
  });

  test("the error table is Kafka's", () => {
    const rows = referenceText("errors.tsv").trim().split("\n").slice(1);
    const theirs = rows.map((row) => row.split("\t"));
    const ours = Object.entries(kafkaErrors).map(([name, { code, retriable }]) => [String(code), name, retriable ? "yes" : "no"]);
    expect(ours).toEqual(theirs);
  });

  test("any change to any field of any message would be noticed", () => {
    const unnoticed: string[] = [];
    let tried = 0;
    for (const message of messages) {
      const expected = tellReference(referenceMessage(message.name), message.versions).join("\n");
      for (const { what, fields } of mutations(message.fields, message.versions)) {
        tried++;
        if (tellOurs(message, fields).join("\n") === expected) unnoticed.push(`${message.name}: ${what}`);
      }
    }
    expect(unnoticed).toEqual([]);
    expect(tried).toBeGreaterThan(2000);
  });
});

test("no field carries an option without effect", () => {
  const needless: string[] = [];
  for (const { name, versions, fields } of messages) visit(fields, versions, name, needless);
  expect(needless).toEqual([]);
});

function visit(fields: Fields, versions: Versions, path: string, needless: string[]): void {
  const [first, last] = versions;
  for (const [name, field] of Object.entries(fields)) {
    const { since, until, absent, tag, shape } = field;
    const at = `${path}.${name}`;
    if (since !== undefined && since <= first && tag === undefined) needless.push(`${at}: since ${since}`);
    if (until !== undefined && until >= last) needless.push(`${at}: until ${until}`);
    if (absent !== undefined && since === undefined && until === undefined && tag === undefined) needless.push(`${at}: absent`);
    const inner = shape.kind === "array" ? shape.element : shape;
    if (inner.kind === "struct") visit(inner.fields, present(field, versions), at, needless);
  }
}

interface Mutation {
  readonly what: string;
  readonly fields: Fields;
}

type Versions = readonly [first: number, last: number];

/** Those of the enclosing struct's versions that have the field. */
const present = ({ since, until }: Type<unknown>, [first, last]: Versions): Versions => [
  Math.max(first, since ?? 0),
  Math.min(last, until ?? last),
];

/** The same fields with one thing wrong, for every field and every thing that can be. */
function* mutations(fields: Fields, versions: Versions, path = ""): Generator<Mutation> {
  const entries = Object.entries(fields).filter(([, field]) => !isOurOwn(field));
  for (const [i, [name, field]] of entries.entries()) {
    const put = (...replacement: [string, Type<unknown>][]): Fields =>
      Object.fromEntries([...entries.slice(0, i), ...replacement, ...entries.slice(i + 1)]);
    const at = `${path}${name}`;
    yield { what: `${at} left out`, fields: put() };
    yield { what: `${at} misnamed`, fields: put([`${name}s`, field]) };
    if (i > 0) {
      const swapped = entries.slice();
      swapped[i] = entries[i - 1]!;
      swapped[i - 1] = entries[i]!;
      yield { what: `${at} before its neighbour`, fields: Object.fromEntries(swapped) };
    }
    for (const [what, options] of mutatedOptions(field, versions))
      yield { what: `${at} ${what}`, fields: put([name, { ...field, ...options }]) };
    for (const [what, shape] of mutatedShapes(field.shape, present(field, versions)))
      yield { what: `${at} ${what}`, fields: put([name, { ...field, shape }]) };
    const inner = field.shape.kind === "array" ? field.shape.element : field.shape;
    if (inner.kind !== "struct") continue;
    for (const { what, fields: innerFields } of mutations(inner.fields, present(field, versions), `${at}.`)) {
      const struct: Shape = { ...inner, fields: innerFields };
      const shape: Shape = field.shape.kind === "array" ? { ...field.shape, element: struct } : struct;
      yield { what, fields: put([name, { ...field, shape }]) };
    }
  }
}

function* mutatedOptions(field: Type<unknown>, [first, last]: Versions): Generator<[string, Partial<Type<unknown>>]> {
  if (field.since !== undefined) {
    if (field.since < last) yield ["since a version later", { since: field.since + 1 }];
    if (field.since > first) yield ["since a version earlier", { since: field.since - 1 }];
  }
  if (field.until !== undefined) {
    yield ["until a version later", { until: field.until + 1 }];
    yield ["until a version earlier", { until: field.until - 1 }];
  }
  if (field.tag !== undefined) yield ["under another tag", { tag: field.tag + 1 }];
  if (field.absent !== undefined) yield ["with another default", { absent: "something else" }];
}

function* mutatedShapes(shape: Shape, [from, to]: Versions): Generator<[string, Shape]> {
  if (shape.nullableSince === null) yield ["nullable at last", { ...shape, nullableSince: to }];
  else yield ["never null", { ...shape, nullableSince: null }];
  if (shape.nullableSince !== null && shape.nullableSince < to)
    yield ["nullable later", { ...shape, nullableSince: Math.max(from, shape.nullableSince) + 1 }];
  if (shape.kind === "primitive") yield ["of another type", { ...shape, name: shape.name === "int32" ? "int64" : "int32" }];
  if (shape.kind === "array") yield ["not an array", shape.element];
  else yield ["an array", { kind: "array", element: shape, nullableSince: shape.nullableSince }];
  if (shape.kind === "array" && shape.element.kind === "primitive") {
    const element: Shape = { ...shape.element, name: shape.element.name === "int32" ? "int64" : "int32" };
    yield ["of other elements", { ...shape, element }];
  }
}
