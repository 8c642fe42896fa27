import { expect, test } from "vitest";
import { type MemoryCoordinator, MemoryEnsemble } from "../../../coordinator-client/memory-coordinator.ts";
import { sleep } from "../../../protocol/base/clock.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { DrivenClock } from "./driven-clock.ts";

interface Scene {
  readonly ensemble: MemoryEnsemble;
  /** By server; to be changed. Milliseconds. */
  readonly lags: { "to-leader": number; behind: number }[];
  /** The first session is on the first server, the next on the second. */
  readonly sessions: readonly [MemoryCoordinator, MemoryCoordinator];
  readonly wait: (ms: number) => Promise<void>;
}

/** Two servers, each with a session; messages take a millisecond. */
async function withServers(play: (scene: Scene) => Promise<void>): Promise<void> {
  const clock = new DrivenClock();
  const lags = [0, 1].map(() => ({ "to-leader": 0, behind: 0 }));
  const ensemble = new MemoryEnsemble({ clock, servers: 2, serverDelayMs: (server, way) => lags[server]![way], latencyMs: () => 1 });
  const running = clock.run();
  const open = () => ensemble.open({ sessionTimeoutMs: 6000, log: silentLogger });
  const sessions = [open(), open()] as const;
  await Promise.all(sessions.map((session) => session.connected()));
  await play({ ensemble, lags, sessions, wait: (ms) => sleep(clock, ms) });
  await Promise.all(sessions.map((session) => session.close()));
  clock.stop();
  await running;
}

const create = (path: string) => ({ kind: "create", path, data: Buffer.alloc(0), mode: "persistent" }) as const;

test("a server that is behind shows what was, fires watches when it comes to them, and lets a session see its own writes", async () => {
  await withServers(async ({ lags, sessions: [quick, slow], wait }) => {
    lags[1]!.behind = 500;
    let seen = 0;
    slow.watch("/a", "node", () => seen++);
    await wait(10);
    const before = seen;
    expect((await quick.write([create("/a")])).kind).toBe("written");
    expect(await slow.read("/a")).toBeNull();
    expect(seen).toBe(before);
    // all that was decided before one's own write is there when that is answered
    const [written, read] = await Promise.all([slow.write([create("/b")]), slow.read("/a")]);
    expect(written.kind).toBe("written");
    expect(read).not.toBeNull();
    expect(seen).toBe(before + 1);
  });
});

test("a write whose answer was lost may not be where the session goes next; one's own next write is", async () => {
  await withServers(async ({ ensemble, lags, sessions: [session], wait }) => {
    lags[1]!.behind = 1000;
    session.loseNextAnswer({ done: true });
    expect((await session.write([create("/a")])).kind).toBe("unknown");
    await session.connected();
    expect(ensemble.tree.read("/a")).not.toBeNull();
    expect(await session.read("/a")).toBeNull();
    await session.write([{ kind: "check", path: "/", version: -1 }]);
    expect(await session.read("/a")).not.toBeNull();
    await wait(0);
  });
});

test("a server that is behind what a session has seen does not take it", async () => {
  await withServers(async ({ lags, sessions: [session], wait }) => {
    lags[1]!.behind = 1000;
    await session.write([create("/a")]);
    session.breakConnection();
    await wait(105);
    expect(session.state).toBe("suspended");
    await session.connected();
    expect(await session.read("/a")).not.toBeNull();
    expect(session.sessionNumber).toBe(1);
  });
});

test("what was on its way to the leader when its session moved is not done, and done if it came before", async () => {
  await withServers(async ({ ensemble, lags, sessions: [session], wait }) => {
    for (const [path, delayMs, isDone] of [
      ["/late", 400, false],
      ["/in-time", 50, true],
    ] as const) {
      for (const lag of lags) lag["to-leader"] = 0;
      const first = session.write([create(`${path}-before`)]);
      await first;
      for (const lag of lags) lag["to-leader"] = delayMs;
      const write = session.write([create(path)]);
      await wait(2);
      session.breakConnection();
      expect((await write).kind).toBe("unknown");
      for (const lag of lags) lag["to-leader"] = 0;
      // the other server has a way of its own
      await session.connected();
      await wait(1000);
      expect(ensemble.tree.read(path) !== null, path).toBe(isDone);
    }
  });
});

test("the end of a session is known to its server when that comes to it", async () => {
  await withServers(async ({ ensemble, lags, sessions: [, slow], wait }) => {
    await slow.write([{ ...create("/e"), mode: "ephemeral" }]);
    lags[1]!.behind = 500;
    slow.expireSession();
    expect(ensemble.tree.read("/e")).toBeNull();
    expect(await slow.read("/e")).not.toBeNull();
    await wait(600);
    await slow.connected();
    expect(slow.sessionNumber).toBe(2);
    expect(await slow.read("/e")).toBeNull();
  });
});
