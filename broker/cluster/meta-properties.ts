import { type BrokerId, newTopicId } from "../../protocol/base/ids.ts";
import type { Random } from "../../protocol/base/random.ts";
import { type FileSystem, replaceFile } from "../runtime/files.ts";

/** What a data directory says about itself, in Kafka's `meta.properties`. */
export interface MetaProperties {
  readonly brokerId: BrokerId;
  readonly clusterId: string;
  /** Of this directory, for ever. Null in a file written before Kafka 3.7. */
  readonly directoryId: string | null;
}

/** The data directory is another broker's or another cluster's, or its `meta.properties` cannot be read. The message says what to do. */
export class WrongDataDirectory extends Error {
  override readonly name = "WrongDataDirectory";
}

/** A file of ours has a few lines; anything far larger is not one. */
const fileMaxBytes = 64 * 1024;

export function metaPropertiesPath(dataDirectory: string): string {
  return `${dataDirectory}/meta.properties`;
}

/**
 * Ensures that the directory belongs to this broker of this cluster: a new one is marked, a marked one is compared. Rejects with
 * WrongDataDirectory.
 */
export async function claimDataDirectory(
  files: FileSystem,
  dataDirectory: string,
  owner: { readonly brokerId: BrokerId; readonly clusterId: string },
  random: Random,
): Promise<MetaProperties> {
  const path = metaPropertiesPath(dataDirectory);
  if (await files.exists(path)) {
    const found = parseMetaProperties(await files.readFile(path), path);
    const fault = ownershipFault(found, owner, dataDirectory);
    if (fault !== null) throw new WrongDataDirectory(fault);
    if (found.directoryId !== null) return found;
  } else {
    await makeDurableDirectory(files, dataDirectory);
  }
  const properties = { ...owner, directoryId: newTopicId(random) };
  await replaceFile(files, path, formatMetaProperties(properties));
  return properties;
}

/**
 * Creates the folder and its parents, so that a power failure cannot take a whole new data directory away: each new name is synced in the
 * folder that holds it.
 */
async function makeDurableDirectory(files: FileSystem, path: string): Promise<void> {
  const parents: string[] = [];
  for (let child = path; child !== "" && !(await files.exists(child)); child = child.slice(0, child.lastIndexOf("/")))
    parents.push(child.slice(0, child.lastIndexOf("/")) || "/");
  await files.makeDirectory(path);
  for (const parent of parents) await files.syncDirectory(parent);
}

/** The one clear line, or null when the directory is ours. */
export function ownershipFault(
  found: MetaProperties,
  { brokerId, clusterId }: { readonly brokerId: BrokerId; readonly clusterId: string },
  dataDirectory: string,
): string | null {
  if (found.clusterId !== clusterId) return otherCluster(dataDirectory, found.clusterId, clusterId);
  if (found.brokerId !== brokerId)
    return `${dataDirectory} holds data of broker ${found.brokerId}, but this is broker ${brokerId}: name another data directory, or set broker.id=${found.brokerId}.`;
  return null;
}

export function otherCluster(dataDirectory: string, itsCluster: string, thisCluster: string): string {
  return `${dataDirectory} holds data of cluster ${itsCluster}, but this is cluster ${thisCluster}: name another data directory, or the ZooKeeper (and chroot) this data belongs to.`;
}

export function formatMetaProperties({ brokerId, clusterId, directoryId }: MetaProperties): Buffer {
  const lines = ["version=0", `broker.id=${brokerId}`, `cluster.id=${clusterId}`];
  if (directoryId !== null) lines.push(`directory.id=${directoryId}`);
  return Buffer.from(`${lines.join("\n")}\n`);
}

/** Throws WrongDataDirectory when it is not such a file. Unknown lines and names are skipped. */
export function parseMetaProperties(content: Buffer, path: string): MetaProperties {
  const fault = (why: string) => new WrongDataDirectory(`${path} ${why}: restore it, or name another data directory.`);
  if (content.length > fileMaxBytes) throw fault(`has ${content.length} bytes and is not a meta.properties file`);
  const values = new Map<string, string>();
  for (const line of content.toString("utf8").split(/\r?\n/)) {
    const text = line.trim();
    const equals = text.indexOf("=");
    if (text === "" || text.startsWith("#") || equals < 0) continue;
    values.set(text.slice(0, equals).trim(), text.slice(equals + 1).trim());
  }
  const version = values.get("version");
  if (version !== "0")
    throw fault(version === undefined ? "has no version" : `has version ${version}, not 0 as brokers that use ZooKeeper write`);
  const brokerId = values.get("broker.id");
  if (brokerId === undefined || !/^\d{1,9}$/.test(brokerId)) throw fault("has no usable broker.id");
  const clusterId = values.get("cluster.id");
  if (clusterId === undefined || clusterId === "") throw fault("has no cluster.id");
  return { brokerId: Number(brokerId), clusterId, directoryId: values.get("directory.id") ?? null };
}
