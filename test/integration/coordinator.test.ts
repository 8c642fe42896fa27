import { afterAll, beforeAll } from "vitest";
import type { Coordinator } from "../../coordinator-client/coordinator.ts";
import type { SessionCoordinator } from "../../coordinator-client/session/session-coordinator.ts";
import { openZookeeper } from "../../coordinator-client/zookeeper-coordinator.ts";
import { sleep } from "../../protocol/base/clock.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import { silentLogger } from "../../protocol/base/logger.ts";
import { seededRandom } from "../../protocol/base/random.ts";
import { nodeClock } from "../../protocol/node/node-clock.ts";
import type { CoordinatorHarness } from "../support/coordinator-harness.ts";
import { coordinatorRolesSuite } from "../support/coordinator-roles-suite.ts";
import { coordinatorSuite } from "../support/coordinator-suite.ts";
import { ProxiedCoordinator } from "../support/proxied-coordinator.ts";
import { waitUntil } from "../support/wait-until.ts";
import { TestZookeeper } from "../support/zookeeper.ts";

const sessionTimeoutMs = 4_000;

let server: TestZookeeper;
/** Creates each test's root: nothing else creates a missing chroot. */
let operator: SessionCoordinator;
let testsRun = 0;
beforeAll(async () => {
  server = await TestZookeeper.start();
  const { connectionString } = server;
  operator = openZookeeper({ connectionString, sessionTimeoutMs: 60_000, clock: nodeClock, random: seededRandom(1), log: silentLogger });
  await operator.connected();
});
afterAll(async () => {
  await operator.close();
  await server.stop();
});

async function realHarness(): Promise<CoordinatorHarness> {
  const base = `/test-${++testsRun}`;
  await operator.ensurePath(base);
  const opened: ProxiedCoordinator[] = [];
  const proxied = (coordinator: Coordinator): ProxiedCoordinator => {
    const found = opened.find((candidate) => candidate.coordinator === coordinator);
    invariant(found !== undefined, "a coordinator of this harness");
    return found;
  };
  return {
    sessionTimeoutMs,
    open: async ({ chroot = "", ...options } = {}) => {
      const one = await ProxiedCoordinator.open(server, { sessionTimeoutMs, chroot: base + chroot, ...options });
      opened.push(one);
      return one.coordinator;
    },
    expire: (coordinator) => proxied(coordinator).expireSession(),
    breakLink: (coordinator) => proxied(coordinator).proxy.resetAll(),
    loseNextAnswer: (coordinator, fate) => proxied(coordinator).loseNextAnswer(fate),
    nowMs: () => nodeClock.monotonicMs(),
    sleep: (ms) => sleep(nodeClock, ms),
    until: (what, condition) => waitUntil(what, condition, { timeoutMs: 60_000, pauseMs: 5 }).then(() => undefined),
    dispose: async () => {
      await Promise.all(opened.map((one) => one.dispose()));
    },
  };
}

coordinatorSuite("the coordinator on a real ZooKeeper", realHarness);
coordinatorRolesSuite("brokers on a real ZooKeeper", realHarness);
