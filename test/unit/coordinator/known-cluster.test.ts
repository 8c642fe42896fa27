import { expect, test } from "vitest";
import { CoordinatorUnavailable } from "../../../coordinator-client/coordinator.ts";
import { faultOf, judge, judgeCoordinator } from "../../../coordinator-client/known-cluster.ts";
import { readOrCreatePeerSecret } from "../../../coordinator-client/known-peer-secret.ts";
import { MemoryEnsemble } from "../../../coordinator-client/memory-coordinator.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { SimClock } from "../../sim/sim-clock.ts";
import { foundCluster } from "../../support/memory-cluster.ts";

const known = { clusterId: "c", controllerEpoch: 5 };
const epoch = (value: number) => ({ epoch: value, version: 7 });

test("a coordinator is ours with our cluster's id and no older controller epoch; what is checked with a registration is what was read", () => {
  expect(judge(known, { clusterId: "c", controllerEpoch: epoch(5) })).toEqual({
    kind: "ours",
    guard: [
      { kind: "check", path: "/cluster/id", version: -1 },
      { kind: "check", path: "/controller_epoch", version: 7 },
    ],
  });
  expect(judge(known, { clusterId: "c", controllerEpoch: epoch(9) }).kind).toBe("ours");
  expect(judge({ clusterId: "c", controllerEpoch: -1 }, { clusterId: "c", controllerEpoch: null })).toEqual({
    kind: "ours",
    guard: [{ kind: "check", path: "/cluster/id", version: -1 }],
  });
});

test("any other is told apart, and each fault says what to do", () => {
  const empty = judge(known, { clusterId: null, controllerEpoch: epoch(9) });
  const other = judge(known, { clusterId: "d", controllerEpoch: epoch(9) });
  const older = judge(known, { clusterId: "c", controllerEpoch: epoch(4) });
  const without = judge(known, { clusterId: "c", controllerEpoch: null });
  expect([empty, other, older, without]).toEqual([
    { kind: "empty" },
    { kind: "other", clusterId: "d" },
    { kind: "older", controllerEpoch: 4 },
    { kind: "older", controllerEpoch: -1 },
  ]);
  for (const verdict of [empty, other, older, without])
    if (verdict.kind !== "ours") expect(faultOf(verdict, known)).toMatch(/zookeeper\.connect/);
});

test("a node that cannot be read is no reason to end", async () => {
  const write = async () => ({ kind: "written", results: [] }) as const;
  const node = { data: Buffer.from("?"), version: 0, createdZxid: 1, modifiedZxid: 1, ephemeralOwner: null, ownedByUs: false };
  expect(await judgeCoordinator({ write, read: async () => node }, known)).toMatchObject({ kind: "unreadable" });
});

test("a coordinator that lost its state since it was looked at gets no peer secret; the one we know does", async () => {
  const sim = new SimClock();
  const ensemble = new MemoryEnsemble({ clock: sim.forOwner("zookeeper"), latencyMs: () => 1 });
  foundCluster(ensemble, "c");
  const coordinator = ensemble.open({ sessionTimeoutMs: 6_000, log: silentLogger });
  const until = async <T>(promise: Promise<T>): Promise<T> => {
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    promise.then(settle, settle);
    while (!isSettled) if (!(await sim.step())) throw new Error("never came");
    return promise;
  };
  await until(coordinator.connected());
  const verdict = await until(judgeCoordinator(coordinator, { clusterId: "c", controllerEpoch: -1 }));
  const guard = verdict.kind === "ours" ? verdict.guard : [];
  const data = ensemble.tree.read("/cluster/id")?.data ?? Buffer.alloc(0);
  await until(coordinator.write([{ kind: "delete", path: "/cluster/id", version: -1 }]));
  const before = ensemble.tree.paths();
  await expect(until(readOrCreatePeerSecret(coordinator, seededRandom(1), guard))).rejects.toThrow(CoordinatorUnavailable);
  expect(ensemble.tree.paths()).toEqual(before);
  await until(coordinator.write([{ kind: "create", path: "/cluster/id", data, mode: "persistent" }]));
  const secret = await until(readOrCreatePeerSecret(coordinator, seededRandom(1), guard));
  expect(await until(readOrCreatePeerSecret(coordinator, seededRandom(2), guard))).toBe(secret);
});
