import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ownIdentity, type ProcessIdentity, startTicksOf } from "./process-identity.ts";

export interface RunningBroker extends ProcessIdentity {
  readonly id: number;
  readonly address: string;
  readonly startedAtMs: number;
}

/** What an `ottla up` says of itself in its folder, for `ottla status` and `ottla down`. */
export interface RunningCluster {
  readonly owner: ProcessIdentity;
  readonly startedAtMs: number;
  /** `pid` is null when it is not ours. */
  readonly zookeeper: { readonly connect: string; readonly pid: number | null } | null;
  /** Each as it was last started; it may have ended since. */
  readonly brokers: readonly RunningBroker[];
}

const fileName = "up.json";

/** Null: none, or none that can be understood. Whether that process still runs is not said by the file: it stays when `up` is killed. */
export function readRunningCluster(folder: string): RunningCluster | null {
  try {
    const value = JSON.parse(readFileSync(join(folder, fileName), "utf8")) as Partial<RunningCluster>;
    const isWhole = typeof value.owner?.pid === "number" && typeof value.startedAtMs === "number" && Array.isArray(value.brokers);
    return isWhole ? (value as RunningCluster) : null;
  } catch {
    return null;
  }
}

/** Keeps the file true while a cluster runs. Who has the folder's lock writes it. */
export class RunningNote {
  readonly #folder: string;
  readonly #nowMs: () => number;
  #cluster: RunningCluster;

  constructor(folder: string, nowMs: () => number) {
    this.#folder = folder;
    this.#nowMs = nowMs;
    this.#cluster = { owner: ownIdentity(), startedAtMs: nowMs(), zookeeper: null, brokers: [] };
    this.#write();
  }

  zookeeper(connect: string, pid: number | null): void {
    this.#cluster = { ...this.#cluster, zookeeper: { connect, pid } };
    this.#write();
  }

  brokerStarted(id: number, address: string, pid: number | undefined): void {
    const others = this.#cluster.brokers.filter((broker) => broker.id !== id);
    if (pid === undefined) return; // could not be started, which is told elsewhere
    const { machine } = this.#cluster.owner;
    const broker = { id, address, pid, startTicks: startTicksOf(pid), machine, startedAtMs: this.#nowMs() };
    this.#cluster = { ...this.#cluster, brokers: [...others, broker].toSorted((a, b) => a.id - b.id) };
    this.#write();
  }

  remove(): void {
    rmSync(join(this.#folder, fileName), { force: true });
  }

  /** A full disk, or a folder that was removed, is no reason to end a cluster. */
  #write(): void {
    const file = join(this.#folder, fileName);
    try {
      writeFileSync(`${file}.new`, `${JSON.stringify(this.#cluster)}\n`);
      renameSync(`${file}.new`, file);
    } catch {
      // what is there is older, and `ottla status` looks at the processes themselves
    }
  }
}
