import { describe, expect, test } from "vitest";
import { readRequestHeaderRest, readRequestStart, writeRequestHeader } from "../../../protocol/messages/headers.ts";
import { encodeWhole } from "../../../protocol/schema/message.ts";
import { Reader } from "../../../protocol/wire/reader.ts";
import { Writer } from "../../../protocol/wire/writer.ts";
import { handWritten } from "./fixtures/by-hand.ts";
import type { CapturedRequest } from "./fixtures/captured.ts";
import { kafkajsRequests } from "./fixtures/kafkajs.ts";
import { kcatRequests } from "./fixtures/kcat.ts";
import { platformaticRequests } from "./fixtures/platformatic.ts";

const named = (requests: readonly CapturedRequest[]) =>
  requests.map((request) => [`${request.message.name} v${request.version}`, request] as const);

describe.each([
  ["kcat", kcatRequests],
  ["kafkajs", kafkajsRequests],
  ["@platformatic/kafka", platformaticRequests],
] as const)("as %s sends it", (_client, requests) => {
  test.each(named(requests))(
    "%s reads as what was asked, and writes as the same bytes",
    (_name, { message, version, clientId, frame, value }) => {
      const flexible = message.isFlexible(version);
      const reader = new Reader(frame);
      const start = readRequestStart(reader);
      expect(start).toMatchObject({ apiKey: message.apiKey, apiVersion: version });
      expect(readRequestHeaderRest(reader, flexible)).toEqual({ clientId });
      expect(message.read(reader, version)).toEqual(value);
      expect(reader.remaining).toBe(0);

      const writer = new Writer();
      writeRequestHeader(writer, start, clientId, flexible);
      message.write(writer, value, version);
      expect(Buffer.concat(writer.chunks()).toString("hex")).toBe(frame.toString("hex"));
    },
  );
});

describe("as written by hand", () => {
  test.each(handWritten.map((fixture) => [`${fixture.message.name} v${fixture.version}`, fixture] as const))(
    "%s",
    (_name, { message, version, body, value }) => {
      const reader = new Reader(body);
      expect(message.read(reader, version)).toEqual(value);
      expect(reader.remaining).toBe(0);
      expect(encodeWhole(message, value, version).toString("hex")).toBe(body.toString("hex"));
    },
  );
});
