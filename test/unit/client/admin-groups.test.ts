import { expect, test } from "vitest";
import { Admin } from "../../../client/admin/admin.ts";
import { FakeCluster } from "./fake-cluster.ts";

test.each(["UNSUPPORTED_VERSION", "GROUP_ID_NOT_FOUND"] as const)(
  "a group that a broker does not know by the new protocol (%s) is described by the classic one",
  async (errorCode) => {
    const fake = new FakeCluster([1]);
    fake.intercept = ({ api }) => {
      if (api === "FindCoordinator")
        return {
          throttleTimeMs: 0,
          errorCode: "NONE",
          errorMessage: null,
          nodeId: 1,
          host: "fake",
          port: 9001,
          coordinators: [{ key: "g", nodeId: 1, host: "fake", port: 9001, errorCode: "NONE", errorMessage: null }],
        };
      const incremental = { groupState: "", groupEpoch: 0, assignmentEpoch: 0, assignorName: "", authorizedOperations: 0 };
      if (api === "ConsumerGroupDescribe")
        return { throttleTimeMs: 0, groups: [{ ...incremental, errorCode, errorMessage: null, groupId: "g", members: [] }] };
      const classic = { protocolType: "consumer", protocolData: "range", rebalanceSinceMs: -1, newcomers: 0, authorizedOperations: 0 };
      if (api === "DescribeGroups")
        return {
          throttleTimeMs: 0,
          groups: [{ ...classic, errorCode: "NONE", errorMessage: null, groupId: "g", groupState: "Empty", members: [] }],
        };
      return undefined;
    };
    const [group] = await fake.clock.until(new Admin(fake.options).describeGroups(["g"]));
    expect(group).toMatchObject({ error: null, groupId: "g", type: "classic", state: "Empty", members: [] });
  },
);
