import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { fileURLToPath } from "node:url";

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly system: string;
  /** Where the brokers' files are. */
  readonly disk: string;
  readonly node: string;
  /** Null: none. */
  readonly java: string | null;
  /** Of this checkout; null where there is no git. */
  readonly commit: string | null;
  /** How busy it was at the start, in cores, over the last minute. */
  readonly load: number;
}

export function describeMachine(): Machine {
  const root = fileURLToPath(new URL("../..", import.meta.url));
  return {
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGib: totalmem() / 2 ** 30,
    system: `${/^PRETTY_NAME="(.*)"$/m.exec(read("/etc/os-release"))?.[1] ?? "Linux"}, kernel ${release()}`,
    disk: diskOf(tmpdir(), read("/proc/mounts")),
    node: process.versions.node,
    java: /version "([^"]+)"/.exec(run("java", ["-version"]))?.[1] ?? null,
    commit: /^[0-9a-f]+/.exec(run("git", ["-C", root, "rev-parse", "--short=12", "HEAD"]))?.[0] ?? null,
    load: Number(read("/proc/loadavg").split(" ")[0]),
  };
}

export function machineAsText({ processor, cores, memoryGib, system, disk, node, java, commit, load }: Machine): string {
  const versions = [`Node ${node}`, ...(java === null ? [] : [`Java ${java}`]), ...(commit === null ? [] : [`commit ${commit}`])];
  return `${cores} cores (${processor}), ${memoryGib.toFixed(0)} GiB, files in ${disk}, ${system}; ${versions.join(", ")}; load ${load} at the start`;
}

/** A path with the file system that it is on, by the kernel's list of them. */
export function diskOf(path: string, mounts: string): string {
  const all = mounts.split("\n").map((line) => line.split(" "));
  const holds = (folder: string) => folder === "/" || path === folder || path.startsWith(`${folder}/`);
  const [found] = all
    .filter(([, folder]) => folder !== undefined && holds(folder))
    .sort((a, b) => (b[1]?.length ?? 0) - (a[1]?.length ?? 0));
  return found === undefined ? path : `${path} (${found[2]} on ${found[0]})`;
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** What it says, wherever it says it. */
function run(command: string, args: readonly string[]): string {
  const { stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  return `${stdout ?? ""}${stderr ?? ""}`;
}
