import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { apis, messagesByKey } from "../../../protocol/messages/apis.ts";
import { encodeWhole, type Message } from "../../../protocol/schema/message.ts";
import { MalformedFrame, Reader } from "../../../protocol/wire/reader.ts";
import { everyVersion, valuesOf } from "./arbitrary.ts";
import { arrayElements, leastOf, sampleOf, wronglyNull } from "./samples.ts";
import { encodeFields } from "./second-encoder.ts";

function decodeWhole(message: Message<unknown>, bytes: Buffer, version: number): unknown {
  const reader = new Reader(bytes);
  const value = message.read(reader, version);
  expect(reader.remaining).toBe(0);
  return value;
}

describe.each(everyVersion)("%s", (_name, message, version) => {
  const encoding = { version, flexible: message.isFlexible(version) };

  test("any value comes back as it went", () => {
    fc.assert(
      fc.property(valuesOf(message, version), (value) => {
        expect(decodeWhole(message, encodeWhole(message, value, version), version)).toEqual(value);
      }),
      { numRuns: 25 },
    );
  });

  test("a second encoder writes the same bytes", () => {
    fc.assert(
      fc.property(valuesOf(message, version), (value) => {
        expect(encodeWhole(message, value, version).toString("hex")).toBe(encodeFields(message.fields, value, encoding).toString("hex"));
      }),
      { numRuns: 25 },
    );
  });

  test("every field is written, the tagged ones too", () => {
    const sample = sampleOf(message.fields, version);
    expect(decodeWhole(message, encodeFields(message.fields, sample, encoding), version)).toEqual(sample);
  });

  test("null is refused wherever the version has none", () => {
    for (const [path, value] of wronglyNull(message.fields, version)) {
      const bytes = encodeFields(message.fields, value, encoding);
      expect(() => message.read(new Reader(bytes), version), path).toThrow(MalformedFrame);
    }
  });

  test("an array's element takes a byte at least, so that the bytes left bound the count", () => {
    for (const fields of arrayElements(message.fields, version))
      expect(encodeFields(fields, leastOf(fields, version), encoding).length).toBeGreaterThan(0);
  });
});

const flexibleVersions = everyVersion.filter(([, message, version]) => message.isFlexible(version));

test.each(flexibleVersions)("%s skips the tags of a later version", (_name, message, version) => {
  const sample = sampleOf(message.fields, version);
  const bytes = encodeFields(message.fields, sample, { version, flexible: true, strangeTags: true });
  expect(bytes.includes("from a later version")).toBe(true);
  expect(decodeWhole(message, bytes, version)).toEqual(sample);
});

test("the list of APIs has a request and a response of one API under each key", () => {
  expect(Object.keys(apis).length).toBe(43);
  expect(messagesByKey.size).toBe(43);
  for (const [name, api] of Object.entries(apis)) expect(`${name[0]?.toUpperCase()}${name.slice(1)}`).toBe(api.name);
  for (const [key, { name, request, response }] of messagesByKey) {
    expect([request.apiKey, response.apiKey]).toEqual([key, key]);
    expect([request.name, response.name]).toEqual([`${name}Request`, `${name}Response`]);
    expect(response.versions).toEqual(request.versions);
    expect(response.flexibleSince).toBe(request.flexibleSince);
  }
});

test("records go out in pieces and come back as one", () => {
  const { request } = messagesByKey.get(0)!;
  const produce = (records: Buffer[]) => ({
    transactionalId: null,
    acks: -1,
    timeoutMs: 1000,
    topicData: [{ name: "orders", partitionData: [{ index: 0, records }] }],
  });
  const pieces = [Buffer.alloc(3000, 1), Buffer.from("between"), Buffer.alloc(1024, 2)];
  for (const version of [3, 11]) {
    const bytes = encodeWhole(request, produce(pieces), version);
    expect(request.read(new Reader(bytes), version)).toEqual(produce([Buffer.concat(pieces)]));
  }
});
