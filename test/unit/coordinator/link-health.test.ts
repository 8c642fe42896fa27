import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { judgeLink, type LinkHealth } from "../../../coordinator-client/session/link-health.ts";

const healthy: LinkHealth = {
  timeoutMs: 6_000,
  linkIsUp: true,
  heardMs: 1_000,
  probedMs: 1_000,
  oldestUnansweredMs: null,
  provedUntilMs: 7_000,
};

describe("the watchdog", () => {
  test("waits while there is nothing to do, until there is", () => {
    expect(judgeLink(healthy, 1_000)).toEqual({ kind: "wait", untilMs: 3_000 });
    expect(judgeLink({ ...healthy, linkIsUp: false }, 6_999)).toEqual({ kind: "wait", untilMs: 7_000 });
  });

  test("probes after a third of the timeout, also when the server sends of its own accord", () => {
    expect(judgeLink({ ...healthy, heardMs: 2_999 }, 3_000)).toEqual({ kind: "probe" });
  });

  test("drops a link silent for two thirds of the timeout, and one that answers everything but the oldest request", () => {
    expect(judgeLink({ ...healthy, probedMs: 3_000 }, 4_999).kind).toBe("wait");
    expect(judgeLink({ ...healthy, probedMs: 3_000 }, 5_000)).toEqual({ kind: "drop", reason: "nothing heard for 4000 ms" });
    const stuck = { ...healthy, heardMs: 4_900, probedMs: 4_900, oldestUnansweredMs: 1_000 };
    expect(judgeLink(stuck, 5_000)).toEqual({ kind: "drop", reason: "a request unanswered for 4000 ms" });
  });

  test("presumes the session lost when its proof ends, link or no link", () => {
    expect(judgeLink({ ...healthy, heardMs: 6_999 }, 7_000)).toEqual({ kind: "presume-lost" });
    expect(judgeLink({ ...healthy, linkIsUp: false }, 7_000)).toEqual({ kind: "presume-lost" });
  });

  test("never asks to wait into the past, nor beyond the proof", () => {
    const ms = fc.nat(20_000);
    fc.assert(
      fc.property(ms, ms, ms, fc.option(ms), ms, fc.boolean(), (nowMs, heardMs, probedMs, oldestUnansweredMs, provedUntilMs, linkIsUp) => {
        const verdict = judgeLink({ timeoutMs: 6_000, linkIsUp, heardMs, probedMs, oldestUnansweredMs, provedUntilMs }, nowMs);
        if (verdict.kind !== "wait") return;
        expect(verdict.untilMs).toBeGreaterThan(nowMs);
        expect(verdict.untilMs).toBeLessThanOrEqual(provedUntilMs);
      }),
    );
  });
});
