import type { TopicDescription } from "../../../client/index.ts";
import { formatCount } from "../../output/units.ts";
import { copiesIn } from "../../topic/topic-health.ts";
import type { Facts, Settings } from "../facts.ts";
import { type Checked, type Finding, findingIf, shellWord } from "../finding.ts";
import { someDiskFills } from "./disks.ts";
import { minInsync } from "./partitions.ts";

const check = "topic-settings";
const usualCopies = 3;

/** Settings of topics that lose records, or that stop them, on a day that is not as usual. */
export function checkTopicSettings(facts: Facts): Checked {
  const { topicSettings, topics } = facts;
  if (topicSettings.value === null)
    return { findings: singleCopies(facts), unchecked: [{ what: "settings of topics", why: topicSettings.why }] };
  const unread = topics.length - topicSettings.value.size;
  return {
    findings: [...singleCopies(facts), ...insync(facts), ...unclean(facts), ...endless(facts)],
    unchecked:
      unread <= 0
        ? []
        : [{ what: `settings of ${formatCount(unread, "topic")}`, why: "there are too many, or they could not be asked about in time" }],
  };
}

/** The topics that clients make. */
function own({ topics }: Facts): readonly TopicDescription[] {
  return topics.filter(({ isInternal }) => !isInternal);
}

function singleCopies({ topics, brokers }: Facts): readonly Finding[] {
  // with one broker there is nowhere to put another
  const single = brokers.length < 2 ? [] : topics.filter((topic) => copiesIn(topic) === 1).map(({ name }) => name);
  const copies = Math.min(usualCopies, brokers.length);
  return findingIf(check, "warning", single, (count) => ({
    what: `${formatCount(count, "topic")} with one copy`,
    why: "the loss of one disk loses records, and a restart of one broker stops them",
    commands: single.map((name) => `ottla topic alter ${shellWord(name)} --replication-factor ${copies}`),
  }));
}

function insync(facts: Facts): readonly Finding[] {
  const known = own(facts).flatMap((topic) => {
    const required = minInsync(facts, topic.name);
    return required === null ? [] : [{ name: topic.name, required, copies: copiesIn(topic) }];
  });
  const one = known.filter(({ required, copies }) => required === 1 && copies >= 3);
  const beyond = known.filter(({ required, copies }) => copies >= 2 && required > copies);
  const all = known.filter(({ required, copies }) => copies >= 2 && required === copies);
  const text = ({ name, required, copies }: (typeof known)[number]) => `${name} (${required} of ${copies})`;
  const setting = (to: (of: (typeof known)[number]) => number) => (of: (typeof known)[number]) =>
    `ottla topic alter ${shellWord(of.name)} --config min.insync.replicas=${to(of)}`;
  return [
    ...findingIf(check, "warning", one.map(text), (count) => ({
      what: `${formatCount(count, "topic")} with min.insync.replicas=1`,
      why: "what is acknowledged with acks=all may be on one broker only when the others are behind, and be lost with it",
      commands: one.map(setting(() => 2)),
    })),
    ...findingIf(check, "warning", beyond.map(text), (count) => ({
      what: `${formatCount(count, "topic")} with min.insync.replicas above the number of copies`,
      why: "it counts as all of them here, and Kafka refuses acks=all for good: either way one copy less stops producers",
      commands: beyond.map(setting(({ copies }) => Math.max(1, copies - 1))),
    })),
    ...findingIf(check, "warning", all.map(text), (count) => ({
      what: `${formatCount(count, "topic")} whose copies must all be in sync`,
      why: "whenever one broker is away, for a restart too, producers with acks=all wait",
      commands: all.map(setting(({ copies }) => Math.max(1, copies - 1))),
    })),
  ];
}

/** Those whose settings are known and as asked. */
function topicsWhere(facts: Facts, is: (settings: Settings) => boolean): readonly string[] {
  return own(facts).flatMap(({ name }) => {
    const settings = facts.topicSettings.value?.get(name);
    return settings !== undefined && is(settings) ? [name] : [];
  });
}

function unclean(facts: Facts): readonly Finding[] {
  const on = topicsWhere(facts, (settings) => settings.get("unclean.leader.election.enable")?.value === "true");
  return findingIf(check, "warning", on, (count) => ({
    what: `${formatCount(count, "topic")} with unclean leader elections on`,
    why: "when no copy in sync is left, one that lacks records leads, and they are lost without a word",
    commands: on.map((name) => `ottla topic alter ${shellWord(name)} --config unclean.leader.election.enable=false`),
  }));
}

/** Only where a disk is filling: there are good reasons to keep things. */
function endless(facts: Facts): readonly Finding[] {
  if (!someDiskFills(facts)) return [];
  const kept = topicsWhere(
    facts,
    (settings) =>
      settings.get("retention.ms")?.value === "-1" &&
      settings.get("retention.bytes")?.value === "-1" &&
      !(settings.get("cleanup.policy")?.value ?? "").includes("compact"),
  );
  return findingIf(check, "warning", kept, (count) => ({
    what: `${formatCount(count, "topic")} kept without an end, while disks are filling`,
    why: "their logs only grow",
    commands: kept.map((name) => `ottla topic alter ${shellWord(name)} --config retention.ms=604800000`),
  }));
}
