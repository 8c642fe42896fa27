import type { KnownCluster } from "../coordinator-client/known-cluster.ts";
import { newTopicId } from "../protocol/base/ids.ts";
import { InvariantViolation } from "../protocol/base/invariant.ts";
import type { Logger } from "../protocol/base/logger.ts";
import type { Random } from "../protocol/base/random.ts";
import { claimDataDirectory, metaPropertiesPath, parseMetaProperties, WrongDataDirectory } from "./cluster/meta-properties.ts";
import type { OfflineDirectory } from "./log/directories/log-directories.ts";
import { readControllerEpochFile } from "./log/files/directory-notes.ts";
import { isDeletedDirectory, parsePartitionDirectory } from "./log/files/file-names.ts";
import { LogHealth, remedyFor } from "./log/files/log-health.ts";
import type { LogOffline } from "./log/log-contract.ts";
import type { FileSystem } from "./runtime/files.ts";

/** The data directories cannot be used by this broker now. */
export class DataDirectoryInUse extends Error {
  override readonly name = "DataDirectoryInUse";
}

export interface DataDirectoriesParts {
  readonly files: FileSystem;
  readonly random: Random;
  readonly log: Logger;
  readonly brokerId: number;
}

/**
 * The directories of a broker that starts, before anything in them is opened: locked, and marked as its own. One that cannot be written or
 * read is left out, as long as there is another; one that belongs to another broker or cluster fails the start, for it is a mistake in the
 * settings.
 */
export class DataDirectories {
  readonly #parts: DataDirectoriesParts;
  readonly #paths: readonly string[];
  readonly #locked = new Set<string>();
  readonly #offline = new Map<string, LogOffline>();

  constructor(paths: readonly string[], parts: DataDirectoriesParts) {
    this.#paths = paths;
    this.#parts = parts;
  }

  get usable(): readonly string[] {
    return this.#paths.filter((path) => this.#locked.has(path) && !this.#offline.has(path));
  }

  get offline(): readonly OfflineDirectory[] {
    return [...this.#offline].map(([directory, error]) => ({ directory, error }));
  }

  /** Rejects DataDirectoryInUse when one is another process', or none can be written. */
  async lock(): Promise<void> {
    const { files } = this.#parts;
    for (const path of this.#paths) {
      const isOurs = await this.#attempt(path, async () => {
        await files.makeDirectory(path);
        return files.lock(lockPath(path));
      });
      if (isOurs === false) throw new DataDirectoryInUse(`the data directory ${path} is in use by another broker process`);
      if (isOurs === true) this.#locked.add(path);
    }
    this.#assertSome();
  }

  async unlock(): Promise<void> {
    for (const path of this.#locked) await this.#parts.files.unlock(lockPath(path));
  }

  /**
   * The cluster that the directories belong to, with the newest controller epoch that any of them has; null: they are all new. A file of
   * the epoch that is damaged counts as missing: an older coordinator may then be taken for ours, which sets logs aside at worst. Rejects
   * WrongDataDirectory when they are of different clusters.
   */
  async known(): Promise<KnownCluster | null> {
    const all: (KnownCluster & { readonly path: string })[] = [];
    for (const path of this.usable) {
      const found = await this.#attempt(path, () => this.#knownTo(path));
      if (found !== null && found !== "nothing") all.push({ path, ...found });
    }
    this.#assertSome();
    const [first, ...others] = all;
    if (first === undefined) return null;
    const { path, clusterId } = first;
    const other = others.find((each) => each.clusterId !== clusterId);
    if (other !== undefined)
      throw new WrongDataDirectory(
        `${path} holds data of cluster ${clusterId} and ${other.path} of cluster ${other.clusterId}: take one of them out of log.dirs.`,
      );
    return { clusterId, controllerEpoch: Math.max(...all.map(({ controllerEpoch }) => controllerEpoch)) };
  }

  async #knownTo(path: string): Promise<KnownCluster | "nothing"> {
    const { files, log } = this.#parts;
    const metaPath = metaPropertiesPath(path);
    if (!(await files.exists(metaPath))) return "nothing";
    const { clusterId } = parseMetaProperties(await files.readFile(metaPath), metaPath);
    const seen = await readControllerEpochFile(files, path);
    if (seen === "damaged") log.warn({ directory: path }, "ottla-controller-epoch is damaged and ignored");
    // what a directory was used for before its meta.properties was replaced by hand does not matter
    const controllerEpoch = typeof seen === "string" || seen.clusterId !== clusterId ? -1 : seen.controllerEpoch;
    return { clusterId, controllerEpoch };
  }

  /**
   * Whether logs that this broker had may be missing: the existing log folders, when one of the directories is new or cannot be used; null
   * when all are as this broker left them.
   */
  async remaining(): Promise<ReadonlySet<string> | null> {
    const { files } = this.#parts;
    let isWhole = this.#offline.size === 0;
    const folders = new Set<string>();
    for (const path of this.usable) {
      const names = await this.#attempt(path, async () => ((await files.exists(metaPropertiesPath(path))) ? files.list(path) : null));
      if (names === null) isWhole = false;
      for (const name of names ?? []) if (!isDeletedDirectory(name) && parsePartitionDirectory(name) !== null) folders.add(name);
    }
    this.#assertSome();
    return isWhole && this.#offline.size === 0 ? null : folders;
  }

  /** Marks the new ones as this broker's and compares the others. The directories' ids. Rejects WrongDataDirectory. */
  async claim(clusterId: string): Promise<readonly string[]> {
    const { files, random, brokerId } = this.#parts;
    const ids = new Map<string, string>();
    for (const path of this.usable) {
      const claimed = await this.#attempt(path, () => claimDataDirectory(files, path, { brokerId, clusterId }, random));
      if (claimed === null) continue;
      const id = claimed.directoryId ?? newTopicId(random);
      const other = ids.get(id);
      if (other !== undefined)
        throw new WrongDataDirectory(
          `${path} is a copy of ${other}: both have the directory id ${id}. Take one of them out of log.dirs, or delete the meta.properties of the copy.`,
        );
      ids.set(id, path);
    }
    this.#assertSome();
    return [...ids.keys()];
  }

  /** Null: the directory failed, and is left out from here on. */
  async #attempt<T>(path: string, work: () => Promise<T>): Promise<T | null> {
    const { log, brokerId } = this.#parts;
    try {
      return await work();
    } catch (error) {
      if (error instanceof InvariantViolation || error instanceof WrongDataDirectory) throw error;
      const failure = new LogHealth(path).failed(error) as LogOffline;
      this.#offline.set(path, failure);
      log.error(
        { err: error, directory: path },
        `${failure.message}. To use it again, ${remedyFor(error)}; then restart broker ${brokerId}`,
      );
      return null;
    }
  }

  #assertSome(): void {
    if (this.usable.length > 0) return;
    const [first] = this.#offline;
    if (first === undefined) throw new DataDirectoryInUse("no data directory is given");
    const [path, error] = first;
    const all = this.#paths.length === 1 ? `the data directory ${path}` : `none of the ${this.#paths.length} data directories`;
    throw new DataDirectoryInUse(
      `${all} ${this.#paths.length === 1 ? "cannot" : "can"} be used: ${error.message}; ${remedyFor(error.cause)}`,
      {
        cause: error.cause,
      },
    );
  }
}

function lockPath(directory: string): string {
  return `${directory}/.lock`;
}
