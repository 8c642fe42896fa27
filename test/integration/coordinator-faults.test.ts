import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { askZookeeper } from "../../cli/zookeeper/four-letter-word.ts";
import { type Coordinator, CoordinatorUnavailable, type WriteOperation } from "../../coordinator-client/coordinator.ts";
import type { SessionCoordinator } from "../../coordinator-client/session/session-coordinator.ts";
import { openZookeeper } from "../../coordinator-client/zookeeper-coordinator.ts";
import { silentLogger } from "../../protocol/base/logger.ts";
import { seededRandom } from "../../protocol/base/random.ts";
import { nodeClock } from "../../protocol/node/node-clock.ts";
import { recordStates, statesOf } from "../support/coordinator-harness.ts";
import { ProxiedCoordinator } from "../support/proxied-coordinator.ts";
import { asksForNewSession } from "../support/raw-zookeeper.ts";
import type { ProxyConnection } from "../support/tcp-proxy.ts";
import { waitUntil } from "../support/wait-until.ts";
import { TestZookeeper } from "../support/zookeeper.ts";

const sessionTimeoutMs = 3_000;
/** A server counts in ticks of 500 ms and rounds up; and this machine may be busy. */
const slackMs = 1_500;

const create = (path: string, mode: "persistent" | "ephemeral" = "persistent", data = Buffer.alloc(0)): WriteOperation => ({
  kind: "create",
  path,
  data,
  mode,
});

function direct(connectionString: string): SessionCoordinator {
  return openZookeeper({ connectionString, sessionTimeoutMs, clock: nodeClock, random: seededRandom(3), log: silentLogger });
}

async function serverSessions(server: TestZookeeper): Promise<string[]> {
  const dump = await askZookeeper(server.host, server.port, "dump", 2_000);
  return [...dump.matchAll(/^\s*(0x[0-9a-f]+)/gm)].map(([, id = ""]) => id);
}

describe("faults of a real ZooKeeper and of the network to it", () => {
  let server: TestZookeeper;
  let observer: SessionCoordinator;
  let proxied: ProxiedCoordinator;
  let zk: Coordinator;
  beforeEach(async () => {
    server = await TestZookeeper.start();
    observer = direct(server.connectionString);
    proxied = await ProxiedCoordinator.open(server, { sessionTimeoutMs });
    zk = proxied.coordinator;
    await Promise.all([zk.connected(), observer.connected()]);
  });
  afterEach(async () => {
    await Promise.all([proxied.dispose(), observer.close()]);
    await server.stop();
  });

  test("a silent cut: suspended at two thirds, lost at the whole timeout, calls settled, a new session once healed", async () => {
    await zk.write([create("/e", "ephemeral")]);
    const moments = recordStates(zk);
    let goneAtMs = Number.NEGATIVE_INFINITY;
    observer.watch("/e", "node", () => {
      void observer.read("/e").then((node) => {
        if (node === null) goneAtMs = nodeClock.monotonicMs();
      });
    });
    proxied.proxy.cut();
    const cutMs = nodeClock.monotonicMs();
    const provedMs = zk.provedUntilMs;
    const read = expect(zk.read("/e")).rejects.toThrow(CoordinatorUnavailable);
    const written = zk.write([create("/f")]);
    await waitUntil("suspension", () => zk.state === "suspended");
    await read;
    expect(await written).toMatchObject({ kind: "unknown" });
    await expect(zk.read("/e"), "refused at once while suspended").rejects.toThrow(/suspended/);
    await waitUntil("loss", () => zk.state === "lost");
    const [suspended, lost] = moments;
    expect(statesOf(moments)).toEqual(["suspended 1", "lost 1"]);
    expect((suspended?.atMs ?? 0) - cutMs).toBeGreaterThan(sessionTimeoutMs / 3 - 50); // two thirds after something was last heard
    expect((suspended?.atMs ?? 0) - cutMs).toBeLessThan((sessionTimeoutMs * 2) / 3 + slackMs);
    expect(lost?.atMs).toBeGreaterThanOrEqual(provedMs);
    expect((lost?.atMs ?? 0) - cutMs).toBeLessThan(sessionTimeoutMs + slackMs);
    expect(zk.provedUntilMs).toBe(Number.NEGATIVE_INFINITY);
    await waitUntil("expiry at the server", () => goneAtMs > 0);
    expect(lost?.atMs, "we give up no later than the server").toBeLessThanOrEqual(goneAtMs);
    proxied.proxy.heal();
    await zk.connected();
    expect(zk.sessionNumber).toBe(2);
    expect(await zk.read("/e")).toBeNull();
  });

  test("the client of a lost session is dead: its ephemerals expire though the network heals, and it leaves no session behind", async () => {
    await zk.write([create("/e", "ephemeral")]);
    proxied.proxy.cut();
    const late = zk.write([create("/late")]); // in the cut connection's buffers when the session is given up
    // By then a request to resume the session waits in the cut, too. The network heals at the worst moment: right when both are given up.
    zk.onState((state) => {
      if (state === "lost") queueMicrotask(() => proxied.proxy.heal());
    });
    const fresh = new Set<ProxyConnection>();
    let oldWords = 0;
    proxied.onClientPacket = (packet, isFirst, connection) => {
      if (isFirst && asksForNewSession(packet)) fresh.add(connection);
      else if (!fresh.has(connection)) oldWords++;
    };
    expect((await late).kind).toBe("unknown");
    await waitUntil("expiry at the server", async () => (await observer.read("/e")) === null);
    expect(oldWords, "a word of the old client would have given its session a whole timeout more").toBe(0);
    await zk.connected();
    await waitUntil("two sessions at the server: ours and the observer's", async () => (await serverSessions(server)).length === 2);
    expect(zk.sessionNumber).toBe(2);
    expect(await observer.read("/late"), "what lay in the buffers was dropped with the connection").toBeNull();
    await waitUntil("the old connections are gone", () => proxied.proxy.openConnections === 1);
  });

  test("a cut shorter than two thirds of the timeout costs nothing", async () => {
    const moments = recordStates(zk);
    proxied.proxy.cut();
    const written = zk.write([create("/a")]);
    await new Promise((resolve) => nodeClock.schedule(sessionTimeoutMs / 6, () => resolve(undefined)));
    proxied.proxy.heal();
    expect((await written).kind).toBe("written");
    expect(moments).toEqual([]);
  });

  test("a stopped server (SIGSTOP) is noticed as a cut is", async () => {
    const moments = recordStates(zk);
    server.pause();
    // The signal takes effect a moment later: the read may still be answered, but it must settle.
    const read = zk.read("/a").catch((error: unknown) => expect(error).toBeInstanceOf(CoordinatorUnavailable));
    await waitUntil("loss", () => zk.state === "lost");
    await read;
    expect(statesOf(moments)).toEqual(["suspended 1", "lost 1"]);
    server.resume();
    await zk.connected();
    expect(zk.sessionNumber).toBe(2);
    expect((await zk.write([create("/a")])).kind).toBe("written");
  });

  test("a server killed and restarted within the timeout: the session and its ephemerals survive, and writes go on", async () => {
    // a start of ZooKeeper takes seconds where the machine is busy
    await using patient = await ProxiedCoordinator.open(server, { sessionTimeoutMs: 30_000 });
    const zk = patient.coordinator;
    await zk.connected();
    await zk.write([create("/e", "ephemeral")]);
    let calls = 0;
    zk.watch("/w", "node", () => calls++);
    await waitUntil("the watch", () => calls === 1);
    const moments = recordStates(zk);
    await server.restart();
    await waitUntil("resumption", () => moments.at(-1)?.state === "connected");
    expect(statesOf(moments)).toEqual(["suspended 1", "connected 1"]);
    expect(await zk.read("/e")).toMatchObject({ ownedByUs: true });
    await waitUntil("a call for the new link", () => calls >= 2);
    expect((await zk.write([create("/w")])).kind).toBe("written");
    await waitUntil("the change", () => calls >= 3);
  });

  test("a restarted server that refuses many attempts and then leaves one unanswered does not cost the session", async () => {
    await using patient = await ProxiedCoordinator.open(server, { sessionTimeoutMs: 20_000 });
    const zk = patient.coordinator;
    await zk.connected();
    const moments = recordStates(zk);
    const before = patient.proxy.accepted;
    await server.kill();
    await waitUntil("six attempts that were refused", () => patient.proxy.accepted >= before + 6);
    let ignored: ProxyConnection | null = null;
    patient.onServerPacket = (_packet, connection) => {
      ignored ??= connection;
      return ignored !== connection;
    };
    await server.restart();
    await waitUntil("resumption", () => moments.at(-1)?.state === "connected");
    expect(ignored).not.toBeNull();
    expect(statesOf(moments)).toEqual(["suspended 1", "connected 1"]);
  });

  test("a server down beyond the timeout: the session is lost, waiting goes on, and a new session comes with the server", async () => {
    await zk.write([create("/e", "ephemeral")]);
    const moments = recordStates(zk);
    await server.kill();
    await waitUntil("loss", () => zk.state === "lost");
    const waiting = zk.connected();
    await server.restart();
    await waiting;
    expect(statesOf(moments)).toEqual(["suspended 1", "lost 1", "connected 2"]);
    await waitUntil("the end of the old ephemeral", async () => (await zk.read("/e")) === null);
  });

  test("without any server it goes on connecting, and says so; whoever waits is served when one comes", async () => {
    await server.kill();
    const warnings: string[] = [];
    const log = { ...silentLogger, warn: (_fields: object, message: string) => warnings.push(message) };
    const { connectionString } = server;
    const late = openZookeeper({ connectionString, sessionTimeoutMs, clock: nodeClock, random: seededRandom(9), log });
    await waitUntil("a warning", () => warnings.some((message) => message.includes("no ZooKeeper server can be reached")));
    expect(late.state).toBe("connecting");
    await expect(late.read("/")).rejects.toThrow(/session is connecting/);
    const waiting = late.connected();
    await server.restart();
    await waiting;
    expect(late.sessionNumber).toBe(1);
    await late.close();
  });

  test("a session ended at the server is lost at our next word, and the next one does not own its nodes", async () => {
    await zk.write([create("/e", "ephemeral")]);
    await proxied.expireSession();
    expect(await observer.read("/e")).toBeNull();
    // The server closes the connection, or leaves it open and refuses what comes over it.
    const word = zk.read("/e").catch((error: unknown) => expect(error).toBeInstanceOf(CoordinatorUnavailable));
    await waitUntil("the new session", () => zk.state === "connected" && zk.sessionNumber === 2);
    await word;
    expect(await zk.read("/e")).toBeNull();
  });

  test("a packet cut in its middle does not spoil the next connection", async () => {
    await zk.write([create("/big", "persistent", Buffer.alloc(200_000, "x"))]);
    const moments = recordStates(zk);
    for (let round = 1; round <= 5; round++) {
      proxied.onServerPacket = (packet, connection) => {
        if (packet.length < 200_000) return true;
        proxied.onServerPacket = null;
        // cuts within the length, the header, and the data
        connection.injectToClient(packet.subarray(0, [2, 7, 30, 100_000, packet.length - 1][round - 1]));
        nodeClock.schedule(50, () => connection.reset());
        return false;
      };
      await expect(zk.read("/big")).rejects.toThrow(CoordinatorUnavailable);
      await zk.connected();
      expect((await zk.read("/big"))?.data.length).toBe(200_000);
      expect(await zk.children("/missing")).toBeNull();
    }
    expect(zk.sessionNumber).toBe(1);
    expect(moments.length).toBe(10);
  });

  test("a server that talks nonsense loses its connection, not the session: an impossible length, an unknown error code, an answer nobody asked for", async () => {
    const moments = recordStates(zk);
    const reply = (xid: number, err: number) => {
      const packet = Buffer.alloc(20);
      packet.writeInt32BE(16, 0);
      packet.writeInt32BE(xid, 4);
      packet.writeInt32BE(err, 16);
      return packet;
    };
    const nonsense: ((xid: number) => Buffer)[] = [
      () => Buffer.from([0xff, 0xff, 0xff, 0xf0]),
      () => Buffer.from([0x7f, 0xff, 0xff, 0xff]),
      (xid) => reply(xid, -118), // SESSION_MOVED, which the library throws at
      () => reply(99_999, 0),
    ];
    for (const [index, answer] of nonsense.entries()) {
      proxied.onServerPacket = (packet, connection) => {
        proxied.onServerPacket = null;
        connection.injectToClient(answer(packet.readInt32BE(4)));
        return false;
      };
      await expect(zk.read("/")).rejects.toThrow(CoordinatorUnavailable);
      await waitUntil(`resumption ${index}`, () => moments.length === (index + 1) * 2);
      expect(await zk.read("/")).not.toBeNull();
    }
    expect(zk.sessionNumber).toBe(1);
  });

  test.each(["reset", "silent"] as const)(
    "requests that wait behind a full socket are settled too, and are not sent later (%s)",
    async (end) => {
      proxied.proxy.cut();
      const data = Buffer.alloc(500_000);
      const writes = Array.from({ length: 60 }, (_, i) => zk.write([create(`/n${i}`, "persistent", data)]));
      // With a reset the session continues over the next connection; with silence it is lost.
      if (end === "reset") {
        proxied.proxy.resetAll();
        proxied.proxy.heal();
      }
      const kinds = (await Promise.all(writes)).map(({ kind }) => kind);
      expect(new Set(kinds)).toEqual(new Set(["unknown"]));
      proxied.proxy.heal();
      await waitUntil("a session", () => zk.state === "connected");
      if (end === "reset") expect(zk.sessionNumber).toBe(1);
      // What the proxy held had been sent by us; nothing else may come any more.
      await zk.write([create("/barrier")]);
      const before = await observer.children("/");
      await new Promise((resolve) => nodeClock.schedule(500, () => resolve(undefined)));
      expect(await observer.children("/")).toEqual(before);
      expect(before?.names.length).toBeLessThan(60);
    },
  );

  test("a server that refuses each request because the session has expired, but keeps the connection, is understood", async () => {
    const moments = recordStates(zk);
    proxied.onServerPacket = (packet, connection) => {
      proxied.onServerPacket = null;
      const refusal = Buffer.alloc(20);
      refusal.writeInt32BE(16, 0);
      refusal.writeInt32BE(packet.readInt32BE(4), 4);
      refusal.writeInt32BE(-112, 16);
      connection.injectToClient(refusal);
      return false;
    };
    await expect(zk.read("/")).rejects.toThrow(CoordinatorUnavailable);
    await waitUntil("a new session", () => zk.sessionNumber === 2 && zk.state === "connected");
    expect(statesOf(moments)).toEqual(["lost 1", "connected 2"]);
  });

  test("a server that takes the connection and says nothing is left for the next one, whichever is tried first", async () => {
    proxied.proxy.cut();
    for (const seed of [1, 2, 3, 4, 5]) {
      const connectionString = `${proxied.proxy.address},${server.connectionString}`;
      const two = openZookeeper({ connectionString, sessionTimeoutMs, clock: nodeClock, random: seededRandom(seed), log: silentLogger });
      await two.connected(AbortSignal.timeout(sessionTimeoutMs + slackMs));
      await two.close();
    }
    expect(proxied.proxy.accepted, "some tried the silent one").toBeGreaterThan(2);
  });

  test("a conflict is told from an unknown outcome, whether it was done or not", async () => {
    await zk.write([create("/a")]);
    expect((await zk.write([create("/a")])).kind).toBe("conflict");
    for (const done of [true, false]) {
      proxied.loseNextAnswer({ done });
      const version = (await zk.read("/a"))?.version ?? -1;
      expect((await zk.write([{ kind: "set", path: "/a", data: Buffer.from("x"), version }])).kind).toBe("unknown");
      await zk.connected();
      expect((await zk.read("/a"))?.version).toBe(done ? version + 1 : version);
    }
  });

  test("many watches come back after a reconnection though one packet could not hold them", async () => {
    // 900 paths of 1,200 characters are more than the 1 MiB that a SetWatches packet may have.
    const paths = Array.from({ length: 900 }, (_, i) => `/${String(i).padStart(4, "0")}${"w".repeat(1_200)}`);
    const calls = new Map<string, number>();
    for (const path of paths) zk.watch(path, "node", () => calls.set(path, (calls.get(path) ?? 0) + 1));
    await waitUntil("all armed", () => calls.size === paths.length);
    calls.clear();
    proxied.proxy.resetAll();
    await waitUntil("all armed again", () => calls.size === paths.length);
    expect(zk.sessionNumber).toBe(1);
    calls.clear();
    const last = paths.at(-1) ?? "";
    await observer.write([create(last)]);
    await waitUntil("the change", () => calls.has(last));
  });

  test("close ends within a bound though nothing answers", async () => {
    proxied.proxy.cut();
    const read = expect(zk.read("/a")).rejects.toThrow(CoordinatorUnavailable);
    const startMs = nodeClock.monotonicMs();
    await zk.close();
    await read;
    expect(nodeClock.monotonicMs() - startMs).toBeLessThan(2_000 + slackMs);
    expect(zk.state).toBe("closed");
  });
});
