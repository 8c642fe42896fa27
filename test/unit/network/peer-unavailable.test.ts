import { createServer, type Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { PeerClient, peerClientDefaults } from "../../../broker/network/peer-client.ts";
import { PeerUnavailable } from "../../../broker/runtime/peer-port.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { ConnectionRefused } from "../../../protocol/base/transport.ts";
import { nodeClock } from "../../../protocol/node/node-clock.ts";
import { nodeTransport, saysNobodyIsThere } from "../../../protocol/node/node-transport.ts";
import { SlabPool } from "../../../protocol/wire/slab-pool.ts";
import { settled } from "./manual-clock.ts";
import { forward, KnownSecret, options, PeerHarness } from "./peer-harness.ts";

/** Why the call failed; "answered" if it did not. */
function why(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => "answered",
    (error) => (error instanceof PeerUnavailable ? error.why : `not PeerUnavailable: ${error}`),
  );
}

describe("why a broker is unavailable", () => {
  test("nobody listens: refused, at once", async () => {
    const peers = new PeerHarness();
    expect(await why(peers.client.request({ host: "h", port: 1 }, "forward", forward.request, options))).toBe("refused");
  });

  test("a name that is gone is as good as a refusal; a name server that does not answer, or a machine that is not reached, is not", () => {
    expect(["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ETIMEDOUT", null].map(saysNobodyIsThere)).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
  });

  test("its link ended, before or after it was welcome: broken, for all that waits on it", async () => {
    const peers = await new PeerHarness().start();
    const early = why(peers.ask(1));
    await Promise.resolve();
    peers.transport.links[0]!.other.destroy();
    expect(await early).toBe("broken");
    const calls = [why(peers.ask(2)), why(peers.ask(3))];
    await settled();
    peers.transport.links[1]!.other.destroy(new Error("reset"));
    expect(await Promise.all(calls)).toEqual(["broken", "broken"]);
  });

  test("no answer comes: unanswered, also for the others on a link that was silent meanwhile", async () => {
    const peers = await new PeerHarness().start();
    const calls = [why(peers.ask(1)), why(peers.ask(2, { timeoutMs: 60_000 }))];
    await settled();
    peers.transport.links[0]!.other.isStalled = true;
    const third = why(peers.ask(3));
    await peers.clock.advance(1_000);
    expect(await calls[0]).toBe("unanswered");
    peers.served[1]!.answer();
    await peers.clock.advance(1);
    peers.transport.links[0]!.isStalled = true;
    const fourth = why(peers.ask(4));
    await peers.clock.advance(1_000);
    expect(await Promise.all([calls[1], third, fourth])).toEqual(["unanswered", "unanswered", "unanswered"]);
  });

  test("it refuses us, or answers nonsense, or this broker takes no more calls or stops: unanswered", async () => {
    const stranger = await new PeerHarness({ clientCluster: "C2" }).start();
    expect(await why(stranger.ask())).toBe("unanswered");
    const peers = await new PeerHarness({ callsMax: 1 }).start();
    const one = why(peers.ask(1));
    expect(await why(peers.ask(2))).toBe("unanswered");
    await settled();
    peers.served[0]!.answer([], { error: "NONE" });
    expect(await one).toBe("unanswered");
    const two = why(peers.ask(3));
    await settled();
    peers.client.close();
    expect(await Promise.all([two, why(peers.ask(4))])).toEqual(["unanswered", "unanswered"]);
  });

  test("over TCP: a port without a listener refuses, a process that closes breaks, one that says nothing does not answer", async () => {
    const sockets: Socket[] = [];
    let closes = true;
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => {});
      if (closes) socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const address = { host: "127.0.0.1", port };
    const client = new PeerClient({
      transport: nodeTransport,
      clock: nodeClock,
      clusterId: "C1",
      brokerId: 2,
      secret: new KnownSecret("secret"),
      limits: { ...peerClientDefaults, frameMaxBytes: 1_000_000 },
      slabs: new SlabPool(),
      random: seededRandom(1),
      log: silentLogger,
    });
    const ask = (timeoutMs: number) => why(client.request(address, "forward", forward.request, { ...options, timeoutMs }));
    expect(await ask(10_000)).toBe("broken");
    closes = false;
    expect(await ask(100)).toBe("unanswered");
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    expect(await ask(10_000)).toBe("refused");
    const handlers = { onData: () => {}, onClose: () => {} };
    await expect(nodeTransport.connect(address, handlers, { timeoutMs: 10_000 })).rejects.toBeInstanceOf(ConnectionRefused);
    // a broadcast address: no way there, which says nothing of who listens
    const nowhere = { host: "255.255.255.255", port };
    await expect(nodeTransport.connect(nowhere, handlers, { timeoutMs: 500 })).rejects.not.toBeInstanceOf(ConnectionRefused);
    expect(await why(client.request(nowhere, "forward", forward.request, { ...options, timeoutMs: 500 }))).toBe("unanswered");
    client.close();
  });
});

describe("links that are given up", () => {
  test("reject what waits on them, and the next request connects anew; heartbeats go on, and links to others", async () => {
    const peers = await new PeerHarness().start();
    const other = { ...peers.address, host: "127.0.0.2" };
    const lanes = (["control", "replication", "heartbeat"] as const).map((lane) => why(peers.ask(1, { lane, timeoutMs: 60_000 })));
    const elsewhere = why(peers.client.request(other, "forward", forward.request, options));
    await settled();
    expect(peers.client.linkCount).toBe(4);
    peers.client.giveUp(peers.address);
    expect(await Promise.all(lanes.slice(0, 2))).toEqual(["unanswered", "unanswered"]);
    expect(peers.client.linkCount).toBe(2);
    const again = why(peers.ask(2));
    await settled();
    expect([peers.client.linkCount, peers.transport.links.length]).toEqual([3, 5]);
    for (const served of peers.served) served.answer();
    expect(await Promise.all([lanes[2], elsewhere, again])).toEqual(["answered", "answered", "answered"]);
  });

  test("may still be connecting, and may not be there at all", async () => {
    const peers = await new PeerHarness().start();
    peers.client.giveUp(peers.address);
    const early = why(peers.ask(1));
    peers.client.giveUp(peers.address);
    expect(await early).toBe("unanswered");
    await settled();
    expect([peers.client.linkCount, peers.clock.pendingTimers]).toEqual([0, 0]);
    const next = why(peers.ask(2));
    await settled();
    peers.served.at(-1)!.answer();
    expect(await next).toBe("answered");
  });
});
