import { parseMetaProperties } from "../../broker/cluster/meta-properties.ts";
import { decodePartitionMetadata } from "../../broker/log/partition-metadata.ts";
import { type DumpItem, damage, entry } from "./dump-item.ts";

/** `leader-epoch-checkpoint`: which epoch began at which offset; both rise. */
export function dumpLeaderEpochs(content: Buffer): Iterable<DumpItem> {
  let previous = { epoch: -1, startOffset: -1 };
  return dumpCheckpoint(content, /^(\d{1,10}) (\d{1,16})$/, ([, epoch, startOffset]) => {
    const fields = { epoch: Number(epoch), startOffset: Number(startOffset) };
    const rises = fields.epoch > previous.epoch && fields.startOffset > previous.startOffset;
    previous = fields;
    return { fields, fault: rises ? null : "the epoch does not lie after the one before it" };
  });
}

/** `recovery-point-`, `replication-` and `log-start-offset-checkpoint`: an offset per partition. */
export function dumpOffsets(content: Buffer): Iterable<DumpItem> {
  const seen = new Set<string>();
  return dumpCheckpoint(content, /^(\S+) (\d{1,10}) (\d{1,16})$/, ([, topic = "", partition, offset]) => {
    const name = `${topic}-${partition}`;
    const fault = seen.has(name) ? `${name} is there twice` : null;
    seen.add(name);
    return { fields: { topic, partition: Number(partition), offset: Number(offset) }, fault };
  });
}

interface CheckpointLine {
  readonly fields: Readonly<Record<string, string | number | null>>;
  readonly fault: string | null;
}

/** Kafka's checkpoint files: the version, the number of lines, the lines. `read` answers null for a line that is no entry. */
export function* dumpCheckpoint(
  content: Buffer,
  pattern: RegExp,
  read: (match: RegExpExecArray) => CheckpointLine | null,
): Generator<DumpItem> {
  if (content.length === 0) return; // as Kafka makes it, before it has anything to write
  const lines = content.toString("utf8").split("\n");
  if (lines.at(-1) === "") lines.pop();
  const [version, count, ...rest] = lines;
  if (version !== "0") return yield damage("line 1", `version ${JSON.stringify((version ?? "").slice(0, 40))}, not 0`);
  if (count === undefined || !/^\d{1,9}$/.test(count)) return yield damage("line 2", "no number of entries");
  for (const [index, line] of rest.entries()) {
    const match = pattern.exec(line);
    if (match === null) {
      yield damage(`line ${index + 3}`, `${JSON.stringify(line.slice(0, 80))} is no entry`);
      continue;
    }
    const found = read(match);
    if (found === null) continue;
    const { fields, fault } = found;
    yield entry(fields);
    if (fault !== null) yield damage(`line ${index + 3}`, fault);
  }
  if (rest.length !== Number(count)) yield damage("line 2", `${count} entries are announced, ${rest.length} are there`);
}

export function* dumpPartitionMetadata(content: Buffer): Generator<DumpItem> {
  const topicId = decodePartitionMetadata(content);
  yield topicId === null ? damage("line 1", "not `version: 0` and a topic's id") : entry({ topicId });
}

export function* dumpMetaProperties(content: Buffer, path: string): Generator<DumpItem> {
  try {
    yield entry({ ...parseMetaProperties(content, path) });
  } catch (error) {
    yield damage("line 1", error instanceof Error ? error.message : String(error));
  }
}
