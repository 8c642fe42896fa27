import type { GroupLag } from "../../../client/index.ts";
import { partitionKey } from "../../../protocol/base/ids.ts";
import { rebalanceText, totalLag } from "../../group/group-facts.ts";
import { formatAge, formatCount } from "../../output/units.ts";
import type { Facts, GroupFacts } from "../facts.ts";
import { type Checked, type Finding, findingIf, shellWord } from "../finding.ts";

const check = "groups";
/** Positions are committed every few seconds: who is no further behind than this keeps up. Milliseconds. */
const behindMs = 60_000;
const rebalanceMs = 60_000;

export function checkGroups(facts: Facts): Checked {
  const { groups, groupsCount } = facts;
  if (groups.value === null) return { findings: [], unchecked: [{ what: "groups", why: groups.why }] };
  const unread = groupsCount - groups.value.filter(({ after }) => after !== null).length;
  return {
    findings: [...lagFindings(groups.value), ...lost(groups.value), ...rebalancing(groups.value, facts.nowMs), ...idle(groups.value)],
    unchecked:
      unread <= 0
        ? []
        : [{ what: `lag of ${formatCount(unread, "group")}`, why: "there are too many, or their coordinators did not answer in time" }],
  };
}

type Course = "stuck" | "growing" | "left" | "well";

function lagFindings(groups: readonly GroupFacts[]): readonly Finding[] {
  const byCourse = Map.groupBy(groups, courseOf);
  const of = (course: Course, severity: "warning" | "note", what: (count: string) => string, why: string, advice: string | null = null) => {
    const some = byCourse.get(course) ?? [];
    const names = some.map(({ description }) => shellWord(description.groupId));
    return findingIf(check, severity, some.map(lagText), (count) => ({
      what: what(formatCount(count, "group")),
      why,
      commands: names.map((name) => `ottla group describe ${name}`),
      advice,
    }));
  };
  return [
    ...of(
      "stuck",
      "warning",
      (count) => `${count} with members that commit nothing while records wait`,
      "a member hangs, fails at the same record again and again, or does not commit",
    ),
    ...of(
      "growing",
      "warning",
      (count) => `${count} whose lag grows`,
      "more is written than they read: they need more members, up to one for each partition, or faster ones",
    ),
    ...of(
      "left",
      "note",
      (count) => `${count} without members, and with records left to read`,
      "nobody reads there: the program was stopped, or the group is not needed any more",
      "start it again; of one that is not needed `ottla group delete` forgets the positions, for good",
    ),
  ];
}

/** How it goes with a group that is behind by more than a moment. */
export function courseOf({ description, before, after }: GroupFacts): Course {
  const waiting = (after ?? []).filter(({ lag, lagMs }) => (lag ?? 0) > 0 && (lagMs ?? 0) >= behindMs);
  if (waiting.length === 0) return "well";
  if (description.members.length === 0) return "left";
  const was = new Map((before ?? []).map((each) => [partitionKey(each.topic, each.partition), each]));
  const beforeThat = waiting.flatMap(({ topic, partition }) => was.get(partitionKey(topic, partition)) ?? []);
  if (beforeThat.length < waiting.length) return "well";
  const stands = waiting.some(({ topic, partition, position }) => was.get(partitionKey(topic, partition))?.position === position);
  if (stands) return "stuck";
  return (totalLag(waiting).lag ?? 0) > (totalLag(beforeThat).lag ?? 0) ? "growing" : "well";
}

function lagText({ description, after }: GroupFacts): string {
  const { lag } = totalLag(after ?? []);
  const oldest = Math.max(0, ...(after ?? []).map(({ lagMs }) => lagMs ?? 0));
  return `${description.groupId} (${(lag ?? 0).toLocaleString("en")} records, ${formatAge(oldest)} behind)`;
}

function lost(groups: readonly GroupFacts[]): readonly Finding[] {
  const outside = groups.flatMap(({ description, after }) => {
    const some = (after ?? []).filter(({ outOfRange }) => outOfRange !== null);
    return some.length === 0 ? [] : [{ group: description.groupId, some }];
  });
  const name = ({ topic, partition }: GroupLag) => partitionKey(topic, partition);
  return findingIf(
    check,
    "warning",
    outside.map(({ group, some }) => `${group} (${name(some[0]!)}${some.length === 1 ? "" : ` and ${some.length - 1} more`})`),
    (count) => ({
      what: `${formatCount(count, "group")} with positions outside of the log`,
      why: "records were deleted before they were read, or the log lost its end; the members' auto.offset.reset decides where they go on",
      commands: outside.map(({ group }) => `ottla group describe ${shellWord(group)}`),
    }),
  );
}

function rebalancing(groups: readonly GroupFacts[], nowMs: number): readonly Finding[] {
  const long = groups.filter(
    ({ description: { rebalance } }) => rebalance !== null && rebalance.sinceMs !== null && nowMs - rebalance.sinceMs >= rebalanceMs,
  );
  return findingIf(
    check,
    "warning",
    long.map(({ description }) => {
      const { rebalance, groupId } = description;
      return rebalance === null ? groupId : `${groupId}: ${rebalanceText(rebalance, description, nowMs)}`;
    }),
    (count) => ({
      what: `${formatCount(count, "group")} being shared out for more than a minute`,
      why: "meanwhile they read little or nothing; a member that is waited for is dead, or busy",
      commands: long.map(({ description }) => `ottla group describe ${shellWord(description.groupId)}`),
    }),
  );
}

function idle(groups: readonly GroupFacts[]): readonly Finding[] {
  const some = groups.flatMap(({ description: { groupId, members, state } }) => {
    const count = members.filter(({ partitions }) => partitions.length === 0).length;
    return state === "Stable" && count > 0 ? [{ groupId, text: `${groupId} (${count} of ${members.length})` }] : [];
  });
  return findingIf(
    check,
    "note",
    some.map(({ text }) => text),
    (count) => ({
      what: `${formatCount(count, "group")} with members that have no partition`,
      why: "there are more members than partitions: these only wait until another one dies",
      commands: some.map(({ groupId }) => `ottla group describe ${shellWord(groupId)}`),
    }),
  );
}
