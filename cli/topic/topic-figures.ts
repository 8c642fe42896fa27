import { setTimeout } from "node:timers/promises";
import type { Admin, PartitionMetadata, TopicDescription, TopicPartition } from "../../client/index.ts";
import { type BrokerId, partitionKey } from "../../protocol/base/ids.ts";
import { isOffline } from "./topic-health.ts";

/** What is not in the metadata. Null: its leader did not say so in time, or there is none. */
export interface PartitionFigures {
  readonly startOffset: number | null;
  readonly endOffset: number | null;
  /** Of the leader's copy. */
  readonly sizeInBytes: number | null;
  /** Of the first record whose timestamp is of the last minute; -1: there is none. */
  readonly recentOffset: number | null;
}

/** `ends`: what `positions` tells, without where logs start. */
export type FigureName = "positions" | "ends" | "sizes" | "recent";
export type Figures = ReadonlyMap<string, PartitionFigures>;

type Asked = Pick<Admin, "listOffsets" | "describeLogDirs">;

/** "Recent". Milliseconds. */
export const recentMs = 60_000;
/** Figures are also for clusters in trouble: those of leaders that do not answer are left out. */
const figuresMaxMs = 3_000;
const noFigures: PartitionFigures = { startOffset: null, endOffset: null, sizeInBytes: null, recentOffset: null };

/** Each leader gets a few requests, however many partitions it has, and all at once. One that does not answer holds up no other's. */
export async function figuresOf(
  admin: Asked,
  topics: readonly TopicDescription[],
  wanted: ReadonlySet<FigureName>,
  nowMs: number,
): Promise<Figures> {
  const led = topics.flatMap(({ name, partitions }) => partitions.filter((each) => !isOffline(each)).map((each) => placeOf(name, each)));
  const figures = new Map<string, PartitionFigures>();
  const learn = (found: readonly (readonly [string, Partial<PartitionFigures>])[]) => {
    for (const [key, some] of found) figures.set(key, { ...(figures.get(key) ?? noFigures), ...some });
  };
  const asks = [...Map.groupBy(led, ({ leader }) => leader)].flatMap(([leader, places]) => [
    ...(wanted.has("positions") ? [positions(admin, places).then(learn)] : []),
    ...(wanted.has("ends") ? [ends(admin, places).then(learn)] : []),
    ...(wanted.has("sizes") ? [sizes(admin, leader, places).then(learn)] : []),
    ...(wanted.has("recent") ? [recent(admin, places, nowMs - recentMs).then(learn)] : []),
  ]);
  const late = setTimeout(figuresMaxMs, undefined, { ref: false });
  await Promise.race([Promise.all(asks.map((ask) => ask.catch(() => undefined))), late]);
  // what comes later must not change what is being shown
  return new Map(figures);
}

interface Place extends TopicPartition {
  readonly leader: BrokerId;
}

function placeOf(topic: string, { partition, leader }: PartitionMetadata): Place {
  return { topic, partition, leader };
}

async function positions(admin: Asked, places: readonly Place[]) {
  const specs = ["earliest", "latest"] as const;
  const asked = specs.map((spec) => admin.listOffsets(places.map(({ topic, partition }) => ({ topic, partition, spec }))));
  const [starts = [], ends = []] = await Promise.all(asked);
  return places.map(({ topic, partition }, i) => {
    return [partitionKey(topic, partition), { startOffset: starts[i]?.offset ?? null, endOffset: ends[i]?.offset ?? null }] as const;
  });
}

async function ends(admin: Asked, places: readonly Place[]) {
  const found = await admin.listOffsets(places.map(({ topic, partition }) => ({ topic, partition, spec: "latest" as const })));
  return found.map(({ topic, partition, offset }) => [partitionKey(topic, partition), { endOffset: offset }] as const);
}

async function sizes(admin: Asked, leader: BrokerId, places: readonly Place[]) {
  const [described] = await admin.describeLogDirs([leader], places);
  const replicas = (described?.directories ?? []).flatMap((directory) => directory.replicas).filter(({ isFuture }) => !isFuture);
  return replicas.map(({ topic, partition, sizeInBytes }) => [partitionKey(topic, partition), { sizeInBytes }] as const);
}

async function recent(admin: Asked, places: readonly Place[], timestampMs: number) {
  const found = await admin.listOffsets(places.map(({ topic, partition }) => ({ topic, partition, spec: { timestampMs } })));
  return found.map(({ topic, partition, offset }) => [partitionKey(topic, partition), { recentOffset: offset }] as const);
}

/** A sum over partitions, as far as it is known. */
export interface Sum {
  readonly value: number;
  /** Partitions that are not in it. */
  readonly unknown: number;
}

export function sumOf(topic: TopicDescription, figures: Figures, of: (figures: PartitionFigures) => number | null): Sum {
  const values = topic.partitions.map(({ partition }) => of(figures.get(partitionKey(topic.name, partition)) ?? noFigures));
  return { value: values.reduce<number>((sum, value) => sum + (value ?? 0), 0), unknown: values.filter((value) => value === null).length };
}

export function recordsIn({ startOffset, endOffset }: PartitionFigures): number | null {
  return startOffset === null || endOffset === null ? null : endOffset - startOffset;
}

/** Written in the last minute, by their timestamps. */
export function recentRecordsIn({ endOffset, recentOffset }: PartitionFigures): number | null {
  if (endOffset === null || recentOffset === null) return null;
  return recentOffset < 0 ? 0 : Math.max(0, endOffset - recentOffset);
}
