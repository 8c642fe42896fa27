import { expect, test } from "vitest";
import { groupFigures } from "../../../cli/group/group-figures.ts";
import { groupsAsText } from "../../../cli/group/list-groups.ts";
import { plainLook } from "../../../cli/output/look.ts";
import type { Admin, CommittedOffset, GroupListing, OffsetRequest } from "../../../client/index.ts";

const committed = (topic: string, partition: number, offset: number) => ({ topic, partition, offset }) as CommittedOffset;
/** Of every group; each member has the partition 1 of t. */
const positionsOf: Readonly<Record<string, readonly CommittedOffset[]>> = {
  known: [committed("t", 0, 70), committed("t", 1, 100)],
  partly: [committed("t", 0, 70)],
  unknown: [],
  "of a deleted topic": [committed("gone", 0, 5)],
};
const hasMember = (groupId: string) => groupId === "partly" || groupId === "unknown";

/** Topic t has two partitions, from 10 to 100. A group named "silent" is never described. */
const admin = {
  describeGroups: ([groupId = ""]: readonly string[]) => {
    if (groupId === "silent") return new Promise<never>(() => {});
    const members = hasMember(groupId) ? [{ memberId: "m", partitions: [{ topic: "t", partition: 1 }] }] : [];
    return Promise.resolve([{ groupId, error: null, members }]);
  },
  listGroupOffsets: async (groupId: string) => positionsOf[groupId] ?? [],
  describeTopics: async (names: readonly string[]) =>
    names.map((name) =>
      name === "gone"
        ? { error: new Error("unknown") }
        : { name, error: null, partitions: [0, 1].map((partition) => ({ partition, leader: 1, replicas: [1], isr: [1] })) },
    ),
  listOffsets: async (requests: readonly OffsetRequest[]) =>
    requests.map(({ topic, partition, spec }) => ({ topic, partition, offset: spec === "earliest" ? 10 : 100 })),
} as unknown as Admin;

test("the lag is a sum of what is known, marked where something is not; what no coordinator told in time is left out", async () => {
  const ids = ["known", "partly", "unknown", "of a deleted topic", "silent"];
  const figures = await groupFigures(admin, ids, Date.UTC(2026, 0, 1));
  expect([...figures.keys()]).toEqual(ids.slice(0, -1));
  const listing = (groupId: string): GroupListing => ({ groupId, protocolType: "consumer", state: "Stable", type: "classic" });
  const rows = groupsAsText(ids.map(listing), figures, plainLook).trimEnd().split("\n");
  expect(rows.map((row) => row.split(/ {2,}/).slice(-2))).toEqual([
    ["members", "lag"],
    ["0", "30"],
    ["1", "30+"],
    ["1", "unknown"],
    ["0", "-"],
    ["-", "-"],
  ]);
});
