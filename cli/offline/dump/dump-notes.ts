import {
  decodeCheckpoint,
  decodeCleanStop,
  decodeClusterNotes,
  decodeControllerEpochFile,
  decodeDamage,
  decodeStrayNote,
} from "../../../broker/disk-format.ts";
import { type DumpItem, damage, entry } from "./dump-item.ts";
import { dumpCheckpoint } from "./dump-text.ts";

/** `ottla-clean-stop`: how large the files of each segment were when their log was closed; "-" where that was not known. */
export function dumpCleanStop(content: Buffer): Iterable<DumpItem> {
  const sizeOf = (text = "-1") => (text === "-1" ? null : Number(text));
  let log: string | null = null;
  const items = dumpCheckpoint(
    content,
    /^(?:log (\S+)|(\d{1,16}) (-1|\d{1,16}) (-1|\d{1,16}) (-1|\d{1,16})(?: (-1|\d{1,16}))?|crc32c \d{1,10})$/,
    ([, name, baseOffset, bytes, index, timeindex, txnindex]) => {
      if (name !== undefined) log = name;
      if (baseOffset === undefined) return null; // the line of a log, or of the checksum
      const fields = {
        log,
        baseOffset: Number(baseOffset),
        logBytes: sizeOf(bytes),
        indexBytes: sizeOf(index),
        timeindexBytes: sizeOf(timeindex),
        txnindexBytes: sizeOf(txnindex),
      };
      return { fields, fault: null };
    },
  );
  return asBrokersRead(items, content, decodeCleanStop(content) !== null, "no CRC-32C of the lines before it is at the end");
}

/** `ottla-gaps`: the segments that need not begin where the one before ends. */
export function dumpGaps(content: Buffer): Iterable<DumpItem> {
  let previous = -1;
  const items = dumpCheckpoint(content, /^(\d{1,16})$/, ([, text]) => {
    const baseOffset = Number(text);
    const rises = baseOffset > previous;
    previous = baseOffset;
    return { fields: { baseOffset }, fault: rises ? null : "the segment does not lie after the one before it" };
  });
  return asBrokersRead(items, content, decodeCheckpoint(content) !== null, "the file was cut");
}

/** `ottla-segments-join`: an empty marker; only its existence counts. */
export function dumpSegmentsJoin(content: Buffer): Iterable<DumpItem> {
  return dumpCheckpoint(content, /(?!)/, () => null);
}

/** `ottla-damage`: where the log was found damaged. The file that says so is not damaged itself. */
export function* dumpDamage(content: Buffer): Generator<DumpItem> {
  const found = decodeDamage(content);
  if (found === null) return yield damage("line 1", "not the place and the kind of a damage, as JSON");
  const { kind, ...place } = found;
  yield entry({ damage: kind, ...place }); // `kind` is the item's own, in JSON
}

/** `ottla-controller-epoch`: the cluster, and the newest controller epoch that the broker has seen. */
export function* dumpControllerEpoch(content: Buffer): Generator<DumpItem> {
  const seen = decodeControllerEpochFile(content);
  if (seen === null) return yield damage("line 1", "not a cluster and a controller epoch with the CRC-32C of both");
  yield entry({ ...seen });
}

/** `ottla-cluster`: the topics, their replicas and settings, as the broker last learned of them. */
export function* dumpClusterNotes(content: Buffer): Generator<DumpItem> {
  const notes = decodeClusterNotes(content);
  if (notes === null) return yield damage("line 1", "not the notes of a cluster with their CRC-32C");
  const { clusterId, controllerEpoch, writtenMs, topics, brokerConfigs } = notes;
  yield entry({ clusterId, controllerEpoch, written: new Date(writtenMs).toISOString(), topics: topics.length });
  for (const [broker, config] of Object.entries(brokerConfigs))
    yield entry({ broker: broker === "" ? "all" : broker, config: settings(config) });
  for (const { name, id, assignment, config } of topics)
    yield entry({ topic: name, id, replicas: assignment.map((replicas) => replicas.join(",")).join(" "), config: settings(config) });
}

function settings(config: Readonly<Record<string, string>>): string {
  return Object.entries(config)
    .map(([name, value]) => `${name}=${value}`)
    .join(" ");
}

/** `ottla-stray`: whose log was set aside, and what the checkpoints said of it. */
export function* dumpStray(content: Buffer): Generator<DumpItem> {
  const note = decodeStrayNote(content);
  if (note === null) return yield damage("line 1", "not the note of a log that was set aside, with the CRC-32C of its lines");
  yield entry({ ...note });
}

/** The items; if none of them reports damage in a file that brokers find damaged, one more does. */
function* asBrokersRead(items: Iterable<DumpItem>, content: Buffer, isReadable: boolean, fault: string): Generator<DumpItem> {
  let isSound = true;
  for (const item of items) {
    if (item.kind === "damage") isSound = false;
    yield item;
  }
  const lines = content.toString("utf8").trimEnd().split("\n");
  if (isSound && !isReadable) yield damage(`line ${lines.length}`, fault);
}
