import { describe, expect, test } from "vitest";
import { askZookeeper } from "../../cli/zookeeper/four-letter-word.ts";
import type { Coordinator, WriteOperation } from "../../coordinator-client/coordinator.ts";
import type { SessionCoordinator } from "../../coordinator-client/session/session-coordinator.ts";
import { LibraryClient, type LibraryEvents } from "../../coordinator-client/zookeeper/library.ts";
import { openZookeeper } from "../../coordinator-client/zookeeper-coordinator.ts";
import { silentLogger } from "../../protocol/base/logger.ts";
import { seededRandom } from "../../protocol/base/random.ts";
import { nodeClock } from "../../protocol/node/node-clock.ts";
import { recordStates, statesOf } from "../support/coordinator-harness.ts";
import { waitUntil } from "../support/wait-until.ts";
import { TestZookeeper } from "../support/zookeeper.ts";

const sessionTimeoutMs = 3_000;

const create = (path: string, mode: "persistent" | "ephemeral" = "persistent", data = Buffer.alloc(0)): WriteOperation => ({
  kind: "create",
  path,
  data,
  mode,
});

function direct(connectionString: string): SessionCoordinator {
  return openZookeeper({ connectionString, sessionTimeoutMs, clock: nodeClock, random: seededRandom(3), log: silentLogger });
}

describe("an ensemble of three", () => {
  test("loses the server we are on: the next one is tried, and the session goes on", async () => {
    const ensemble = await TestZookeeper.startEnsemble(3);
    const sessionTimeoutOfEnsembleMs = 10_000; // an election may take its time
    const zk = openZookeeper({
      connectionString: `${ensemble.connectionString}/root`,
      sessionTimeoutMs: sessionTimeoutOfEnsembleMs,
      clock: nodeClock,
      random: seededRandom(5),
      log: silentLogger,
    });
    try {
      await zk.connected();
      await zk.ensurePath("/");
      await zk.write([create("/e", "ephemeral")]);
      const moments = recordStates(zk);
      const ours = await waitUntil("the server we are on", async () => {
        for (const server of ensemble.servers) if (await serves(server, zk)) return server;
        return null;
      });
      await ours.kill();
      await waitUntil("the next server", () => moments.at(-1)?.state === "connected", { timeoutMs: 60_000 });
      expect(statesOf(moments).every((state) => state.endsWith(" 1"))).toBe(true);
      expect(await zk.read("/e")).toMatchObject({ ownedByUs: true });
      expect((await zk.write([create("/a")])).kind).toBe("written");
    } finally {
      await zk.close();
      await ensemble.stop();
    }
  });

  test("of which two are gone serves nobody; with one back, writes go on", async () => {
    const ensemble = await TestZookeeper.startEnsemble(3);
    const zk = direct(ensemble.connectionString);
    try {
      await zk.connected();
      const [first, second] = ensemble.servers;
      await Promise.all([first?.kill(), second?.kill()]);
      await waitUntil("suspension or loss", () => zk.state !== "connected", { timeoutMs: 60_000 });
      const waiting = zk.connected();
      await second?.restart();
      await waiting;
      // the new leader's first link may break once more while the two agree
      const isThere = async () => (await zk.write([create("/a")])).kind === "written" || (await zk.read("/a")) !== null;
      await waitUntil("a write", () => isThere().catch(() => false), { timeoutMs: 60_000 });
    } finally {
      await zk.close();
      await ensemble.stop();
    }
  });
});

/** Whether the session's connection is to this server: its `cons` lists the session's id. */
async function serves(server: TestZookeeper, zk: Coordinator): Promise<boolean> {
  const owner = (await zk.read("/e"))?.ephemeralOwner ?? "";
  return (await askZookeeper(server.host, server.port, "cons", 2_000)).includes(`sid=0x${owner.replace(/^0+/, "")}`);
}

describe("the library's client", () => {
  const connectedClient = async (
    server: TestZookeeper,
    prepare: (library: LibraryClient) => void = () => undefined,
  ): Promise<LibraryClient> => {
    const names = ["disconnected", "expired", "ended", "heard", "garbled"];
    const others = Object.fromEntries(names.map((name) => [name, () => undefined])) as unknown as LibraryEvents;
    let isConnected = false;
    const connected = () => {
      isConnected = true;
    };
    const library = new LibraryClient([server], 10_000, { ...others, wantsServer: (connect) => connect(server), connected });
    prepare(library);
    library.start();
    await waitUntil("a session", () => isConnected);
    return library;
  };
  const exists = (library: LibraryClient, path: string) =>
    new Promise<boolean>((resolve, reject) =>
      library.client.exists(path, (error, stat) => (error ? reject(error) : resolve(stat !== null))),
    );

  test("starts its transaction numbers over before they overflow", async () => {
    await using server = await TestZookeeper.start();
    const library = await connectedClient(server);
    const { connectionManager } = library.client as unknown as { connectionManager: { xid: number } };
    connectionManager.xid = 2 ** 31 - 2;
    for (let i = 0; i < 5; i++) {
      library.beforeRequest();
      expect(await exists(library, "/")).toBe(true);
    }
    expect(connectionManager.xid).toBeLessThan(10);
    library.kill();
  });

  test("does not send on a new connection what was queued before it", async () => {
    await using server = await TestZookeeper.start();
    const library = await connectedClient(server, ({ client }) => client.create("/ghost", () => undefined));
    expect(await exists(library, "/")).toBe(true);
    expect(await exists(library, "/ghost")).toBe(false);
    library.kill();
  });
});
