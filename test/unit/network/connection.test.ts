import fc from "fast-check";
import { expect, test } from "vitest";
import { endpoint } from "../../../broker/api/api.ts";
import { InvariantViolation } from "../../../protocol/base/invariant.ts";
import { apiVersionsResponse } from "../../../protocol/messages/api-versions.ts";
import { listGroupsRequest, listGroupsResponse } from "../../../protocol/messages/list-groups.ts";
import { MalformedFrame, Reader } from "../../../protocol/wire/reader.ts";
import { type Asked, ClientHarness, fetchKey, produce, request } from "./client-harness.ts";
import { settled } from "./manual-clock.ts";

const bodies = (asked: readonly Asked[]) => asked.map(({ body }) => body);

test("requests are started in order without waiting for each other, and answered in order whichever is ready first", async () => {
  const broker = await new ClientHarness().start();
  const client = await broker.connect();
  await client.send(produce(1, "a"), produce(2, "b"), produce(3, "c"));
  expect(bodies(broker.asked)).toEqual(["a", "b", "c"]);
  broker.asked[2]?.answer("C");
  broker.asked[1]?.answer("B");
  expect(await client.answers()).toEqual([]);
  broker.asked[0]?.answer("A");
  expect(await client.answers()).toEqual(["1:A", "2:B", "3:C"]);
});

test("answers leave in the order of the requests in whatever order and groups they become ready", async () => {
  const readyOrder = fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 8 });
  await fc.assert(
    fc.asyncProperty(readyOrder, fc.array(fc.boolean(), { minLength: 8, maxLength: 8 }), async (order, pauses) => {
      const broker = await new ClientHarness().start();
      const client = await broker.connect();
      await client.send(...order.map((_, i) => produce(i, "x")));
      const ready = new Set<number>();
      for (const [step, i] of order.entries()) {
        broker.asked[i]?.answer(`${i}`);
        ready.add(i);
        if (!pauses[step]) continue;
        const whole = [0, 1, 2, 3, 4, 5, 6, 7].findIndex((index) => !ready.has(index));
        expect(await client.answers()).toEqual(
          [0, 1, 2, 3, 4, 5, 6, 7].slice(0, whole < 0 ? 8 : whole).map((index) => `${index}:${index}`),
        );
      }
      expect((await client.answers()).length).toBe(8);
      expect(broker.listeners.heldBytes).toBe(0);
    }),
    { numRuns: 60 },
  );
});

test("a request that the protocol does not answer leaves no gap in the answers", async () => {
  const broker = await new ClientHarness().start();
  const client = await broker.connect();
  await client.send(produce(1, "a"), produce(2, "acks=0"), produce(3, "c"));
  broker.asked[0]?.answer("A");
  broker.asked[1]?.answer(null);
  broker.asked[2]?.answer("C");
  expect(await client.answers()).toEqual(["1:A", "3:C"]);
});

test("a handler is told listener, version, client id and connection, and that the connection is gone", async () => {
  const broker = await new ClientHarness().start();
  expect(broker.bound.map(({ name, advertised }) => `${name} ${advertised.host}`)).toEqual(["INSIDE inside", "OUTSIDE outside"]);
  expect(broker.bound[0]?.advertised.port, "a free port is advertised as bound").toBe(broker.bound[0]?.bound.port);
  expect(broker.bound[1]?.advertised.port).toBe(19_092);
  const [one, two] = [await broker.connect(0), await broker.connect(1)];
  await one.send(produce(1, "a"));
  await two.send(request(0, 7, 1, "b"));
  const [a, b] = broker.asked.map(({ context }) => context);
  expect(a).toMatchObject({ listener: "INSIDE", apiVersion: 3, clientId: "tester" });
  expect(b).toMatchObject({ listener: "OUTSIDE", apiVersion: 7 });
  expect(a?.connectionId).not.toBe(b?.connectionId);
  expect(a?.signal.aborted).toBe(false);
  one.link.destroy();
  await settled();
  expect(a?.signal.aborted).toBe(true);
  broker.asked[0]?.answer("too late");
  await settled();
  expect(broker.listeners.heldBytes, "the other one's only").toBeLessThan(1000);
  expect(broker.listeners.connectionCount).toBe(1);
});

test("a retired connection begins nothing more, answers what was begun, and closes when its client does", async () => {
  const broker = await new ClientHarness().start({ requestsInFlightMax: 2 });
  await broker.clock.advance(5);
  const client = await broker.connect();
  await broker.clock.advance(5);
  await client.send(produce(1, "a"), produce(2, "b"), produce(3, "c"));
  const [a, b] = broker.asked;
  expect(a?.context.origin.acceptedMs, "when it was accepted, not when it was used").toBe(broker.clock.monotonicMs() - 5);
  a?.context.origin.retire();
  await client.send(produce(4, "d"));
  b?.answer("B");
  a?.answer("A");
  expect(await client.answers()).toEqual(["1:A", "2:B"]);
  expect(bodies(broker.asked)).toEqual(["a", "b"]);
  await client.send(produce(5, "e"));
  client.link.end();
  await settled();
  expect([bodies(broker.asked), broker.listeners.connectionCount, broker.listeners.heldBytes]).toEqual([["a", "b"], 0, 0]);
});

test("reading pauses at the bound on requests of one connection and goes on below it", async () => {
  const broker = await new ClientHarness().start({ requestsInFlightMax: 2 });
  const client = await broker.connect();
  await client.send(produce(1, "a"), produce(2, "b"), produce(3, "c"));
  await client.send(produce(4, "d"));
  expect(bodies(broker.asked)).toEqual(["a", "b"]);
  expect(client.link.queuedBytes, "what came after stays with the client").toBeGreaterThan(0);
  broker.asked[0]?.answer("A");
  await settled();
  expect(bodies(broker.asked)).toEqual(["a", "b", "c"]);
  broker.asked[1]?.answer("B");
  broker.asked[2]?.answer("C");
  await settled();
  broker.asked[3]?.answer("D");
  expect(await client.answers()).toEqual(["1:A", "2:B", "3:C", "4:D"]);
});

test("reading pauses at the bound on bytes of one connection, and others are not held up", async () => {
  const broker = await new ClientHarness().start({ requestBytesInFlightPerConnectionMax: 50_000 });
  const [one, two] = [await broker.connect(), await broker.connect()];
  for (let i = 0; i < 10; i++) await one.send(produce(i, "x".repeat(20_000)));
  expect(broker.asked.length).toBe(3);
  await two.send(produce(1, "two"));
  expect(broker.asked.at(-1)?.body).toBe("two");
  for (let i = 0; i < 12; i++) {
    broker.asked[i]?.answer("ok");
    await settled();
  }
  expect((await one.answers()).length).toBe(10);
});

test("reading pauses at the bound on bytes over all connections, and all of them go on below it", async () => {
  const broker = await new ClientHarness().start({ clientMemoryMaxBytes: 50_000 });
  const clients = [await broker.connect(), await broker.connect(), await broker.connect()];
  for (let i = 0; i < 4; i++) for (const client of clients) await client.send(produce(i, "x".repeat(20_000)));
  expect(broker.asked.length, "each connection may find out with one more request").toBeLessThanOrEqual(5);
  expect(broker.listeners.heldBytes).toBeLessThan(110_000);
  for (let i = 0; i < 12; i++) {
    broker.asked[i]?.answer("ok");
    await settled();
  }
  for (const client of clients) expect((await client.answers()).length).toBe(4);
  expect(broker.listeners.heldBytes).toBe(0);
});

test("no request is started for a client that does not read its answers", async () => {
  const broker = await new ClientHarness().start({ unsentBytesPerConnectionMax: 80_000 });
  const client = await broker.connect();
  client.link.other.isStalled = true;
  for (let i = 0; i < 5; i++) {
    await client.send(produce(i, "a"));
    broker.asked[i]?.answer("y".repeat(50_000));
    await settled();
  }
  expect(broker.asked.length).toBe(2);
  client.link.other.isStalled = false;
  client.link.other.pump();
  await settled();
  for (let i = 2; i < 5; i++) {
    broker.asked[i]?.answer("z");
    await settled();
  }
  expect((await client.answers()).length).toBe(5);
});

test("a second fetch of one connection waits for the first, so that large answers do not pile up", async () => {
  const broker = await new ClientHarness().start();
  const client = await broker.connect();
  await client.send(request(fetchKey, 4, 1, "f1"), request(fetchKey, 4, 2, "f2"), produce(3, "p"));
  expect(bodies(broker.asked)).toEqual(["f1"]);
  broker.asked[0]?.answer("F1");
  await settled();
  expect(bodies(broker.asked)).toEqual(["f1", "f2", "p"]);
});

test("ApiVersions in a version that is not known is answered in version 0 with what is served", async () => {
  const broker = await new ClientHarness().start();
  const client = await broker.connect();
  await client.send(request(18, 99, 77, "whatever"));
  const reader = new Reader(client.bytes, 4);
  expect(reader.int32()).toBe(77);
  const answer = apiVersionsResponse.read(reader, 0);
  expect(reader.remaining).toBe(0);
  expect(answer.errorCode).toBe("UNSUPPORTED_VERSION");
  expect(answer.apiKeys).toContainEqual({ apiKey: 0, minVersion: 0, maxVersion: 8 });
  expect(client.link.isClosed).toBe(false);
});

const bad: readonly [string, Buffer, RegExp][] = [
  ["an unknown API key", request(999, 0, 1, ""), /unknown API key 999/],
  ["a negative API key", request(-5, 0, 1, ""), /unknown API key -5/],
  ["a version above the last", request(0, 9, 1, ""), /Produce v9 is not supported/],
  ["a version below the first", request(0, 0, 1, ""), /Produce v0 is not supported/],
  ["an empty frame", Buffer.from([0, 0, 0, 0]), /wanted/],
  ["half a header", Buffer.from([0, 0, 0, 3, 0, 0, 0]), /wanted/],
  ["a client id longer than the frame", Buffer.from([0, 0, 0, 10, 0, 0, 0, 3, 0, 0, 0, 1, 0x7f, 0xff]), /wanted/],
  ["a giant", Buffer.from([0x7f, 0xff, 0xff, 0xff]), /frame of 2147483647 bytes/],
  ["a negative length", Buffer.from([0xff, 0xff, 0xff, 0xff]), /frame of -1 bytes/],
  ["HTTP", Buffer.from("GET / HTTP/1.1\r\n\r\n"), /frame of \d+ bytes/],
];

for (const [what, bytes, reason] of bad)
  test(`${what}: one line with the client's address, that connection closed, the others undisturbed`, async () => {
    const broker = await new ClientHarness().start();
    const [good, evil] = [await broker.connect(), await broker.connect()];
    await good.send(produce(1, "a"));
    await evil.send(bytes);
    expect(evil.link.isClosed).toBe(true);
    expect(broker.lines).toHaveLength(1);
    expect(broker.lines[0]?.fields.remote).toMatch(/^10\.0\.0\.1:\d+$/);
    expect(broker.lines[0]?.fields.reason).toMatch(reason);
    broker.asked[0]?.answer("A");
    await good.send(produce(2, "b"));
    broker.asked[1]?.answer("B");
    expect(await good.answers()).toEqual(["1:A", "2:B"]);
    expect(broker.listeners.connectionCount).toBe(1);
  });

test("a body that cannot be read closes its connection only", async () => {
  const harness = new ClientHarness();
  const [endpoint] = harness.endpoints();
  if (endpoint === undefined) throw new Error("no endpoint");
  const throwing = {
    ...endpoint,
    serve: () => {
      throw new MalformedFrame("not a body");
    },
  };
  const broker = await harness.start({}, [throwing]);
  const client = await broker.connect();
  await client.send(produce(1, "a"), produce(2, "b"));
  expect(client.link.isClosed).toBe(true);
  expect(broker.lines.map(({ fields }) => fields.reason)).toEqual(["not a body"]);
  expect(broker.listeners.heldBytes).toBe(0);
});

test("a handler that fails is told with API and version, and its connection is closed; a bug ends the process", async () => {
  const broker = await new ClientHarness().start();
  const [one, two] = [await broker.connect(), await broker.connect()];
  await one.send(produce(1, "a"));
  broker.asked[0]?.fail(new Error("disk on fire"));
  await settled();
  expect(one.link.isClosed).toBe(true);
  expect(broker.lines[0]).toMatchObject({ level: "error", fields: { reason: "Produce v3 failed", err: { message: "disk on fire" } } });
  expect(broker.fatal).toEqual([]);
  await two.send(produce(1, "b"));
  broker.asked[1]?.fail(new InvariantViolation("two and two is four"));
  await settled();
  expect(broker.fatal.map(String)).toEqual(["InvariantViolation: invariant broken: two and two is four"]);
});

test("an answer that the protocol has no form for closes its connection, is told with API and client, and ends nothing else", async () => {
  const group = { groupId: `${"g".repeat(32_760)} and more of it`, protocolType: "consumer", groupState: "Empty", groupType: "classic" };
  const list = endpoint({
    request: listGroupsRequest,
    response: listGroupsResponse,
    handle: async () => ({ throttleTimeMs: 0, errorCode: "NONE" as const, groups: [group] }),
  });
  const broker = await new ClientHarness().start({}, [list]);
  const [one, two] = [await broker.connect(), await broker.connect()];
  await one.send(request(list.apiKey, 0, 1, ""));
  expect([one.link.isClosed, two.link.isClosed]).toEqual([true, false]);
  expect(broker.fatal).toEqual([]);
  expect(broker.lines).toHaveLength(1);
  expect(broker.lines[0]).toMatchObject({ level: "error", fields: { reason: "ListGroups v0 failed", remote: one.link.other.remote } });
  expect(String(broker.lines[0]?.fields.err)).toContain("a string of");
});
