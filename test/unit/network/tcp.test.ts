import { createConnection, type Socket } from "node:net";
import { expect, test } from "vitest";
import { ClientListeners } from "../../../broker/network/client-listener.ts";
import { Dispatcher } from "../../../broker/network/dispatcher.ts";
import { PeerClient, peerClientDefaults } from "../../../broker/network/peer-client.ts";
import { PeerServer, peerServerDefaults } from "../../../broker/network/peer-server.ts";
import type { PeerHandlers } from "../../../broker/runtime/peer-port.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import type { Link } from "../../../protocol/base/transport.ts";
import { nodeClock } from "../../../protocol/node/node-clock.ts";
import { nodeTransport } from "../../../protocol/node/node-transport.ts";
import { SlabPool } from "../../../protocol/wire/slab-pool.ts";
import { waitUntil } from "../../support/wait-until.ts";
import { ClientHarness, type Logged, produce, recordingLogger } from "./client-harness.ts";
import { peerSamples } from "./peer-samples.ts";

function connected(port: number): Promise<{ socket: Socket; received: () => Buffer; closed: Promise<void> }> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = createConnection({ host: "127.0.0.1", port }, () => resolve({ socket, received: () => Buffer.concat(chunks), closed }));
    const closed = new Promise<void>((done) => socket.on("close", () => done()));
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.on("error", reject);
  });
}

async function openListeners() {
  const harness = new ClientHarness();
  const lines: Logged[] = [];
  const echoing = harness.endpoints().map((endpoint) => ({ ...endpoint, serve: async (body: Buffer) => [Buffer.from(body)] }));
  const listeners = new ClientListeners({
    transport: nodeTransport,
    dispatcher: new Dispatcher(echoing),
    limits: () => harness.limits,
    memoryMaxBytes: 10_000_000,
    slabs: new SlabPool(),
    clock: nodeClock,
    log: recordingLogger(lines),
    onFatal: (error) => {
      throw error;
    },
  });
  const address = { host: "127.0.0.1", port: 0 };
  const [bound] = await listeners.listen([{ name: "A", bind: address, advertised: address }]);
  return { listeners, lines, port: bound?.bound.port ?? 0 };
}

test("over TCP: garbage, giants and half frames disturb nobody, and closing ends", async () => {
  const { listeners, lines, port } = await openListeners();
  const good = await connected(port);
  const random = seededRandom(7);
  const attackers: Awaited<ReturnType<typeof connected>>[] = [];
  const half: Socket[] = [];
  for (let i = 0; i < 20; i++) {
    const attacker = await connected(port);
    const kind = i % 4;
    if (kind === 0) attacker.socket.write(Buffer.concat([Buffer.from([0, 0, 0, 40, 0x70, 0x70]), random.bytes(60)]));
    else if (kind === 1) attacker.socket.write(Buffer.from([0x7f, 0xff, 0xff, 0xff]));
    else if (kind === 2) attacker.socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 1, 2, 3]));
    else {
      attacker.socket.write(produce(1, "never whole").subarray(0, 20));
      half.push(attacker.socket);
    }
    if (kind < 3) attackers.push(attacker);
    good.socket.write(produce(i, `message ${i}`));
  }
  await Promise.all(attackers.map(({ closed }) => closed));
  await waitUntil("every message was answered", () => good.received().toString("latin1").includes("message 19"));
  expect(lines.filter(({ message }) => message.includes("bad request"))).toHaveLength(15);
  expect(listeners.connectionCount).toBe(6);
  for (const socket of half) socket.destroy();
  await waitUntil("the half frames' connections are gone", () => listeners.connectionCount === 1);
  expect(listeners.heldBytes).toBe(0);
  await listeners.close(1000);
  await good.closed;
});

test("over TCP: a large request and answer, cut by the network as it likes", async () => {
  const { listeners, port } = await openListeners();
  const client = await connected(port);
  const body = seededRandom(3).bytes(900_000).toString("latin1");
  for (let i = 0; i < 5; i++) client.socket.write(produce(i, body));
  await waitUntil("all five came back", () => client.received().length === 5 * (8 + body.length));
  expect(
    client
      .received()
      .subarray(8, 8 + body.length)
      .toString("latin1") === body,
  ).toBe(true);
  client.socket.destroy();
  await listeners.close(1000);
});

test("over TCP: a link says once of each write that it is done with it: when it has left, when the link is gone, and after that", async () => {
  const done: string[] = [];
  const accepted: Link[] = [];
  const listener = await nodeTransport.listen({ host: "127.0.0.1", port: 0 }, (link) => {
    accepted.push(link);
    return { onData: () => {}, onClose: () => done.push("closed") };
  });
  const client = await connected(listener.address.port);
  client.socket.on("error", () => {});
  await waitUntil("the link", () => accepted.length === 1);
  const [link] = accepted;
  link?.write([Buffer.alloc(10), Buffer.alloc(20)], () => done.push("left"));
  await waitUntil("the first write to have left", () => done.length === 1);
  client.socket.pause();
  for (const name of ["under way", "waits", "waits behind it"])
    link?.write([Buffer.alloc(20_000_000), Buffer.alloc(10)], () => done.push(name));
  link?.destroy();
  link?.write([Buffer.alloc(10)], () => done.push("late"));
  await waitUntil("all to be done with", () => done.length === 6);
  expect(done.toSorted()).toEqual(["closed", "late", "left", "under way", "waits", "waits behind it"]);
  client.socket.destroy();
  await listener.close();
});

test("over TCP: brokers exchange megabytes, many calls at a time", async () => {
  const records = seededRandom(5).bytes(3_000_000);
  const log = recordingLogger([]);
  const handlers = {
    "replica-fetch": async () => ({ body: peerSamples["replica-fetch"].response, payload: [records] }),
  } as unknown as PeerHandlers;
  const limits = { ...peerServerDefaults, frameMaxBytes: 10_000_000 };
  const onFatal = (error: Error) => {
    throw error;
  };
  const common = { clusterId: "C", secret: { value: "s", reread: async () => {} }, clock: nodeClock, random: seededRandom(6), log };
  const server = new PeerServer(nodeTransport, { ...common, brokerId: 1, handlers, limits, onFatal });
  const address = await server.listen({ host: "127.0.0.1", port: 0 });
  const client = new PeerClient({
    ...common,
    transport: nodeTransport,
    slabs: new SlabPool(),
    brokerId: 2,
    limits: { ...peerClientDefaults, frameMaxBytes: 10_000_000 },
  });
  const options = { timeoutMs: 20_000, lane: "replication" } as const;
  const calls = Array.from({ length: 20 }, () => client.request(address, "replica-fetch", peerSamples["replica-fetch"].request, options));
  for (const { payload, body } of await Promise.all(calls)) {
    expect(payload.equals(records)).toBe(true);
    expect(body.partitions).toHaveLength(2);
  }
  client.close();
  await server.close();
  await expect(client.request(address, "replica-fetch", peerSamples["replica-fetch"].request, options)).rejects.toThrow("shutting down");
});
