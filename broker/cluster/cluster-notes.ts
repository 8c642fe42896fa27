import { crc32c } from "@node-rs/crc32";
import type { BrokerId, TopicId } from "../../protocol/base/ids.ts";
import { codeOf, type FileSystem, replaceFile } from "../runtime/files.ts";
import type { ClusterImage } from "./cluster-image.ts";

/** A file of ours in a log directory: what otherwise only the coordinator would know. */
export const clusterNotesName = "ottla-cluster";

/**
 * What is worth noting of a cluster besides what its logs contain themselves: a lost ZooKeeper is rebuilt from it. Leaders and in-sync sets
 * are not in it; they change all the time and follow from the logs.
 */
export interface ClusterNotes {
  readonly clusterId: string;
  /** Of the controller that sent it. Of two notes, the one of the higher epoch is the newer; then the one with the higher number. */
  readonly controllerEpoch: number;
  /** Rises with each write by the same broker. Milliseconds since 1970, by its clock. */
  readonly writtenMs: number;
  readonly topics: readonly NotedTopic[];
  /** By broker id as text; `""` holds what is set for all. */
  readonly brokerConfigs: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

export interface NotedTopic {
  readonly name: string;
  readonly id: TopicId;
  /** Replicas of each partition, the preferred leader first. */
  readonly assignment: readonly (readonly BrokerId[])[];
  readonly config: Readonly<Record<string, string>>;
}

export function notesOf({ clusterId, controllerEpoch, topics, brokerConfigs }: ClusterImage, writtenMs: number): ClusterNotes {
  return {
    clusterId,
    controllerEpoch,
    writtenMs,
    topics: [...topics.values()].map(({ name, id, partitions, config }) => ({
      name,
      id,
      assignment: partitions.map(({ replicas }) => replicas),
      config,
    })),
    brokerConfigs: Object.fromEntries(brokerConfigs),
  };
}

/** A line of JSON, and one with its checksum. */
export function encodeClusterNotes(notes: ClusterNotes): Buffer {
  const text = JSON.stringify({ version: 0, ...notes });
  return Buffer.from(`${text}\ncrc32c ${crc32c(text)}\n`);
}

/** Null when it is damaged, or of a later version. If the checksum matches, it is what one of our brokers wrote. */
export function decodeClusterNotes(content: Buffer): ClusterNotes | null {
  const end = content.indexOf("\n");
  if (end < 0) return null;
  const text = content.toString("utf8", 0, end);
  if (content.toString("utf8", end + 1) !== `crc32c ${crc32c(text)}\n`) return null;
  let parsed: ClusterNotes & { readonly version: number };
  try {
    parsed = JSON.parse(text);
  } catch {
    return null;
  }
  const { version, ...notes } = parsed;
  return version === 0 ? notes : null;
}

export async function readClusterNotes(files: FileSystem, directory: string): Promise<ClusterNotes | "missing" | "damaged"> {
  try {
    return decodeClusterNotes(await files.readFile(`${directory}/${clusterNotesName}`)) ?? "damaged";
  } catch (error) {
    if (codeOf(error) === "ENOENT") return "missing";
    throw error;
  }
}

export function writeClusterNotes(files: FileSystem, directory: string, notes: ClusterNotes): Promise<void> {
  return replaceFile(files, `${directory}/${clusterNotesName}`, encodeClusterNotes(notes));
}

/** Whether the image has anything that the notes lack. Unchanged values are the same objects. */
export function isNoted(image: ClusterImage, noted: ClusterImage | null): boolean {
  if (noted === null || image.topics.size !== noted.topics.size) return false;
  if (
    image.brokerConfigs !== noted.brokerConfigs &&
    !sameText(Object.fromEntries(image.brokerConfigs), Object.fromEntries(noted.brokerConfigs))
  )
    return false;
  for (const topic of image.topics.values()) {
    const before = noted.topics.get(topic.name);
    if (before === topic) continue;
    if (before === undefined || before.id !== topic.id || before.partitions.length !== topic.partitions.length) return false;
    if (before.config !== topic.config && !sameText(before.config, topic.config)) return false;
    if (topic.partitions.some(({ replicas }, at) => !sameReplicas(replicas, before.partitions[at]!.replicas))) return false;
  }
  return true;
}

function sameText(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function sameReplicas(a: readonly BrokerId[], b: readonly BrokerId[]): boolean {
  return a === b || (a.length === b.length && a.every((id, at) => id === b[at]));
}
