import { describe, expect, test } from "vitest";
import { type AttemptResult, Deposed, FencedWriter } from "../../../broker/controller/fenced-writer.ts";
import { type Coordinator, CoordinatorUnavailable, type WriteResult } from "../../../coordinator-client/coordinator.ts";
import { SimClock } from "../../sim/sim-clock.ts";

const written: WriteResult = { kind: "written", sessionNumber: 1, results: [{ version: 0 }] } as unknown as WriteResult;
const superseded: WriteResult = { kind: "conflict", sessionNumber: 1, failedIndex: 0, reason: "bad-version" } as unknown as WriteResult;

/** A writer whose barriers are answered so, one after the other, and then well. */
function writerOf(answers: WriteResult[] = []) {
  const steps: string[] = [];
  const coordinator = {
    sessionNumber: 1,
    connected: async () => undefined,
    write: async () => {
      steps.push("barrier");
      return answers.shift() ?? written;
    },
  } as unknown as Coordinator;
  const term = { controllerEpoch: 1, epochVersion: 1, sessionNumber: 1 };
  const writer = new FencedWriter(coordinator, term, new SimClock().forOwner("controller"), new AbortController().signal);
  const noted = <const T>(step: string, result: T): T => {
    steps.push(step);
    return result;
  };
  return { writer, steps, noted };
}

describe("settling a change", () => {
  test("what came of a lost answer is read behind a barrier, and our own success is nothing left to do", async () => {
    const { writer, steps, noted } = writerOf();
    const settled = await writer.settle({
      failure: () => "it did not settle",
      attempt: async () => noted("attempt", "unsettled"),
      readAgain: async () => noted("read", { done: "ours" }),
    });
    expect(settled).toBe("ours");
    expect(steps).toEqual(["attempt", "barrier", "read"]);
  });

  test("is decided again from what was read; without a write under way at once", async () => {
    const { writer, steps, noted } = writerOf();
    const results: AttemptResult<number>[] = ["unsettled", "again", "unsettled", { done: 7 }];
    const attempt = async () => noted("attempt", results.shift()!);
    expect(await writer.settle({ failure: () => "", attempt })).toBe(7);
    expect(steps).toEqual(["attempt", "barrier", "attempt", "attempt", "barrier", "attempt"]);
  });

  test("ends after so many attempts, with what was wanted in the error", async () => {
    const { writer, steps } = writerOf();
    let left = 100;
    const attempt = async () => {
      left--;
      return "unsettled" as const;
    };
    const settling = writer.settle({ failure: () => `${left} things did not settle`, attempt });
    await expect(settling).rejects.toThrow(new CoordinatorUnavailable("75 things did not settle in 25 attempts"));
    expect(steps).toHaveLength(25);
  });

  test("ends with the term", async () => {
    const { writer } = writerOf([superseded]);
    await expect(writer.settle({ failure: () => "", attempt: async () => "unsettled" })).rejects.toThrow(Deposed);
  });
});
