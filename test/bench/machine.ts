import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, release, totalmem } from "node:os";
import { fileURLToPath } from "node:url";

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGib: number;
  readonly system: string;
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
    node: process.versions.node,
    java: /version "([^"]+)"/.exec(run("java", ["-version"]))?.[1] ?? null,
    commit: /^[0-9a-f]+/.exec(run("git", ["-C", root, "rev-parse", "--short=12", "HEAD"]))?.[0] ?? null,
    load: Number(read("/proc/loadavg").split(" ")[0]),
  };
}

export function machineAsText({ processor, cores, memoryGib, system, node, java, commit, load }: Machine): string {
  const versions = [`Node ${node}`, ...(java === null ? [] : [`Java ${java}`]), ...(commit === null ? [] : [`commit ${commit}`])];
  return `${cores} cores (${processor}), ${memoryGib.toFixed(0)} GiB, ${system}; ${versions.join(", ")}; load ${load} at the start`;
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
