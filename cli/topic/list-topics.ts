import { KafkaProtocolError } from "../../client/base/errors.ts";
import type { Admin, TopicDescription } from "../../client/index.ts";
import type { Look } from "../output/look.ts";
import { type Cell, quantity, type ShownCell, table } from "../output/table.ts";
import { printable } from "../output/terminal-text.ts";
import { formatBytes, formatCount, formatRate } from "../output/units.ts";
import type { Shown } from "./topic-commands.ts";
import { type Figures, figuresOf, recentMs, recentRecordsIn, recordsIn, type Sum, sumOf } from "./topic-figures.ts";
import { copiesIn, type Health, healthOf } from "./topic-health.ts";

export interface ListOptions {
  /** Those that the cluster keeps for itself, too. */
  readonly internal: boolean;
  /** Null: all. */
  readonly only: readonly string[] | null;
  /** The table also where a program reads. */
  readonly long: boolean;
}

interface ListedTopic {
  readonly name: string;
  readonly topicId: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly health: Health;
  /** Between start and end; where compaction removed some, there are fewer. */
  readonly records: Sum;
  /** Of one copy. */
  readonly sizeInBytes: Sum;
  readonly recentRecords: Sum;
}

/** A table for people; for programs the names, one a line, or everything as JSON. */
export async function listTopics(admin: Admin, { internal, only, long }: ListOptions, { output, json }: Shown): Promise<void> {
  const all = await admin.listTopics();
  const missing = only?.find((name) => !all.some((topic) => topic.name === name));
  if (missing !== undefined) throw new KafkaProtocolError("UNKNOWN_TOPIC_OR_PARTITION", `topic ${missing}`);
  const topics = all.filter(({ name, isInternal }) => only?.includes(name) ?? (internal || !isInternal));
  const { look } = output;
  if (!json && !long && !look.isTerminal) return output.write(topics.map(({ name }) => `${printable(name)}\n`).join(""));
  const figures = await figuresOf(admin, topics, new Set(["positions", "sizes", "recent"]), Date.now());
  const listed = topics.map((topic) => listedTopic(topic, figures));
  if (json) return output.json(listed.map(asJson));
  await output.write(topicsAsText(listed, look));
  if (look.isTerminal && only === null) await output.write(remark(topics.length, all.length - topics.length));
}

function listedTopic(topic: TopicDescription, figures: Figures): ListedTopic {
  const { name, topicId, partitions } = topic;
  return {
    name,
    topicId,
    partitions: partitions.length,
    replicationFactor: copiesIn(topic),
    health: healthOf([topic]),
    records: sumOf(topic, figures, recordsIn),
    sizeInBytes: sumOf(topic, figures, ({ sizeInBytes }) => sizeInBytes),
    recentRecords: sumOf(topic, figures, recentRecordsIn),
  };
}

/** Sums that lack something are null: programs should not take them for the whole. */
function asJson({ name, topicId, partitions, replicationFactor, health, records, sizeInBytes, recentRecords }: ListedTopic): object {
  const whole = ({ value, unknown }: Sum) => (unknown > 0 ? null : value);
  const recent = whole(recentRecords);
  return {
    name,
    topicId,
    partitions,
    replicationFactor,
    underReplicated: health.underReplicated,
    offline: health.offline,
    records: whole(records),
    sizeInBytes: whole(sizeInBytes),
    recordsPerSecond: recent === null ? null : perSecond(recent),
  };
}

export function topicsAsText(topics: readonly ListedTopic[], look: Look): string {
  if (topics.length === 0) return "";
  const rows = topics.map(({ name, partitions, replicationFactor, health, records, sizeInBytes, recentRecords }): Cell[] => [
    name,
    partitions,
    replicationFactor,
    sumCell(records, partitions, (value) => quantity(value, (count) => count.toLocaleString("en"), look)),
    sumCell(sizeInBytes, partitions, (value) => quantity(value, formatBytes, look)),
    sumCell(recentRecords, partitions, (value) => quantity(perSecond(value), formatRate, look)),
    healthCell(health),
  ]);
  const mayBeLeftOut = ["records/s", "copies", "size", "partitions", "records"];
  return table(["topic", "partitions", "copies", "records", "size", "records/s", "state"], rows, look, { mayBeLeftOut });
}

/** `1,200+`: that many, and what is in the partitions that are not known. */
function sumCell({ value, unknown }: Sum, partitions: number, cell: (value: number) => ShownCell): ShownCell {
  if (unknown === partitions && partitions > 0) return { text: "-", isQuantity: true };
  return unknown === 0 ? cell(value) : { text: `${cell(value).text}+`, isQuantity: true };
}

function healthCell({ underReplicated, offline }: Health): Cell {
  if (offline > 0) return { text: `${offline} offline`, tone: "bad", neverCut: true };
  return underReplicated > 0 ? { text: `${underReplicated} under-replicated`, tone: "warning", neverCut: true } : "ok";
}

/** To a tenth. */
function perSecond(recentRecords: number): number {
  return Math.round(recentRecords / (recentMs / 10_000)) / 10;
}

function remark(shown: number, hidden: number): string {
  const none = shown === 0 ? "no topics yet: make one with `ottla topic create`\n" : "";
  return hidden === 0 ? none : `${none}${formatCount(hidden, "internal topic")} not shown (--internal)\n`;
}
