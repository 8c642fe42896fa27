import { setTimeout as sleep } from "node:timers/promises";
import { orThrow } from "../../client/admin/admin-types.ts";
import type { Admin, BrokerLogDirectories, LogDirectoryDescription, ReplicaMove } from "../../client/index.ts";
import { CommandFailed } from "../output/command-failed.ts";
import type { Look } from "../output/look.ts";
import { type Cell, table } from "../output/table.ts";
import { formatBytes } from "../output/units.ts";
import { failForErrors } from "../session/fail-for-errors.ts";
import type { Shown } from "../topic/topic-commands.ts";

export interface ListedDirectories {
  readonly brokers: readonly number[];
  /** Only these; none: all. */
  readonly topics: readonly string[];
  readonly withReplicas: boolean;
}

/** Every directory with the free space on its disk; fails when one of them failed. */
export async function showLogDirectories(admin: Admin, { brokers, topics, withReplicas }: ListedDirectories, shown: Shown): Promise<void> {
  const { output, json } = shown;
  const found = orThrow(await admin.describeLogDirs(brokers.length === 0 ? null : brokers)).map((one) => only(one, topics));
  await requireTopics(admin, topics, found);
  if (json)
    await output.json(
      found.map(({ broker, directories }) => ({
        broker,
        directories: directories.map((directory) => ({ ...directory, error: directory.error?.code ?? null })),
      })),
    );
  else {
    const rows = found.flatMap(({ broker, directories }) => directories.map((directory) => directoryRow(broker, directory)));
    await output.write(table(["broker", "directory", "state", "replicas", "size", "left on disk", "of"], rows, output.look));
    if (withReplicas || topics.length > 0) await output.write(`\n${replicaTable(found, output.look)}`);
  }
  const failed = found.flatMap(({ broker, directories }) =>
    directories.filter(({ error }) => error !== null).map((one) => ({ broker, ...one })),
  );
  const [first] = failed;
  if (first !== undefined)
    throw new CommandFailed(
      `${failed.length === 1 ? "a log directory" : `${failed.length} log directories`} failed: ${first.directory} of broker ${first.broker}; its log says why and what to do`,
    );
}

/** Rejects for a name that is no topic's, of those that have nothing here. */
async function requireTopics(admin: Admin, topics: readonly string[], found: readonly BrokerLogDirectories[]): Promise<void> {
  const present = new Set(found.flatMap(({ directories }) => directories.flatMap(({ replicas }) => replicas.map(({ topic }) => topic))));
  const missing = [...new Set(topics)].filter((topic) => !present.has(topic));
  if (missing.length > 0) failForErrors(await admin.describeTopics(missing));
}

function only({ broker, directories }: BrokerLogDirectories, topics: readonly string[]): BrokerLogDirectories {
  if (topics.length === 0) return { broker, directories };
  const filtered = directories.map((one) => ({ ...one, replicas: one.replicas.filter(({ topic }) => topics.includes(topic)) }));
  return { broker, directories: filtered };
}

function directoryRow(broker: number, { directory, error, totalBytes, usableBytes, replicas }: LogDirectoryDescription): Cell[] {
  const bytes = (count: number): Cell => ({ text: count < 0 ? "-" : formatBytes(count), isQuantity: true });
  const size = replicas.reduce((sum, { sizeInBytes }) => sum + sizeInBytes, 0);
  if (error !== null)
    return [
      broker,
      directory,
      { text: "failed", tone: "bad" },
      ...Array.from({ length: 4 }, (): Cell => ({ text: "-", isQuantity: true })),
    ];
  return [broker, directory, "online", replicas.length, bytes(size), bytes(usableBytes), bytes(totalBytes)];
}

function replicaTable(found: readonly BrokerLogDirectories[], look: Look): string {
  const rows = found.flatMap(({ broker, directories }) =>
    directories.flatMap(({ directory, replicas }) =>
      replicas.map((one): Cell[] => [
        one.topic,
        one.partition,
        broker,
        directory,
        { text: formatBytes(one.sizeInBytes), isQuantity: true },
        { text: one.offsetLag < 0 ? "-" : String(one.offsetLag), isQuantity: true },
        one.isFuture ? "being copied" : "",
      ]),
    ),
  );
  rows.sort((a, b) => (a[0] === b[0] ? Number(a[1]) - Number(b[1]) || Number(a[2]) - Number(b[2]) : String(a[0]) < String(b[0]) ? -1 : 1));
  return table(["topic", "partition", "broker", "directory", "size", "behind", ""], rows, look);
}

const lookEveryMs = 200;

/** Starts the move and, unless told otherwise, waits until the replica is there. */
export async function moveReplica(
  admin: Admin,
  move: ReplicaMove,
  wait: boolean,
  { output, json }: Shown,
  stop: AbortSignal,
): Promise<void> {
  orThrow(await admin.alterReplicaLogDirs([move]));
  const what = `${move.topic}-${move.partition} of broker ${move.broker}`;
  if (wait) {
    while (!(await liesThere(admin, move))) await sleep(lookEveryMs, undefined, { signal: stop });
  }
  if (json) await output.json({ ...move, moved: wait });
  else await output.line(wait ? `${what} is in ${move.directory} now` : `${what} is being moved to ${move.directory}`);
}

async function liesThere(admin: Admin, { broker, topic, partition, directory }: ReplicaMove): Promise<boolean> {
  const [found] = orThrow(await admin.describeLogDirs([broker]));
  const isOurs = (one: { readonly topic: string; readonly partition: number }) => one.topic === topic && one.partition === partition;
  const target = found?.directories.find((one) => one.directory === directory);
  if (target === undefined || target.error !== null)
    throw new CommandFailed(`${directory} of broker ${broker} failed meanwhile; the replica stays where it was`);
  if (target.replicas.some((one) => isOurs(one) && !one.isFuture)) return true;
  // started, and cancelled: the copy is gone, and the replica is where it was
  const isThere = found?.directories.some(({ replicas }) => replicas.some(isOurs)) ?? false;
  if (!isThere) throw new CommandFailed(`broker ${broker} has no replica of ${topic}-${partition} any more`);
  return false;
}
