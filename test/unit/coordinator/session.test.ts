import { expect, test } from "vitest";
import type { SessionState } from "../../../coordinator-client/coordinator.ts";
import { SessionCoordinator } from "../../../coordinator-client/session/session-coordinator.ts";
import type { SessionWire, WireHandlers } from "../../../coordinator-client/session/wire.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";

const timeoutMs = 3000;
const deaf: SessionWire = { start: () => {}, send: () => {}, dropLink: () => {}, endSession: (done) => done(), kill: () => {} };

test("a wall clock that was set forward costs the proof only until the next answer, which is asked for at once", () => {
  const time = { monotonicMs: 1000, wallMs: 5_000_000 };
  const answers: (() => void)[] = [];
  const wires: WireHandlers[] = [];
  const coordinator = new SessionCoordinator({
    newWire: (handlers) => {
      wires.push(handlers);
      return { ...deaf, send: (_, answered) => answers.push(() => answered({ kind: "node", node: null })) };
    },
    chroot: "",
    clock: { monotonicMs: () => time.monotonicMs, nowMs: () => time.wallMs, schedule: () => ({ cancel: () => {} }) },
    log: silentLogger,
  });
  wires[0]!.linkUp({ id: "1", timeoutMs, sentMs: time.monotonicMs });
  expect(coordinator.provedUntilMs).toBe(time.monotonicMs + timeoutMs);
  expect(answers).toHaveLength(0);
  time.wallMs += 3_600_000;
  expect(coordinator.provedUntilMs).toBeLessThan(time.monotonicMs);
  expect(coordinator.provedUntilMs).toBeLessThan(time.monotonicMs);
  expect(answers).toHaveLength(1);
  answers[0]!();
  expect(coordinator.provedUntilMs).toBe(time.monotonicMs + timeoutMs);
  time.wallMs += 3_600_000;
  expect(coordinator.provedUntilMs).toBeLessThan(time.monotonicMs);
  expect(answers).toHaveLength(2);
});

test("a link that comes up once its session is over connects nothing: the next session does", async () => {
  const time = { nowMs: 1000 };
  const wires: WireHandlers[] = [];
  const coordinator = new SessionCoordinator({
    newWire: (handlers) => {
      wires.push(handlers);
      return deaf;
    },
    chroot: "",
    clock: { monotonicMs: () => time.nowMs, nowMs: () => time.nowMs, schedule: () => ({ cancel: () => {} }) },
    log: silentLogger,
  });
  const told: [SessionState, number][] = [];
  coordinator.onState((...state) => told.push(state));
  wires[0]!.linkUp({ id: "1", timeoutMs, sentMs: time.nowMs });
  wires[0]!.linkDown("the connection was reset");
  // the process is stopped while it reconnects, and continues when the session has timed out
  const sentMs = time.nowMs;
  time.nowMs += 2 * timeoutMs;
  wires[0]!.linkUp({ id: "1", timeoutMs, sentMs });
  expect(coordinator.state).toBe("lost");
  wires[1]!.linkUp({ id: "2", timeoutMs, sentMs: time.nowMs });
  await Promise.resolve();
  expect(told).toEqual([
    ["connected", 1],
    ["suspended", 1],
    ["lost", 1],
    ["connected", 2],
  ]);
});
