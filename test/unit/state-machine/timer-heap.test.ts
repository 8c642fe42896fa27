import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { answered } from "../../../broker/state-machine/contract.ts";
import { TimerHeap } from "../../../broker/state-machine/timer-heap.ts";

const nothing = () => answered(null);

function takeAll(timers: TimerHeap, nowMs: number): string[] {
  const keys: string[] = [];
  for (let due = timers.takeDue(nowMs); due !== null; due = timers.takeDue(nowMs)) keys.push(due.key);
  return keys;
}

describe("the timers of a shard", () => {
  test("a deadline that is moved counts where it was moved to, earlier or later", () => {
    const timers = new TimerHeap();
    timers.set("later", 10, nothing);
    timers.set("later", 30, nothing);
    timers.set("earlier", 40, nothing);
    timers.set("earlier", 20, nothing);
    expect(takeAll(timers, 25)).toEqual(["earlier"]);
    expect(takeAll(timers, 35)).toEqual(["later"]);
    expect(takeAll(timers, 99)).toEqual([]);
  });

  test("whoever sleeps until the earliest deadline is told of an earlier one", () => {
    const told: number[] = [];
    const timers = new TimerHeap((deadlineMs) => told.push(deadlineMs));
    timers.set("a", 30, nothing);
    timers.set("b", 40, nothing);
    timers.set("c", 10, nothing);
    timers.set("a", 50, nothing);
    expect(told).toEqual([30, 10]);
  });

  test("against a plain list: what is due comes once, and nothing else", () => {
    const key = fc.integer({ min: 0, max: 20 }).map(String);
    const step = fc.oneof(
      fc.record({ kind: fc.constant("set" as const), key, inMs: fc.nat(50) }),
      fc.record({ kind: fc.constant("cancel" as const), key }),
      fc.record({ kind: fc.constant("advance" as const), ms: fc.nat(30) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const timers = new TimerHeap();
        const model = new Map<string, number>();
        let nowMs = 0;
        for (const one of steps) {
          if (one.kind === "set") {
            timers.set(one.key, nowMs + one.inMs, nothing);
            model.set(one.key, nowMs + one.inMs);
          } else if (one.kind === "cancel") {
            timers.cancel(one.key);
            model.delete(one.key);
          } else {
            nowMs += one.ms;
            const due = [...model].filter(([, atMs]) => atMs <= nowMs).map(([dueKey]) => dueKey);
            expect(takeAll(timers, nowMs).sort()).toEqual(due.sort());
            for (const dueKey of due) model.delete(dueKey);
          }
          expect(timers.size).toBe(model.size);
          const next = timers.nextMs() ?? Number.POSITIVE_INFINITY;
          expect(next, "never too late").toBeLessThanOrEqual(Math.min(...model.values()));
        }
      }),
    );
  });
});
