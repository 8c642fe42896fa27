import { describe, expect, test } from "vitest";
import type { Coordinator, SessionState } from "../../../coordinator-client/coordinator.ts";
import { MemoryCoordinator, MemoryEnsemble } from "../../../coordinator-client/memory-coordinator.ts";
import { sleep } from "../../../protocol/base/clock.ts";
import { invariant } from "../../../protocol/base/invariant.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import type { CoordinatorHarness } from "../../support/coordinator-harness.ts";
import { coordinatorRolesSuite } from "../../support/coordinator-roles-suite.ts";
import { coordinatorSuite } from "../../support/coordinator-suite.ts";
import { DrivenClock } from "./driven-clock.ts";

const sessionTimeoutMs = 6_000;
const untilMaxMs = 120_000;

interface MemoryHarness extends CoordinatorHarness {
  readonly ensemble: MemoryEnsemble;
  openMemory(): MemoryCoordinator;
}

async function memoryHarness(): Promise<MemoryHarness> {
  const clock = new DrivenClock();
  const random = seededRandom(1);
  const ensemble = new MemoryEnsemble({ clock, latencyMs: () => 1 + random.next() * 4 });
  const opened: MemoryCoordinator[] = [];
  const running = clock.run();
  const memory = (coordinator: Coordinator): MemoryCoordinator => {
    invariant(coordinator instanceof MemoryCoordinator, "a coordinator of this harness");
    return coordinator;
  };
  const openMemory = (options = {}) => {
    const coordinator = ensemble.open({ sessionTimeoutMs, log: silentLogger, ...options });
    opened.push(coordinator);
    return coordinator;
  };
  return {
    ensemble,
    openMemory,
    sessionTimeoutMs,
    open: async (options) => openMemory(options),
    expire: async (coordinator) => memory(coordinator).expireSession(),
    breakLink: (coordinator) => memory(coordinator).breakConnection(),
    loseNextAnswer: (coordinator, fate) => memory(coordinator).loseNextAnswer(fate),
    nowMs: () => clock.monotonicMs(),
    sleep: (ms) => sleep(clock, ms),
    until: async (what, condition) => {
      const deadlineMs = clock.monotonicMs() + untilMaxMs;
      while (!(await condition())) {
        if (clock.monotonicMs() > deadlineMs) throw new Error(`never came: ${what}`);
        await sleep(clock, 1);
      }
    },
    dispose: async () => {
      await Promise.all(opened.map((coordinator) => coordinator.close()));
      clock.stop();
      await running;
    },
  };
}

coordinatorSuite("the coordinator in memory", memoryHarness);
coordinatorRolesSuite("brokers on the coordinator in memory", memoryHarness);

describe("faults of the coordinator in memory", () => {
  const withHarness = (body: (harness: MemoryHarness) => Promise<void>) => async () => {
    const harness = await memoryHarness();
    try {
      await body(harness);
    } finally {
      await harness.dispose();
    }
  };
  const ephemeral = { kind: "create", path: "/e", data: Buffer.alloc(0), mode: "ephemeral" } as const;

  test(
    "a silent cut suspends at two thirds of the timeout, loses at the whole, settles what was under way, and heals into a new session",
    withHarness(async (harness) => {
      const zk = harness.openMemory();
      await zk.connected();
      await zk.write([ephemeral]);
      const states: { state: SessionState; afterMs: number }[] = [];
      const provedMs = zk.provedUntilMs;
      zk.cut();
      const cutMs = harness.nowMs();
      zk.onState((state) => states.push({ state, afterMs: harness.nowMs() - cutMs }));
      const [read, write] = [zk.read("/e"), zk.write([{ ...ephemeral, path: "/f" }])];
      await expect(read).rejects.toThrow(/no answer/);
      expect((await write).kind).toBe("unknown");
      await harness.until("loss", () => zk.state === "lost");
      expect(harness.nowMs()).toBeGreaterThanOrEqual(provedMs);
      expect(states.map(({ state }) => state)).toEqual(["suspended", "lost"]);
      expect(states[0]?.afterMs).toBeGreaterThan(sessionTimeoutMs * 0.6);
      expect(states[0]?.afterMs).toBeLessThan(sessionTimeoutMs * 0.7);
      expect(states[1]?.afterMs).toBeLessThanOrEqual(sessionTimeoutMs);
      await harness.until("expiry at the server", () => harness.ensemble.tree.read("/e") === null);
      zk.heal();
      await zk.connected();
      expect(zk.sessionNumber).toBe(2);
      expect(harness.ensemble.tree.read("/f")).toBeNull();
    }),
  );

  test(
    "a cut shorter than two thirds of the timeout only delays",
    withHarness(async (harness) => {
      const zk = harness.openMemory();
      await zk.connected();
      zk.cut();
      const write = zk.write([ephemeral]);
      await harness.sleep(sessionTimeoutMs / 2);
      zk.heal();
      expect((await write).kind).toBe("written");
      expect(zk.sessionNumber).toBe(1);
    }),
  );

  test(
    "an abandoned session lives on at the server until it times out",
    withHarness(async (harness) => {
      const zk = harness.openMemory();
      await zk.connected();
      await zk.write([ephemeral]);
      zk.abandon();
      const abandonedMs = harness.nowMs();
      expect(harness.ensemble.tree.read("/e")).not.toBeNull();
      await harness.until("expiry", () => harness.ensemble.tree.read("/e") === null);
      expect(harness.nowMs() - abandonedMs).toBeGreaterThan(sessionTimeoutMs * 0.6);
      expect(harness.ensemble.sessionIds).toEqual([]);
    }),
  );

  test(
    "an ensemble that lost all its state knows no node and no session",
    withHarness(async (harness) => {
      const zk = harness.openMemory();
      await zk.connected();
      await zk.write([ephemeral]);
      harness.ensemble.restore();
      expect(harness.ensemble.tree.paths()).toEqual(["/"]);
      await harness.until("a new session", () => zk.sessionNumber === 2 && zk.state === "connected");
      expect(await zk.read("/e")).toBeNull();
    }),
  );

  test(
    "an older state that is restored has the sessions of its time; who has seen more is let in once it has caught up",
    withHarness(async (harness) => {
      const [zk, other] = [harness.openMemory(), harness.openMemory()];
      await Promise.all([zk.connected(), other.connected()]);
      await zk.write([ephemeral]);
      const backup = harness.ensemble.backup();
      await zk.write([{ ...ephemeral, path: "/later" }]);
      harness.ensemble.restore(backup);
      expect(harness.ensemble.tree.paths()).toEqual(["/", "/e"]);
      await harness.until("the one that has not seen the last transaction is back", () => other.state === "connected");
      await harness.sleep(500);
      expect(zk.state).toBe("suspended");
      await other.write([{ ...ephemeral, path: "/another" }]);
      await harness.until("the other one is back, in its session", () => zk.state === "connected");
      expect(zk.sessionNumber).toBe(1);
      expect((await zk.read("/e"))?.ownedByUs).toBe(true);
      expect(await zk.read("/later")).toBeNull();
    }),
  );

  test(
    "with the ensemble down sessions are suspended, then lost; a short stop costs no session",
    withHarness(async (harness) => {
      const zk = harness.openMemory();
      await zk.connected();
      await zk.write([ephemeral]);
      harness.ensemble.stop();
      await harness.until("suspension", () => zk.state === "suspended");
      harness.ensemble.start();
      await zk.connected();
      expect(zk.sessionNumber).toBe(1);
      harness.ensemble.stop();
      await harness.until("loss", () => zk.state === "lost");
      harness.ensemble.start();
      await zk.connected();
      expect(zk.sessionNumber).toBe(2);
      expect(harness.ensemble.tree.read("/e"), "the old session is not over at the server yet").not.toBeNull();
    }),
  );

  test(
    "more bytes of unanswered writes than allowed are refused at once, and then room is there again",
    withHarness(async (harness) => {
      const zk = harness.openMemory();
      await zk.connected();
      const data = Buffer.alloc(900_000);
      const writes = Array.from({ length: 80 }, (_, i) => zk.write([{ kind: "create", path: `/n${i}`, data, mode: "persistent" }]));
      const refused = (await Promise.all(writes)).filter(({ kind }) => kind === "unknown");
      expect(refused).toHaveLength(6); // 74 of them are just under 64 MiB
      expect((await zk.write([ephemeral])).kind).toBe("written");
    }),
  );

  test("the same calls give the same history", async () => {
    const history = async () => {
      const events: string[] = [];
      await withHarness(async (harness) => {
        const [one, two] = [harness.openMemory(), harness.openMemory()];
        for (const [name, zk] of [
          ["one", one],
          ["two", two],
        ] as const) {
          zk.onState((state, number) => events.push(`${harness.nowMs()} ${name} ${state} ${number}`));
        }
        await Promise.all([one.connected(), two.connected()]);
        two.watch("/e", "node", () => events.push(`${harness.nowMs()} changed`));
        await one.write([ephemeral]);
        one.cut();
        await harness.until("the end of the ephemeral", () => harness.ensemble.tree.read("/e") === null);
        one.heal();
        await one.connected();
        events.push(`${harness.nowMs()} end`);
      })();
      return events;
    };
    const first = await history();
    expect(first.length).toBeGreaterThan(6);
    expect(await history()).toEqual(first);
  });
});
