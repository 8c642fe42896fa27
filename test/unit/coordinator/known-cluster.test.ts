import { expect, test } from "vitest";
import { faultOf, judge, judgeCoordinator } from "../../../coordinator-client/known-cluster.ts";

const known = { clusterId: "c", controllerEpoch: 5 };
const epoch = (value: number) => ({ epoch: value, version: 7 });

test("a coordinator is ours with our cluster's id and no older controller epoch; what is checked with a registration is what was read", () => {
  expect(judge(known, { clusterId: "c", controllerEpoch: epoch(5) })).toEqual({
    kind: "ours",
    guard: [
      { kind: "check", path: "/cluster/id", version: -1 },
      { kind: "check", path: "/controller_epoch", version: 7 },
    ],
  });
  expect(judge(known, { clusterId: "c", controllerEpoch: epoch(9) }).kind).toBe("ours");
  expect(judge({ clusterId: "c", controllerEpoch: -1 }, { clusterId: "c", controllerEpoch: null })).toEqual({
    kind: "ours",
    guard: [{ kind: "check", path: "/cluster/id", version: -1 }],
  });
});

test("any other is told apart, and each fault says what to do", () => {
  const empty = judge(known, { clusterId: null, controllerEpoch: epoch(9) });
  const other = judge(known, { clusterId: "d", controllerEpoch: epoch(9) });
  const older = judge(known, { clusterId: "c", controllerEpoch: epoch(4) });
  const without = judge(known, { clusterId: "c", controllerEpoch: null });
  expect([empty, other, older, without]).toEqual([
    { kind: "empty" },
    { kind: "other", clusterId: "d" },
    { kind: "older", controllerEpoch: 4 },
    { kind: "older", controllerEpoch: -1 },
  ]);
  for (const verdict of [empty, other, older, without])
    if (verdict.kind !== "ours") expect(faultOf(verdict, known)).toMatch(/zookeeper\.connect/);
});

test("a node that cannot be read is no reason to end", async () => {
  const write = async () => ({ kind: "written", results: [] }) as const;
  const node = { data: Buffer.from("?"), version: 0, createdZxid: 1, modifiedZxid: 1, ephemeralOwner: null, ownedByUs: false };
  expect(await judgeCoordinator({ write, read: async () => node }, known)).toMatchObject({ kind: "unreadable" });
});
