import { partitionKey, type TopicPartition } from "../../protocol/base/ids.ts";
import { CommandFailed } from "../output/command-failed.ts";
import type { TopicSelection } from "./reset-target.ts";

/** Positions that were read from a file, as `group reset-offsets` takes them. */
export interface FilePositions {
  readonly selections: readonly TopicSelection[];
  /** By the partition's key. */
  readonly offsets: ReadonlyMap<string, number>;
}

const positionsMax = 100_000;
const shownMax = 60;

/**
 * A position a line: topic, partition and offset, with commas (as Kafka's tool writes and takes them), tabs or blanks between them. Lines
 * that are empty or begin with # are passed over. Throws CommandFailed for others.
 */
export function readPositions(text: string, source: string): FilePositions {
  const found = new Map<string, TopicPartition & { readonly offset: number }>();
  for (const [index, line] of text.split("\n").entries()) {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) continue;
    const where = `line ${index + 1} of ${source}`;
    const match = /^"?([a-zA-Z0-9._-]{1,249})"?[,\s]\s*(\d{1,9})\s*[,\s]\s*(\d{1,16})$/.exec(trimmed);
    const [, topic = "", partition, offset] = match ?? [];
    const position = { topic, partition: Number(partition), offset: Number(offset) };
    if (match === null || !Number.isSafeInteger(position.offset))
      throw new CommandFailed(`${where} is no TOPIC,PARTITION,OFFSET: ${trimmed.slice(0, shownMax)}`);
    const key = partitionKey(topic, position.partition);
    if (found.has(key)) throw new CommandFailed(`${where} names ${key} again`);
    if (found.size >= positionsMax) throw new CommandFailed(`${source} has more than ${positionsMax} positions`);
    found.set(key, position);
  }
  if (found.size === 0) throw new CommandFailed(`${source} has no positions`);
  const byTopic = Map.groupBy(found.values(), ({ topic }) => topic);
  return {
    selections: [...byTopic].map(([topic, some]) => ({ topic, partitions: some.map(({ partition }) => partition) })),
    offsets: new Map([...found].map(([key, { offset }]) => [key, offset])),
  };
}
