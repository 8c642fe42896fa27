import { mkdir, readFile, rmdir, writeFile } from "node:fs/promises";

/** The file names of one version of control groups. */
const versions = [
  { root: "/sys/fs/cgroup/memory", limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes", none: "-1" },
  { root: "/sys/fs/cgroup", limit: "memory.max", usage: "memory.current", none: "max" },
] as const;

const mebibyte = 1024 * 1024;

/** What one process may use of the memory, the files that it has cached included: a control group of its own. */
export class MemoryLimit {
  /** Before a command, so that it runs under this limit. */
  readonly prefix: readonly string[];
  readonly #folder: string;
  readonly #version: (typeof versions)[number];

  private constructor(folder: string, version: (typeof versions)[number]) {
    this.#folder = folder;
    this.#version = version;
    this.prefix = ["sh", "-c", 'echo $$ >"$0" && exec "$@"', `${folder}/cgroup.procs`];
  }

  /** Or why there can be none. */
  static async make(name: string, mib: number): Promise<MemoryLimit | string> {
    const reasons: string[] = [];
    for (const version of versions) {
      const folder = `${version.root}/ottla-${name}-${process.pid}`;
      try {
        await mkdir(folder);
        const limit = new MemoryLimit(folder, version);
        await limit.set(mib);
        return limit;
      } catch (error) {
        await rmdir(folder).catch(() => {});
        reasons.push((error as Error).message);
      }
    }
    return `a memory limit takes root and the memory controller of control groups: ${reasons.join("; ")}`;
  }

  /** Null: none. Rejects when so much cannot be freed. */
  async set(mib: number | null): Promise<void> {
    await writeFile(`${this.#folder}/${this.#version.limit}`, mib === null ? this.#version.none : String(Math.round(mib * mebibyte)));
  }

  async usedMib(): Promise<number> {
    return Number(await readFile(`${this.#folder}/${this.#version.usage}`, "utf8")) / mebibyte;
  }

  /** Its processes have ended. */
  async remove(): Promise<void> {
    await rmdir(this.#folder);
  }
}
