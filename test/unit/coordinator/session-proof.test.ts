import { expect, test } from "vitest";
import { SessionProof } from "../../../coordinator-client/session/session-proof.ts";

function machine() {
  const time = { monotonicMs: 1000, wallMs: 5_000_000 };
  const proof = new SessionProof({
    monotonicMs: () => time.monotonicMs,
    nowMs: () => time.wallMs,
    schedule: () => ({ cancel: () => undefined }),
  });
  const pass = (ms: number) => {
    time.monotonicMs += ms;
    time.wallMs += ms;
  };
  return { time, proof, pass };
}

test("a session is proved for a whole timeout from when something was asked for, not from the answer", () => {
  const { proof, pass } = machine();
  const asked = proof.asking();
  pass(400);
  proof.answered(asked, 3000);
  expect(proof.certainUntilMs).toBe(4000);
  pass(1000);
  expect(proof.certainUntilMs).toBe(4000);
});

test("a machine that slept, its monotonic clock standing still, has a proof that is over by as much", () => {
  const { time, proof, pass } = machine();
  proof.answered(proof.asking(), 3000);
  pass(100);
  time.wallMs += 2800;
  expect(proof.certainUntilMs).toBe(1200);
  time.wallMs += 60_000;
  expect(proof.certainUntilMs).toBeLessThan(time.monotonicMs);
  // the next answer proves the session again
  proof.answered(proof.asking(), 3000);
  expect(proof.certainUntilMs).toBe(4100);
});

test("an answer that was under way while the machine slept counts from before", () => {
  const { time, proof } = machine();
  const asked = proof.asking();
  time.wallMs += 10_000;
  proof.answered(asked, 3000);
  expect(proof.certainUntilMs).toBeLessThan(time.monotonicMs);
});

test("a wall clock that was set back hides no sleep that comes after", () => {
  const { time, proof } = machine();
  proof.answered(proof.asking(), 3000);
  time.wallMs -= 3_600_000;
  expect(proof.certainUntilMs).toBe(4000);
  time.wallMs += 60_000;
  expect(proof.certainUntilMs).toBeLessThan(time.monotonicMs);
});

test("a wall clock that is set back lengthens nothing", () => {
  const { time, proof } = machine();
  proof.answered(proof.asking(), 3000);
  time.wallMs -= 3_600_000;
  expect(proof.certainUntilMs).toBe(4000);
});

test("a wall clock that is set back after the machine slept does not bring the proof back, nor does a later answer to what was asked before", () => {
  const { time, proof, pass } = machine();
  const earlier = proof.asking();
  pass(10);
  proof.answered(proof.asking(), 3000);
  time.wallMs += 4_000;
  expect(proof.certainUntilMs).toBe(10);
  time.wallMs -= 90_000;
  expect(proof.certainUntilMs).toBe(10);
  proof.answered(earlier, 3100);
  expect(proof.certainUntilMs).toBe(100);
  proof.answered(proof.asking(), 3000);
  expect(proof.certainUntilMs).toBe(4010);
});

test("sleep on either side of a clock that is set back is counted together", () => {
  const { time, proof } = machine();
  proof.answered(proof.asking(), 3000);
  time.wallMs += 1_000;
  expect(proof.certainUntilMs).toBe(3000);
  time.wallMs -= 10_000;
  expect(proof.certainUntilMs).toBe(3000);
  time.wallMs += 700;
  expect(proof.certainUntilMs).toBe(2300);
});

test("how the clocks are rounded, and one that is slowly put back, cost a proof next to nothing", () => {
  const { time, proof, pass } = machine();
  proof.answered(proof.asking(), 18_000);
  const begun = time.wallMs;
  for (let at = 0; at < 10_000; at++) {
    pass(1);
    time.wallMs = Math.floor(begun + (at + (at % 7) / 8) * (1 - 500e-6));
    void proof.certainUntilMs;
  }
  expect(19_000 - proof.certainUntilMs).toBeLessThan(20);
});
