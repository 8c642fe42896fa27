import { decodePartitionMetadata, parseMetaProperties } from "../../../broker/disk-format.ts";
import { type DumpItem, damage, entry } from "./dump-item.ts";

/** `leader-epoch-checkpoint`: which epoch began at which offset; both rise. */
export function dumpLeaderEpochs(content: Buffer): Iterable<DumpItem> {
  let previous = { epoch: -1, startOffset: -1 };
  return dumpCheckpoint(content, /^(\d{1,10}) (\d{1,16})$/, ([, epochText, offsetText = ""]) => {
    const [epoch, startOffset] = [Number(epochText), Number(offsetText)];
    if (!Number.isSafeInteger(startOffset)) return { fields: { epoch, startOffset: offsetText }, fault: beyond(offsetText) };
    const rises = epoch > previous.epoch && startOffset > previous.startOffset;
    previous = { epoch, startOffset };
    return { fields: previous, fault: rises ? null : "the epoch does not lie after the one before it" };
  });
}

/** `recovery-point-`, `replication-` and `log-start-offset-checkpoint`: an offset per partition. */
export function dumpOffsets(content: Buffer): Iterable<DumpItem> {
  const seen = new Set<string>();
  return dumpCheckpoint(content, /^(\S+) (\d{1,10}) (\d{1,16})$/, ([, topic = "", partition, offsetText = ""]) => {
    const name = `${topic}-${partition}`;
    const isExact = Number.isSafeInteger(Number(offsetText));
    const fields = { topic, partition: Number(partition), offset: isExact ? Number(offsetText) : offsetText };
    const fault = isExact ? null : beyond(offsetText);
    if (seen.has(name)) return { fields, fault: `${name} is there twice` };
    seen.add(name);
    return { fields, fault };
  });
}

/** No broker reads a file with such an offset; it is shown by its digits, as a number would be rounded. */
function beyond(offsetText: string): string {
  return `offset ${offsetText} is beyond 2^53`;
}

interface CheckpointLine {
  readonly fields: Readonly<Record<string, string | number | null>>;
  readonly fault: string | null;
}

/** Kafka's checkpoint files: the version, the number of lines, the lines. `read` returns null for a line that is not an entry. */
export function* dumpCheckpoint(
  content: Buffer,
  pattern: RegExp,
  read: (match: RegExpExecArray) => CheckpointLine | null,
): Generator<DumpItem> {
  if (content.length === 0) return; // as Kafka creates it, before it has anything to write
  const lines = content.toString("utf8").split("\n");
  const isCut = lines.at(-1) !== "";
  if (!isCut) lines.pop();
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
  // all lines may be there, the last one shorter
  else if (isCut) yield damage(`line ${lines.length}`, "the file ends within the line");
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
