import { expect, test } from "vitest";
import { awaitIdFree } from "../../../broker/cluster/registered-id.ts";
import { MemoryEnsemble } from "../../../coordinator-client/memory-coordinator.ts";
import { registerBroker } from "../../../coordinator-client/registration.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { SimClock } from "../../sim/sim-clock.ts";
import { foundCluster } from "../../support/memory-cluster.ts";

const sessionTimeoutMs = 6_000;

async function world() {
  const sim = new SimClock();
  const ensemble = new MemoryEnsemble({ clock: sim.forOwner("zookeeper"), latencyMs: () => 1 });
  foundCluster(ensemble, "c");
  const open = () => ensemble.open({ sessionTimeoutMs, log: silentLogger, chroot: "" });
  const settled = async <T>(promise: Promise<T>): Promise<T> => {
    let isSettled = false;
    const end = () => {
      isSettled = true;
    };
    promise.then(end, end);
    for (let step = 0; !isSettled; step++) {
      if (step > 50_000 || !(await sim.step())) throw new Error("never settled");
    }
    return promise;
  };
  const first = open();
  await settled(first.connected());
  const endpoints = [{ listener: "PLAINTEXT", securityProtocol: "PLAINTEXT", host: "first", port: 9092 }];
  const registration = { endpoints, rack: null, incarnation: "a", peer: { host: "h", port: 1 }, timestampMs: 0 };
  await settled(registerBroker(first, 1, registration));
  const second = open();
  await settled(second.connected());
  const told: string[] = [];
  const log = { ...silentLogger, warn: (_: object, message: string) => void told.push(message) };
  const clock = sim.forOwner("b");
  const waited = { ms: -1 };
  const free = (brokerId: number) => {
    const beganMs = clock.monotonicMs();
    return awaitIdFree({ coordinator: second, brokerId, clock, log, sessionTimeoutMs }).finally(() => {
      waited.ms = clock.monotonicMs() - beganMs;
    });
  };
  return { waited, first, told, free, settled };
}

test("an id that is free is not waited for", async () => {
  const { waited, free, settled, told } = await world();
  await settled(free(2));
  expect(waited.ms).toBeLessThan(100);
  expect(told).toEqual([]);
});

test("one that another broker keeps is told of at once, with where that is, and given up after a session's time", async () => {
  const { waited, free, settled, told } = await world();
  await expect(settled(free(1))).rejects.toThrow("broker id 1 is taken by another broker, at first:9092");
  expect(waited.ms).toBeLessThan(sessionTimeoutMs + 3_000);
  expect(told).toHaveLength(1);
});

test("one whose registration ends with its session is free then: a disk may have been replaced", async () => {
  const { first, free, settled, told } = await world();
  const waiting = free(1);
  void first.close();
  await settled(waiting);
  expect(told.length).toBeLessThanOrEqual(1);
});
