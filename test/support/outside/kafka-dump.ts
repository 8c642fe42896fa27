import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { Writable } from "node:stream";
import { expect } from "vitest";
import { nodeFileSystem } from "../../../broker/runtime/node-files.ts";
import { dumpFiles } from "../../../cli/offline/dump/dump-files.ts";
import { Output } from "../../../cli/output/output.ts";
import type { ApacheKafka } from "./apache-kafka.ts";

/** What a dump tool found in a file, in words that both Kafka's tool and ours have. */
export interface Dumped {
  readonly batches: readonly Readonly<Record<string, string | number | boolean>>[];
  readonly records: readonly Readonly<Record<string, string | number>>[];
  readonly entries: readonly Readonly<Record<string, number>>[];
}

interface Dumping {
  readonly batches: Record<string, string | number | boolean>[];
  readonly records: Record<string, string | number>[];
  readonly entries: Record<string, number>[];
}

const noFindings = (): Dumping => ({ batches: [], records: [], entries: [] });

/** Lines by which Kafka's tool says that a file is not as it should be. */
const complaint = /mismatch|out of order|not found|invalid|corrupt|exception|failed/i;

/** What `kafka.tools.DumpLogSegments` says of the files; fails when it complains of one. */
export async function dumpWithKafka(
  kafka: ApacheKafka,
  paths: readonly string[],
  args: readonly string[] = ["--deep-iteration"],
): Promise<Map<string, Dumped>> {
  const printed = await kafka.dump([...args, "--files", paths.join(",")]);
  const found = new Map<string, Dumping>(paths.map((path) => [path, noFindings()]));
  let current = noFindings();
  for (const line of printed.split("\n")) {
    const dumping = /^Dumping (.+)$/.exec(line)?.[1];
    if (dumping !== undefined) current = found.get(dumping) ?? current;
    else if (line.startsWith("baseOffset: ")) current.batches.push(batchOf(fieldsOf(line)));
    else if (line.startsWith("| offset: ")) current.records.push(recordOf(fieldsOf(line)));
    else if (/^(offset|timestamp): \d+ (offset|position): \d+$/.test(line)) current.entries.push(numbersOf(fieldsOf(line)));
    else if (line.startsWith("version: 0 producerId: ")) current.entries.push(abortedOf(fieldsOf(line)));
    else if (line.startsWith("producerId: ")) current.entries.push(producerOf(fieldsOf(line)));
    else if (line.startsWith("version: ")) current.entries.push(numbersOf(fieldsOf(line)));
    else if (complaint.test(line)) throw new Error(`Kafka's tool: ${line}`);
    if (line.includes("isvalid: false")) throw new Error(`Kafka's tool: ${line}`);
  }
  return found;
}

/** What `ottla log dump --records --json` says of the files; fails when it finds damage. */
export async function dumpWithOttla(paths: readonly string[]): Promise<Map<string, Dumped>> {
  let text = "";
  const sink = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  await dumpFiles(paths, { records: true, values: false, groups: false, json: true }, nodeFileSystem(), new Output(sink));
  const found = new Map<string, Dumping>(paths.map((path) => [path, noFindings()]));
  for (const line of text.trimEnd().split("\n")) {
    const { file, kind, ...item } = JSON.parse(line);
    const of = found.get(file);
    if (kind === "batch") of?.batches.push(ourBatch(item));
    else if (kind === "record") of?.records.push(ourRecord(item));
    else if (kind === "entry" && item.unusedBytes === undefined) of?.entries.push(ourEntry(item));
  }
  return found;
}

/** `name: value name: value …` */
function fieldsOf(line: string): Map<string, string> {
  return new Map([...line.matchAll(/(\w+): (\S*)/g)].map(([, name = "", value = ""]) => [name, value]));
}

function batchOf(fields: Map<string, string>): Record<string, string | number | boolean> {
  const number = (name: string) => Number(fields.get(name));
  return {
    baseOffset: number("baseOffset"),
    lastOffset: number("lastOffset"),
    count: number("count"),
    producerId: number("producerId"),
    producerEpoch: number("producerEpoch"),
    baseSequence: number("baseSequence"),
    leaderEpoch: number("partitionLeaderEpoch"),
    isTransactional: fields.get("isTransactional") === "true",
    isControl: fields.get("isControl") === "true",
    position: number("position"),
    maxTimestamp: Number(fields.get("CreateTime") ?? fields.get("LogAppendTime")),
    size: number("size"),
    codec: fields.get("compresscodec") ?? "",
  };
}

function ourBatch(item: Record<string, number | string | boolean>): Record<string, string | number | boolean> {
  const { baseOffset, lastOffset, recordsCount, producerId, producerEpoch, baseSequence, leaderEpoch, isTransactional, isControl } = item;
  const { position, maxTimestampMs, sizeInBytes, codec } = item;
  const renamed = { count: recordsCount, position, maxTimestamp: maxTimestampMs, size: sizeInBytes, codec };
  const all = { baseOffset, lastOffset, producerId, producerEpoch, baseSequence, leaderEpoch, isTransactional, isControl, ...renamed };
  return all as Record<string, string | number | boolean>;
}

function recordOf(fields: Map<string, string>): Record<string, string | number> {
  const headers = fields.get("headerKeys") ?? "[]";
  return {
    offset: Number(fields.get("offset")),
    timestamp: Number(fields.get("CreateTime") ?? fields.get("LogAppendTime")),
    keyBytes: Number(fields.get("keySize")),
    valueBytes: Number(fields.get("valueSize")),
    headers: headers === "[]" ? 0 : headers.split(",").length,
  };
}

/** Kafka's tool has -1 for the size of nothing. */
function ourRecord({ offset, timestampMs, keyBytes, valueBytes, headers }: Record<string, number | null>): Record<string, number> {
  return {
    offset: offset ?? -1,
    timestamp: timestampMs ?? -1,
    keyBytes: keyBytes ?? -1,
    valueBytes: valueBytes ?? -1,
    headers: headers ?? -1,
  };
}

/** Of an index of aborted transactions. */
function abortedOf(fields: Map<string, string>): Record<string, number> {
  const names = ["version", "producerId", "firstOffset", "lastOffset", "lastStableOffset"];
  return Object.fromEntries(names.map((name) => [name, Number(fields.get(name))]));
}

/** A row of a snapshot. Of a producer whose last batch was a marker the tool leaves out what it has no batch for. */
function producerOf(fields: Map<string, string>): Record<string, number> {
  const names = ["producerId", "coordinatorEpoch", "lastSequence", "lastOffset", "offsetDelta", "timestamp"];
  const withoutBatch = { lastSequence: "-1", lastOffset: "-1", offsetDelta: "0", timestamp: fields.get("lastTimestamp") };
  const all = new Map([...Object.entries(withoutBatch), ...fields]);
  const first = /\d+/.exec(all.get("currentTxnFirstOffset") ?? "")?.[0] ?? -1;
  const numbers = Object.fromEntries(names.map((name) => [name, Number(all.get(name))]));
  return { ...numbers, epoch: Number(all.get("producerEpoch")), transactionFirstOffset: Number(first) };
}

function ourEntry({ timestampMs, ...entry }: Record<string, number>): Record<string, number> {
  return timestampMs === undefined ? entry : { timestamp: timestampMs, ...entry };
}

function numbersOf(fields: Map<string, string>): Record<string, number> {
  return Object.fromEntries([...fields].map(([name, value]) => [name, Number(value)]));
}

/** Both tools read these files, to the last record and entry, and agree; Kafka's does not complain. */
export async function expectAgreement(kafka: ApacheKafka, paths: readonly string[]): Promise<ReadonlyMap<string, Dumped>> {
  const [theirs, ours] = await Promise.all([dumpWithKafka(kafka, paths), dumpWithOttla(paths)]);
  for (const path of paths) expect(ours.get(path), path).toEqual(theirs.get(path));
  return ours;
}

export function sumOf(dumps: ReadonlyMap<string, Dumped>, what: keyof Dumped): number {
  return [...dumps.values()].reduce((total, dump) => total + dump[what].length, 0);
}

export async function filesOf(folder: string, ending: RegExp): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => ending.test(name));
  return names.sort().map((name) => join(folder, name));
}
