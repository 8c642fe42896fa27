import { expect, test } from "vitest";
import { describeGroupsApi } from "../../../broker/api/describe-groups.ts";
import type { GroupService } from "../../../broker/api/group-context.ts";
import { World } from "../group/world.ts";
import { answerOf } from "./fixtures.ts";

test("whom a rebalance waits for is told to those who ask, where the version has tags", async () => {
  const world = await World.loaded();
  await world.join({ clientId: "a" });
  await world.clock.advance(6_000);
  const groups: Pick<GroupService, "runEvenUnnamed"> = { runEvenUnnamed: (_groupId, operation) => world.shard.run(operation) };
  const described = async (includeRebalance: boolean, version: number) => {
    const asked = { groups: ["g"], includeAuthorizedOperations: false, includeRebalance };
    return (await answerOf(describeGroupsApi(groups), asked, version)).groups[0];
  };
  expect(await described(true, 5)).toMatchObject({ groupState: "CompletingRebalance", newcomers: 0, members: [{ isAwaited: true }] });
  expect((await described(true, 5))?.rebalanceSinceMs).toBeGreaterThan(0);
  for (const [includeRebalance, version] of [
    [false, 5],
    [true, 4],
  ] as const)
    expect(await described(includeRebalance, version)).toMatchObject({ rebalanceSinceMs: -1, members: [{ isAwaited: false }] });
});
