import { expect, test } from "vitest";
import { clusterView } from "../../../broker/cluster/cluster-view.ts";
import { emptyImage } from "../../../broker/cluster/image.ts";
import { Membership } from "../../../broker/cluster/membership.ts";
import { MemoryEnsemble } from "../../../coordinator-client/memory-coordinator.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { SimClock } from "../../sim/sim-clock.ts";

function world() {
  const sim = new SimClock();
  const ensemble = new MemoryEnsemble({ clock: sim.forOwner("zookeeper"), latencyMs: () => 1 });
  const until = async (condition: () => boolean) => {
    for (let step = 0; !condition(); step++) {
      if (step > 50_000 || !(await sim.step())) throw new Error("never came");
    }
  };
  const member = (id: number, incarnation: string) => {
    const clock = sim.forOwner(incarnation);
    const coordinator = ensemble.open({ sessionTimeoutMs: 6_000, log: silentLogger });
    const happened: string[] = [];
    const registration = () => ({ endpoints: [], rack: null, incarnation, peer: { host: "h", port: 1 }, timestampMs: clock.nowMs() });
    const events = {
      registered: (epoch: number) => void happened.push(`registered ${epoch === membership.epoch}`),
      lost: () => void happened.push(`lost ${membership.epoch}`),
      failed: (error: Error) => void happened.push(`failed ${error.message}`),
    };
    const membership: Membership = new Membership({ coordinator, brokerId: id, registration, clock, log: silentLogger, events });
    membership.start();
    return { coordinator, membership, happened };
  };
  return { ensemble, until, member };
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

test("without a registration nothing is proved", () => {
  const images = { current: emptyImage("c"), onChange: () => () => {} };
  const membership = { epoch: -1 };
  const view = clusterView({ brokerId: 1, images, membership, session: { provedUntilMs: 1_000 } });
  expect(view.sessionProvedUntilMs).toBe(Number.NEGATIVE_INFINITY);
  membership.epoch = 4;
  expect([view.ownEpoch, view.sessionProvedUntilMs]).toEqual([4, 1_000]);
});
