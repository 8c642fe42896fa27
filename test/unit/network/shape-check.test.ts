import fc from "fast-check";
import { expect, test } from "vitest";
import { decodePeerFrame, encodePeerFrame } from "../../../broker/network/peer-frame.ts";
import type { PeerKind } from "../../../protocol/peer/messages.ts";
import { checkedRequest, checkedResponse, isPeerKind, ShapeMismatch } from "../../../protocol/peer/shape-check.ts";
import { peerSamples } from "./peer-samples.ts";

const kinds = Object.keys(peerSamples) as PeerKind[];
const directions = [
  ["request", checkedRequest],
  ["response", checkedResponse],
] as const;

test("every kind's messages pass as they are, and after a trip through msgpack", () => {
  for (const kind of kinds)
    for (const [direction, check] of directions) {
      const sample = peerSamples[kind][direction];
      expect(check(kind, sample)).toBe(sample);
      const frame = decodePeerFrame(Buffer.concat(encodePeerFrame(1, kind, sample)).subarray(4));
      expect(check(kind, frame.body)).toEqual(sample);
    }
});

test("what a follower takes of what is throttled may be left out, and is a number of bytes otherwise", () => {
  const { request } = peerSamples["replica-fetch"];
  expect(() => checkedRequest("replica-fetch", { ...request, throttledBytesMax: 2_000_000 })).not.toThrow();
  for (const wrong of [null, -1, 1.5, 2 ** 31])
    expect(() => checkedRequest("replica-fetch", { ...request, throttledBytesMax: wrong })).toThrow("throttledBytesMax");
});

test("a name from Object's prototype is no kind", () => {
  expect(["constructor", "__proto__", "toString", "hello"].filter(isPeerKind)).toEqual([]);
});

/** Every place in a value, as a path and a way to replace what is there. */
function* places(value: unknown, path = ""): Generator<{ path: string; replaced: (by: unknown) => unknown }> {
  yield { path, replaced: (by) => by };
  if (typeof value !== "object" || value === null) return;
  for (const [key, inner] of Object.entries(value))
    for (const place of places(inner, Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`))
      yield {
        path: place.path,
        replaced: (by) => {
          if (Array.isArray(value)) return value.map((element, i) => (String(i) === key ? place.replaced(by) : element));
          return { ...value, [key]: place.replaced(by) };
        },
      };
}

test("brokers from before orders were counted send markers without the number", () => {
  const { request } = peerSamples["write-markers"];
  const ordered = (order: unknown) => ({ ...request, markers: request.markers.map((marker) => ({ ...marker, order })) });
  expect(() => checkedRequest("write-markers", ordered(7))).not.toThrow();
  for (const wrong of [-1, 1.5, 2 ** 53, "7"]) expect(() => checkedRequest("write-markers", ordered(wrong))).toThrow("order");
});

const never = [undefined, Number.NaN, 1.5, 2 ** 53, Number.POSITIVE_INFINITY, () => {}, 5n, Symbol("s")];

test("a value that no field may have is refused wherever it stands, and the error names the field", () => {
  for (const kind of kinds)
    for (const [direction, check] of directions)
      for (const { path, replaced } of places(peerSamples[kind][direction]))
        for (const wrong of never) {
          const named = path.replace(/^\./, "").replace(/(config|isrEpochs|brokerConfigs(?:\[".*?"\])?)\.([^.[]*)/, '$1["$2"]');
          let message = "";
          try {
            check(kind, replaced(wrong));
          } catch (error) {
            expect(error).toBeInstanceOf(ShapeMismatch);
            message = (error as Error).message;
          }
          expect(message, `${kind} ${direction} ${path} = ${String(wrong)}`).toContain("must be");
          if (!/onfig|Epochs\[/.test(named)) expect(message).toContain(named);
        }
});

test("the table of what is refused, and how it is said", () => {
  const fetch = peerSamples["replica-fetch"];
  const update = peerSamples["metadata-update"].request;
  const refusals: readonly [unknown, string][] = [
    [{ ...fetch.request, brokerId: -1 }, "replica-fetch request: brokerId must be a whole number from 0 to 2147483647"],
    // what may be left out is not in the samples
    [{ ...fetch.request, hasReaders: 1 }, "replica-fetch request: hasReaders must be true or false"],
    [{ ...fetch.request, throttledBytesMax: -1 }, "replica-fetch request: throttledBytesMax must be a whole number from 0"],
    [{ ...fetch.request, partitions: {} }, "replica-fetch request: partitions must be an array"],
    [{ ...fetch.request, partitions: [fetch.request.partitions[0], null] }, "replica-fetch request: partitions[1] must be an object"],
    [
      { ...fetch.request, partitions: [{ ...fetch.request.partitions[0], topicId: "short" }] },
      "replica-fetch request: partitions[0].topicId must be a topic id of 22 characters",
    ],
    [null, "replica-fetch request must be an object"],
  ];
  for (const [body, message] of refusals) expect(() => checkedRequest("replica-fetch", body)).toThrow(message);
  expect(() => checkedResponse("forward", { error: "toString", message: "" })).toThrow("error must be the name of a protocol error");
  const port = { ...update, brokers: [{ ...update.brokers[0], peer: { host: "h", port: 65_536 } }] };
  expect(() => checkedRequest("metadata-update", port)).toThrow("brokers[0].peer.port must be");
  expect(() => checkedRequest("metadata-update", { ...update, brokerConfigs: { "1": { a: 3 } } })).toThrow(
    'brokerConfigs["1"]["a"] must be text',
  );
  const features = (levels: unknown) => () => checkedRequest("metadata-update", { ...update, features: { epoch: 3, levels } });
  expect(features({ "transaction.version": 2 })).not.toThrow();
  expect(features({ "transaction.version": 40_000 })).toThrow('features.levels["transaction.version"] must be a whole number');
  expect(features(Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`f${i}`, 1])))).toThrow("an object of at most 100 entries");
});

test("fields that we do not know pass, for newer brokers have them", () => {
  expect(() => checkedRequest("controlled-shutdown", { brokerId: 1, brokerEpoch: 2, soon: true })).not.toThrow();
});

test("whatever arrives, the check answers or throws ShapeMismatch", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...kinds),
      fc.anything({ withBigInt: true, withDate: true, withMap: true, withSparseArray: true }),
      (kind, body) => {
        for (const [, check] of directions)
          try {
            check(kind, body);
          } catch (error) {
            expect(error).toBeInstanceOf(ShapeMismatch);
          }
      },
    ),
  );
});

test("a topic's name is one that a folder and a path in the coordinator can have", () => {
  const sample = peerSamples["metadata-update"].request;
  const named = (name: string) => () => checkedRequest("metadata-update", { ...sample, deletedTopics: [{ name, id: "A".repeat(22) }] });
  for (const name of ["", ".", "..", "../../etc", "a/b", "a\u0000", "é", "n".repeat(250)]) expect(named(name), name).toThrow(ShapeMismatch);
  for (const name of ["a", "...", "__consumer_offsets", "A-b.c_9", "n".repeat(249)]) expect(named(name), name).not.toThrow();
});
