import { expect, test } from "vitest";
import { clusterView, emptyImage } from "../../../broker/cluster/cluster-image.ts";
import { Membership } from "../../../broker/cluster/membership.ts";
import { CoordinatorUnavailable } from "../../../coordinator-client/coordinator.ts";
import { MemoryEnsemble } from "../../../coordinator-client/memory-coordinator.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { SimClock } from "../../sim/sim-clock.ts";
import { foundCluster } from "../../support/memory-cluster.ts";

function world() {
  const sim = new SimClock();
  const ensemble = new MemoryEnsemble({ clock: sim.forOwner("zookeeper"), latencyMs: () => 1 });
  foundCluster(ensemble, "c");
  const until = async (condition: () => boolean) => {
    for (let step = 0; !condition(); step++) {
      if (step > 50_000 || !(await sim.step())) throw new Error("never came");
    }
  };
  const member = (id: number, incarnation: string, chroot = "") => {
    const clock = sim.forOwner(incarnation);
    const coordinator = ensemble.open({ sessionTimeoutMs: 6_000, log: silentLogger, chroot });
    const happened: string[] = [];
    const registration = () => ({ endpoints: [], rack: null, incarnation, peer: { host: "h", port: 1 }, timestampMs: clock.nowMs() });
    const events = {
      registered: (epoch: number) => void happened.push(`registered ${epoch === membership.epoch}`),
      lost: () => void happened.push(`lost ${membership.epoch}`),
      failed: (error: Error) => void happened.push(`failed ${error.message}`),
    };
    const known = { clusterId: "c", controllerEpoch: -1 };
    const said: string[] = [];
    const log = { ...silentLogger, error: (_fields: object, message: string) => void said.push(message) };
    const membership: Membership = new Membership({ coordinator, brokerId: id, known, registration, clock, log, events });
    membership.start();
    return { coordinator, membership, happened, known, said };
  };
  const passMs = async (ms: number) => {
    const endMs = sim.nowMs + ms;
    await until(() => sim.nowMs >= endMs);
  };
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    let isSettled = false;
    void promise.finally(() => {
      isSettled = true;
    });
    await until(() => isSettled);
    return promise;
  };
  return { ensemble, until, settled, passMs, member };
}

test("each session brings a new registration with a higher epoch; between them there is none", async () => {
  const { until, member } = world();
  const { coordinator, membership, happened } = member(1, "a");
  await until(() => membership.epoch >= 0);
  const first = membership.epoch;
  coordinator.expireSession();
  await until(() => happened.includes("registered true") && happened.length === 3);
  expect(happened).toEqual(["registered true", "lost -1", "registered true"]);
  expect(membership.epoch).toBeGreaterThan(first);
});

test("a silent link loses the registration within the session timeout, and the way back is a new life", async () => {
  const { until, member } = world();
  const { coordinator, membership, happened } = member(1, "a");
  await until(() => membership.epoch >= 0);
  coordinator.cut();
  await until(() => membership.epoch < 0);
  coordinator.heal();
  await until(() => membership.epoch >= 0);
  expect(happened).toEqual(["registered true", "lost -1", "registered true"]);
});

test("a lost answer to the registration does not make two of it", async () => {
  for (const done of [true, false]) {
    const { ensemble, until, member } = world();
    const { coordinator, membership, happened } = member(1, "a");
    coordinator.loseNextAnswer({ done });
    await until(() => membership.epoch >= 0);
    expect(happened).toEqual(["registered true"]);
    expect(ensemble.tree.read("/brokers/ids/1")?.createdZxid).toBe(membership.epoch);
  }
});

test("a broker id that another directory's broker holds is an error; an earlier life of ours makes way at once", async () => {
  const { until, member } = world();
  const first = member(1, "a");
  await until(() => first.membership.epoch >= 0);
  const stranger = member(1, "b");
  await until(() => stranger.happened.length > 0);
  expect(stranger.happened[0]).toContain("broker id 1 is taken");
  first.membership.stop();
  const next = member(1, "a");
  await until(() => next.membership.epoch >= 0);
  expect(next.membership.epoch).toBeGreaterThan(first.membership.epoch);
});

test("a session lost while the broker stops takes the registration with it, and there is no other", async () => {
  const { until, member } = world();
  const { coordinator, membership, happened } = member(1, "a");
  await until(() => membership.epoch >= 0);
  membership.stop();
  const { sessionNumber } = coordinator;
  coordinator.expireSession();
  await until(() => coordinator.sessionNumber > sessionNumber && coordinator.state === "connected");
  expect(membership.epoch).toBe(-1);
  expect(happened).toEqual(["registered true", "lost -1"]);
});

test("a coordinator that lost everything gets no registration and nothing else, and is told once; the right one does", async () => {
  const { ensemble, until, passMs, member } = world();
  const { membership, happened, said } = member(1, "a");
  await until(() => membership.epoch >= 0);
  const backup = ensemble.backup();
  ensemble.restore();
  await until(() => said.length > 0);
  await passMs(5 * 60_000);
  expect(said).toStrictEqual([
    expect.stringMatching(/^not joining: ZooKeeper knows no cluster \(\/cluster\/id is missing\), but this broker belongs to cluster c\./),
  ]);
  expect(ensemble.tree.paths()).toStrictEqual(["/"]);
  expect(happened).toStrictEqual(["registered true", "lost -1"]);
  ensemble.restore(backup);
  await until(() => membership.epoch >= 0);
});

test("a coordinator whose state is put in while the session lives on is noticed within seconds", async () => {
  const { ensemble, until, settled, passMs, member } = world();
  const { membership, said } = member(1, "a");
  await until(() => membership.epoch >= 0);
  ensemble.restore();
  await until(() => said.length > 0);
  await passMs(60_000);
  const writer = ensemble.open({ sessionTimeoutMs: 6_000, log: silentLogger });
  await until(() => writer.state === "connected");
  await settled(writer.ensurePath("/cluster"));
  const data = Buffer.from('{"version":"1","id":"c"}');
  await settled(writer.write([{ kind: "create", path: "/cluster/id", data, mode: "persistent" }]));
  await passMs(11_000);
  expect(membership.epoch).toBeGreaterThan(0);
});

test("a coordinator that went back in time gets no registration from who has seen more, also in a session that it still knows", async () => {
  const { ensemble, until, settled, passMs, member } = world();
  const { membership, happened, known, said, coordinator } = member(1, "a");
  await until(() => membership.epoch >= 0);
  const epochNode = (epoch: number) => ({ path: "/controller_epoch", data: Buffer.from(String(epoch)) });
  await settled(coordinator.write([{ kind: "create", ...epochNode(4), mode: "persistent" }]));
  const backup = ensemble.backup();
  await settled(coordinator.write([{ kind: "set", ...epochNode(5), version: 0 }]));
  known.controllerEpoch = 5;
  // it is written to until it has caught up with what our session has seen
  ensemble.restore({ ...backup, zxid: backup.zxid + 100 });
  await until(() => said.length > 0);
  await passMs(20_000);
  expect(coordinator.sessionNumber).toBe(1);
  expect(happened).toStrictEqual(["registered true", "lost -1"]);
  expect(said).toStrictEqual([expect.stringContaining("this broker has seen controller epoch 5, and /controller_epoch says 4")]);
});

test("a chroot that is deleted below a live session is not made again, and is looked for seldom", async () => {
  const { ensemble, until, settled, passMs, member } = world();
  const writer = ensemble.open({ sessionTimeoutMs: 6_000, log: silentLogger, chroot: "/deep/root" });
  await until(() => writer.state === "connected");
  await settled(writer.ensurePath("/cluster"));
  const data = Buffer.from('{"version":"1","id":"c"}');
  await settled(writer.write([{ kind: "create", path: "/cluster/id", data, mode: "persistent" }]));
  const { membership, coordinator, happened, said } = member(1, "a", "/deep/root");
  await until(() => membership.epoch >= 0);
  const inside = ensemble.tree.paths().filter((path) => path.startsWith("/deep/root"));
  const outside = ensemble.open({ sessionTimeoutMs: 6_000, log: silentLogger });
  await until(() => outside.state === "connected");
  await settled(outside.write(inside.reverse().map((path) => ({ kind: "delete", path, version: -1 }) as const)));
  await until(() => said.length > 0);
  let reads = 0;
  const { read } = coordinator;
  coordinator.read = (path) => {
    reads++;
    return read.call(coordinator, path);
  };
  await passMs(60_000);
  expect(reads).toBeLessThan(30);
  expect([coordinator.sessionNumber, happened]).toStrictEqual([1, ["registered true", "lost -1"]]);
  expect(ensemble.tree.paths().filter((path) => path.startsWith("/deep"))).toStrictEqual(["/deep"]);
});

test("a registration that is taken away is re-created; one that is replaced by another process ends this one", async () => {
  const { ensemble, until, settled, passMs, member } = world();
  const { membership, happened } = member(1, "a");
  await until(() => membership.epoch >= 0);
  const first = membership.epoch;
  const other = ensemble.open({ sessionTimeoutMs: 6_000, log: silentLogger });
  await until(() => other.state === "connected");
  await settled(other.write([{ kind: "delete", path: "/brokers/ids/1", version: -1 }]));
  await until(() => membership.epoch > first);
  expect(happened).toStrictEqual(["registered true", "lost -1", "registered true"]);
  const copy = member(1, "a");
  await until(() => happened.length === 5);
  await passMs(1_000);
  expect(happened.slice(3)).toStrictEqual(["lost -1", expect.stringContaining("failed the registration of broker 1 was replaced")]);
  expect(copy.happened).toStrictEqual(["registered true"]);
});

test("a registration that is taken away is noticed, also when the first looks get no answer on a link that stays up", async () => {
  const { ensemble, until, settled, member } = world();
  const { membership, coordinator, happened } = member(1, "a");
  await until(() => membership.epoch >= 0);
  const first = membership.epoch;
  const { read } = coordinator;
  let unanswered = 0;
  coordinator.read = (path) => {
    if (path !== "/brokers/ids/1" || unanswered === 3) return read.call(coordinator, path);
    unanswered++;
    return Promise.reject(new CoordinatorUnavailable("no answer"));
  };
  const other = ensemble.open({ sessionTimeoutMs: 6_000, log: silentLogger });
  await until(() => other.state === "connected");
  await settled(other.write([{ kind: "delete", path: "/brokers/ids/1", version: -1 }]));
  await until(() => membership.epoch > first);
  expect([unanswered, happened]).toStrictEqual([3, ["registered true", "lost -1", "registered true"]]);
});

test("without a registration nothing is proved", () => {
  const images = { current: emptyImage("c"), onChange: () => () => {} };
  const membership = { epoch: -1 };
  const view = clusterView({
    brokerId: 1,
    images,
    membership,
    session: { provedUntilMs: 1_000 },
    watch: { suspects: new Map(), stallInDoubt: null, isCutOffFromUs: () => false, doubt: () => {} },
  });
  expect(view.sessionProvedUntilMs).toBe(Number.NEGATIVE_INFINITY);
  membership.epoch = 4;
  expect([view.ownEpoch, view.sessionProvedUntilMs]).toEqual([4, 1_000]);
});
