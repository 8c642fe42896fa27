import { expect, test } from "vitest";
import { encodePeerFrame } from "../../../broker/network/peer-frame.ts";
import { PeerUnavailable } from "../../../broker/runtime/peer-port.ts";
import { InvariantViolation } from "../../../protocol/base/invariant.ts";
import type { PeerKind } from "../../../protocol/peer/messages.ts";
import { settled } from "./manual-clock.ts";
import { forward, options, PeerHarness, rightCode } from "./peer-harness.ts";
import { peerSamples } from "./peer-samples.ts";

test("every kind goes there and back, with the bytes that follow it", async () => {
  const peers = await new PeerHarness().start();
  for (const kind of Object.keys(peerSamples) as PeerKind[]) {
    const { request, response } = peerSamples[kind];
    const asked = peers.client.request(peers.address, kind, request as never, { ...options, payload: [Buffer.from("there")] });
    await settled();
    const served = peers.served.at(-1);
    expect(served).toMatchObject({ kind, body: request });
    expect(String(served?.payload)).toBe("there");
    served?.answer([Buffer.from("and "), Buffer.from("back")]);
    const answer = await asked;
    expect(answer.body).toEqual(response);
    expect(String(answer.payload)).toBe("and back");
  }
  expect(peers.transport.links).toHaveLength(1);
});

test("calls of a link are pipelined, started in order and answered as they are ready", async () => {
  const peers = await new PeerHarness().start();
  const order: number[] = [];
  const calls = [1, 2, 3].map((apiKey) => peers.ask(apiKey).then(() => order.push(apiKey)));
  await settled();
  expect(peers.served.map(({ body }) => (body as { apiKey: number }).apiKey)).toEqual([1, 2, 3]);
  for (const i of [2, 0, 1]) {
    peers.served[i]?.answer();
    await settled();
  }
  await Promise.all(calls);
  expect(order).toEqual([3, 1, 2]);
});

test("lanes have links of their own", async () => {
  const peers = await new PeerHarness().start();
  const calls = [peers.ask(1), peers.ask(2, { lane: "replication" }), peers.ask(3)];
  await settled();
  expect(peers.transport.links).toHaveLength(2);
  for (const served of peers.served) served.answer();
  await Promise.all(calls);
});

test("a call without an answer is given up after its time, and its late answer disturbs nobody", async () => {
  const peers = await new PeerHarness().start();
  const late = peers.ask(1);
  const lost = expect(late).rejects.toThrow(/broker at 127\.0\.0\.1:\d+: no answer to forward within 1000 ms/);
  await peers.clock.advance(500);
  const second = peers.ask(2, { timeoutMs: 5000 });
  await settled();
  peers.served[1]?.answer();
  await second;
  await peers.clock.advance(600);
  await lost;
  peers.served[0]?.answer();
  const third = peers.ask(3);
  await settled();
  peers.served[2]?.answer();
  await third;
  expect(peers.transport.links, "the link was heard from, so it was kept").toHaveLength(1);
  expect(peers.clock.pendingTimers, "no timer is left of a settled call").toBe(0);
});

test("a link that says nothing until a call's time is over is replaced by the next call", async () => {
  const peers = await new PeerHarness().start();
  const first = peers.ask(1);
  await settled();
  peers.served[0]?.answer();
  await first;
  peers.transport.links[0]!.isStalled = true;
  await peers.clock.advance(1);
  const lost = expect(peers.ask(2)).rejects.toBeInstanceOf(PeerUnavailable);
  await peers.clock.advance(1000);
  await lost;
  const again = peers.ask(3);
  await settled();
  peers.served.at(-1)?.answer();
  await again;
  expect(peers.transport.links).toHaveLength(2);
});

test("when the link breaks its calls are rejected, and the next call opens another", async () => {
  const peers = await new PeerHarness().start();
  const calls = [peers.ask(1), peers.ask(2)].map((call) => expect(call).rejects.toBeInstanceOf(PeerUnavailable));
  await settled();
  peers.transport.links[0]?.other.destroy(new Error("reset"));
  await Promise.all(calls);
  const again = peers.ask(3);
  await settled();
  peers.served.at(-1)?.answer();
  await again;
});

test("a broker that is not there is PeerUnavailable", async () => {
  const peers = new PeerHarness();
  await expect(peers.client.request({ host: "h", port: 1 }, "forward", forward.request, options)).rejects.toThrow(
    "broker at h:1: cannot connect",
  );
  expect(peers.client.linkCount).toBe(0);
});

test("an aborted call is rejected with the signal's reason and leaves the others alone", async () => {
  const peers = await new PeerHarness().start();
  const aborter = new AbortController();
  const given = expect(peers.ask(1, { signal: aborter.signal })).rejects.toThrow("enough");
  const other = peers.ask(2);
  await settled();
  aborter.abort(new Error("enough"));
  await given;
  peers.served[0]?.answer();
  peers.served[1]?.answer();
  await other;
  await expect(peers.ask(3, { signal: aborter.signal })).rejects.toThrow("enough");
});

test("calls beyond the bound are rejected at once", async () => {
  const peers = await new PeerHarness({ callsMax: 2 }).start();
  const calls = [peers.ask(1), peers.ask(2)];
  await expect(peers.ask(3)).rejects.toThrow("2 calls wait for an answer already");
  await settled();
  for (const served of peers.served) served.answer();
  await Promise.all(calls);
});

test("the server reads no further while as many requests as it takes are under way", async () => {
  const peers = await new PeerHarness({ requestsInFlightMax: 3 }).start();
  const calls = [1, 2, 3].map((key) => peers.ask(key));
  await settled();
  calls.push(peers.ask(4));
  await settled();
  expect(peers.served).toHaveLength(3);
  for (let i = 0; i < 4; i++) {
    peers.served[i]?.answer();
    await settled();
  }
  await Promise.all(calls);
});

const kafkaApiVersions = Buffer.from("00000015001200030000000100067465737465720000000000", "hex");
const strangers: readonly [string, readonly Buffer[]][] = [
  ["a Kafka client", [kafkaApiVersions]],
  ["a browser", [Buffer.from("GET / HTTP/1.1\r\nHost: broker\r\n\r\n")]],
  ["a giant", [Buffer.from([0x7f, 0xff, 0xff, 0xff])]],
  ["a frame of a megabyte before the introduction", [Buffer.from([0, 0x10, 0, 0])]],
  ["a request without introduction", encodePeerFrame(1, "forward", forward.request)],
  ["an introduction of the wrong shape", encodePeerFrame(0, "hello", { version: "1" })],
];

for (const [who, bytes] of strangers)
  test(`${who} on the brokers' port: one line, its link closed, the others undisturbed`, async () => {
    const peers = await new PeerHarness().start();
    const call = peers.ask(1);
    await settled();
    const { link } = await peers.raw();
    link.write(bytes);
    await settled();
    expect(link.isClosed).toBe(true);
    expect(peers.lines).toHaveLength(1);
    expect(peers.lines[0]?.message).toContain("this port is for brokers");
    expect(peers.lines[0]?.fields.remote).toMatch(/10\.0\.0\.1:\d+/);
    peers.served[0]?.answer();
    await call;
  });

const badRequests: readonly [string, readonly Buffer[], RegExp][] = [
  ["an unknown kind", encodePeerFrame(1, "constructor", {}), /kind of message/],
  ["a wrong field", encodePeerFrame(1, "forward", { ...forward.request, apiKey: "x" }), /forward request: apiKey must be/],
  ["a missing field", encodePeerFrame(1, "isr-changed", { brokerId: 1 }), /isr-changed request: brokerEpoch must be/],
  ["garbage in a frame", [Buffer.from([0, 0, 0, 8, 0, 0, 0, 4, 0xc1, 0xc1, 0xc1, 0xc1])], /msgpack/],
];

for (const [what, bytes, reason] of badRequests)
  test(`${what} after the introduction: nothing is served, that link is closed`, async () => {
    const peers = await new PeerHarness().start();
    const { link } = await peers.introduced(rightCode);
    link.write(bytes);
    await settled();
    expect(peers.served).toEqual([]);
    expect(link.isClosed).toBe(true);
    expect(peers.lines[0]?.fields.reason).toMatch(reason);
    expect(peers.fatal).toEqual([]);
  });

test("an answer of the wrong shape is PeerUnavailable, and the field is named", async () => {
  const peers = await new PeerHarness().start();
  const call = peers.ask();
  await settled();
  peers.served[0]?.answer([], { error: "NONE" });
  await expect(call).rejects.toThrow("forward response: message must be text");
});

test("a handler that fails closes its link and is told; a bug ends the process", async () => {
  const peers = await new PeerHarness().start();
  const failed = expect(peers.ask()).rejects.toBeInstanceOf(PeerUnavailable);
  await settled();
  peers.served[0]?.fail(new Error("disk on fire"));
  await failed;
  expect(peers.lines[0]).toMatchObject({ level: "error", fields: { kind: "forward", err: { message: "disk on fire" } } });
  const second = expect(peers.ask()).rejects.toBeInstanceOf(PeerUnavailable);
  await settled();
  peers.served[1]?.fail(new InvariantViolation("no"));
  await settled();
  expect(peers.fatal).toHaveLength(1);
  peers.client.close();
  await second;
});

test("an answer that cannot be encoded closes its link, is told, and ends nothing else", async () => {
  const peers = await new PeerHarness().start();
  const failed = expect(peers.ask()).rejects.toBeInstanceOf(PeerUnavailable);
  await settled();
  const body = Object.defineProperty({ ...forward.response }, "message", {
    enumerable: true,
    get() {
      throw new RangeError("too long");
    },
  });
  peers.served[0]?.answer([], body);
  await failed;
  expect(peers.lines[0]).toMatchObject({ level: "error", fields: { kind: "forward", err: { message: "too long" } } });
  const next = peers.ask();
  await settled();
  peers.served[1]?.answer();
  await next;
  expect(peers.fatal).toEqual([]);
});

test("a caller learns when its request is on its way, which is not before the link is open", async () => {
  const peers = await new PeerHarness().start();
  const sent: number[] = [];
  const call = (n: number) => peers.ask(n, { onSent: () => sent.push(n) });
  const nowhere = peers.client.request({ host: "h", port: 1 }, "forward", forward.request, { ...options, onSent: () => sent.push(0) });
  await expect(nowhere).rejects.toBeInstanceOf(PeerUnavailable);
  const first = call(1);
  expect(sent).toEqual([]);
  await settled();
  expect(sent).toEqual([1]);
  const second = call(2);
  expect(sent).toEqual([1, 2]);
  await settled();
  for (const served of peers.served) served.answer();
  await Promise.all([first, second]);
});

test("closing either end rejects what is under way", async () => {
  const peers = await new PeerHarness().start();
  const first = expect(peers.ask()).rejects.toBeInstanceOf(PeerUnavailable);
  await settled();
  await peers.server.close();
  await first;
  await expect(peers.ask()).rejects.toThrow("refused");
  peers.client.close();
  await expect(peers.ask()).rejects.toThrow("shutting down");
});
