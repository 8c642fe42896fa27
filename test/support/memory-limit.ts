import { mkdir, readFile, rmdir, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** The file names of one version of control groups. */
interface Version {
  readonly limit: string;
  readonly usage: string;
  readonly noLimit: string;
  /** Where 0 says that nothing is to go to a swap space: with one, the broker would be slow instead of short of memory. */
  readonly swap: string;
}

const first: Version = { limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes", noLimit: "-1", swap: "memory.swappiness" };
const second: Version = { limit: "memory.max", usage: "memory.current", noLimit: "max", swap: "memory.swap.max" };

export interface MemoryGroups {
  readonly root: string;
  readonly version: Version;
}

/** A folder for our control groups, made here; or why there can be none. */
export async function memoryGroups(): Promise<MemoryGroups | string> {
  if (process.platform !== "linux") return "memory limits take control groups, which Linux has";
  const reasons: string[] = [];
  for (const { folder, version } of await places()) {
    const root = join(folder, `ottla-${process.pid}-${Date.now()}`);
    try {
      // in the second version a group's children have only what it hands down
      if (version === second) await writeFile(join(folder, "cgroup.subtree_control"), "+memory");
      await mkdir(root);
      if (version === second) await writeFile(join(root, "cgroup.subtree_control"), "+memory");
      await stat(join(root, version.usage));
      return { root, version };
    } catch (error) {
      await rmdir(root).catch(() => {});
      reasons.push((error as Error).message);
    }
  }
  return `memory limits take root, and the memory controller of control groups: ${reasons.join("; ") || "none is mounted"}`;
}

/** Where groups may be made: below the root of what is mounted, or below the group that we are in. */
async function places(): Promise<{ readonly folder: string; readonly version: Version }[]> {
  const mounts = (await readFile("/proc/self/mounts", "utf8")).split("\n").map((line) => line.split(" "));
  const own = (await readFile("/proc/self/cgroup", "utf8")).split("\n").map((line) => line.split(":"));
  return mounts.flatMap(([, folder = "", kind, options = ""]) => {
    const version = kind === "cgroup2" ? second : kind === "cgroup" && options.split(",").includes("memory") ? first : null;
    if (version === null) return [];
    const controller = version === second ? "" : "memory";
    const group = own.find(([, controllers = ""]) => controllers.split(",").includes(controller))?.[2] ?? "/";
    return [folder, join(folder, group)].map((each) => ({ folder: each, version }));
  });
}

/** What one broker may use, over all its lives. What it has cached of files counts, and its disk where that lies in memory. */
export class MemoryLimit {
  /** Before a command, so that it runs under this limit. */
  readonly prefix: readonly string[];
  readonly #folder: string;
  readonly #version: Version;

  private constructor(folder: string, version: Version) {
    this.#folder = folder;
    this.#version = version;
    this.prefix = ["sh", "-c", 'echo $$ >"$0" && exec "$@"', join(folder, "cgroup.procs")];
  }

  static async make({ root, version }: MemoryGroups, name: string): Promise<MemoryLimit> {
    const folder = join(root, name);
    await mkdir(folder);
    await writeFile(join(folder, version.swap), "0").catch(() => {}); // not there where swap spaces are not accounted for
    return new MemoryLimit(folder, version);
  }

  async usedBytes(): Promise<number> {
    return Number(await readFile(join(this.#folder, this.#version.usage), "utf8"));
  }

  /** Null: no limit. Rejects when so much cannot be freed. */
  async set(bytes: number | null): Promise<void> {
    await writeFile(join(this.#folder, this.#version.limit), bytes === null ? this.#version.noLimit : String(Math.round(bytes)));
  }

  /** When its processes are gone. */
  async remove(): Promise<void> {
    await rmdir(this.#folder);
  }
}
