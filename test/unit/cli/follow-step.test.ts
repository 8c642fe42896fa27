import { expect, test } from "vitest";
import { type FollowView, nextFollowStep, type SeenFile } from "../../../cli/produce/follow-step.ts";

const limits = { quietBeforeNextMs: 500, quietBeforeRetiringMs: 10_000, filesMax: 3 };

const file = (positionBytes: number, sizeBytes: number, quietForMs = 0, headChanged = false): SeenFile => ({
  positionBytes,
  sizeBytes,
  quietForMs,
  headChanged,
});

function step(files: readonly SeenFile[], more: Partial<FollowView> = {}) {
  return nextFollowStep({ files, newFileAtPath: false, stopping: false, ...more }, limits);
}

test("a file that is not there is waited for, and opened when it comes", () => {
  expect(step([])).toEqual({ kind: "wait" });
  expect(step([], { newFileAtPath: true })).toEqual({ kind: "open" });
});

test("a file is read while it grows", () => {
  expect(step([file(10, 30)])).toEqual({ kind: "read", index: 0 });
  expect(step([file(30, 30)])).toEqual({ kind: "wait" });
});

test("a file that shrank or begins otherwise was emptied in place", () => {
  expect(step([file(30, 7)])).toEqual({ kind: "restart", index: 0 });
  expect(step([file(30, 90, 0, true)])).toEqual({ kind: "restart", index: 0 });
});

test("the next file is opened at once but read only when the old one is read and quiet", () => {
  expect(step([file(10, 30)], { newFileAtPath: true })).toEqual({ kind: "open" });
  expect(step([file(10, 30), file(0, 5)])).toEqual({ kind: "read", index: 0 });
  expect(step([file(30, 30, 499), file(0, 5)])).toEqual({ kind: "wait" });
  expect(step([file(30, 30, 500), file(0, 5)])).toEqual({ kind: "read", index: 1 });
});

test("a writer that is late to notice the rotation is still heard", () => {
  expect(step([file(30, 40, 0), file(5, 5)])).toEqual({ kind: "read", index: 0 });
});

test("a rotated file is given up when it was read and quiet for long, never the only one", () => {
  expect(step([file(30, 30, 10_000), file(5, 5)])).toEqual({ kind: "retire" });
  expect(step([file(30, 30, 9_999), file(5, 5)])).toEqual({ kind: "wait" });
  expect(step([file(30, 30, 99_999)])).toEqual({ kind: "wait" });
});

test("too many files: the oldest gives way, but not before it was read", () => {
  const full = [file(30, 30), file(9, 9), file(0, 3)];
  expect(step(full, { newFileAtPath: true })).toEqual({ kind: "retire" });
  expect(step([file(20, 30), ...full.slice(1)], { newFileAtPath: true })).toEqual({ kind: "read", index: 0 });
});

test("asked to stop, it reads everything that is there without waiting for quiet, then ends", () => {
  expect(step([file(30, 30, 1)], { newFileAtPath: true, stopping: true })).toEqual({ kind: "open" });
  expect(step([file(30, 30, 1), file(0, 5)], { stopping: true })).toEqual({ kind: "read", index: 1 });
  expect(step([file(30, 30, 1), file(5, 5)], { stopping: true })).toEqual({ kind: "end" });
  expect(step([], { stopping: true })).toEqual({ kind: "end" });
});
