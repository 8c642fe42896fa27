import { expect, test } from "vitest";
import { SeenController } from "../../../broker/cluster/seen-controller.ts";

test("an epoch is known once it is stored, one after the other; in each life it is stored at least once, for a directory that is new", async () => {
  const stored: number[] = [];
  let failure: Error | null = null;
  const store = async ({ controllerEpoch }: { readonly controllerEpoch: number }) => {
    if (failure !== null) throw failure;
    stored.push(controllerEpoch);
  };
  const seen = new SeenController({ clusterId: "c", controllerEpoch: 4, store });
  await Promise.all([seen.note(4), seen.note(6), seen.note(5)]);
  expect([stored, seen.controllerEpoch]).toEqual([[4, 6], 6]);
  failure = new Error("no directory is left");
  await expect(seen.note(7)).rejects.toThrow("no directory is left");
  expect(seen.controllerEpoch).toBe(6);
  failure = null;
  await seen.note(7);
  expect([stored, seen.controllerEpoch]).toEqual([[4, 6, 7], 7]);
});
