import { readdir, readFile, writeFile } from "node:fs/promises";
import type { Point } from "../outcome.ts";
import { contextSwitchesOf, cpuSecondsOf, memoryOf, writtenBytesOf } from "./proc-files.ts";

export interface MeteredProcess {
  readonly name: string;
  readonly pid: number;
  readonly role: "broker" | "coordinator";
}

/** Of one process, up to a moment. */
interface Reading {
  readonly cpuSeconds: number;
  readonly contextSwitches: number;
  readonly writtenBytes: number;
  readonly residentBytes: number;
  readonly peakBytes: number;
}

/** What some processes used in a stretch of time. */
export interface Usage {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly contextSwitches: number;
  readonly writtenBytes: number;
  readonly residentBytes: number;
  readonly peakBytes: number;
}

export interface UsageOfAll {
  /** The coordinator's processes too. */
  readonly all: Usage;
  readonly brokers: Usage;
}

/** Beside the names of processes. */
export const allBrokers = "all brokers";
const sampleEveryMs = 500;
const mebibyte = 1024 * 1024;

function isBroker({ role }: MeteredProcess): boolean {
  return role === "broker";
}

/** Watches processes from outside, by what the kernel counts. */
export class Meter {
  readonly #processes: readonly MeteredProcess[];
  readonly #timer: NodeJS.Timeout;
  readonly #memory = new Map<string, Point[]>();
  #startedMs = performance.now();
  #before = new Map<number, Reading>();

  private constructor(processes: readonly MeteredProcess[]) {
    this.#processes = processes;
    this.#timer = setInterval(() => void this.#sample(), sampleEveryMs);
    this.#timer.unref();
  }

  get isEmpty(): boolean {
    return this.#processes.length === 0;
  }

  /** Starts the stretch, with the peaks of memory reset. */
  static async start(processes: readonly MeteredProcess[]): Promise<Meter> {
    const meter = new Meter(processes);
    await meter.restart();
    return meter;
  }

  /** The stretch starts now. */
  async restart(): Promise<void> {
    // as root or the same user; where it is not allowed the peak is that of the whole life
    await Promise.all(this.#processes.map(({ pid }) => writeFile(`/proc/${pid}/clear_refs`, "5").catch(() => undefined)));
    this.#before = await this.#readAll();
    this.#startedMs = performance.now();
    this.#memory.clear();
    await this.#sample();
  }

  /** From the start of the stretch until now. A process that has ended meanwhile is left out. */
  async usage(): Promise<UsageOfAll> {
    const seconds = (performance.now() - this.#startedMs) / 1000;
    const now = await this.#readAll();
    return { all: this.#sum(now, seconds, this.#processes), brokers: this.#sum(now, seconds, this.#processes.filter(isBroker)) };
  }

  /** Resident memory over time, MiB by seconds, of each process and of all brokers together. */
  get memory(): ReadonlyMap<string, readonly Point[]> {
    return this.#memory;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #sum(now: ReadonlyMap<number, Reading>, seconds: number, processes: readonly MeteredProcess[]): Usage {
    const pairs = processes.flatMap(({ pid }) => {
      const [before, after] = [this.#before.get(pid), now.get(pid)];
      return before === undefined || after === undefined ? [] : [{ before, after }];
    });
    const risen = (of: (reading: Reading) => number) => pairs.reduce((sum, { before, after }) => sum + of(after) - of(before), 0);
    return {
      seconds,
      cpuSeconds: risen(({ cpuSeconds }) => cpuSeconds),
      contextSwitches: risen(({ contextSwitches }) => contextSwitches),
      writtenBytes: risen(({ writtenBytes }) => writtenBytes),
      residentBytes: pairs.reduce((sum, { after }) => sum + after.residentBytes, 0),
      peakBytes: pairs.reduce((sum, { after }) => sum + after.peakBytes, 0),
    };
  }

  async #readAll(): Promise<Map<number, Reading>> {
    const readings = await Promise.all(this.#processes.map(async ({ pid }) => [pid, await readProcess(pid)] as const));
    return new Map(readings.flatMap(([pid, reading]) => (reading === null ? [] : [[pid, reading] as const])));
  }

  async #sample(): Promise<void> {
    const startedMs = this.#startedMs;
    const atSeconds = (performance.now() - startedMs) / 1000;
    let brokersMib = 0;
    const found: [name: string, mib: number][] = [];
    for (const { name, pid, role } of this.#processes) {
      const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => null);
      if (status === null) continue;
      const mib = memoryOf(status).residentBytes / mebibyte;
      if (role === "broker") brokersMib += mib;
      found.push([name, mib]);
    }
    // another stretch may have begun meanwhile
    if (this.isEmpty || startedMs !== this.#startedMs) return;
    for (const [name, mib] of [...found, [allBrokers, brokersMib] as const]) this.#add(name, [atSeconds, mib]);
  }

  #add(line: string, point: Point): void {
    const points = this.#memory.get(line) ?? [];
    points.push(point);
    this.#memory.set(line, points);
  }
}

/** Null when it has ended. */
async function readProcess(pid: number): Promise<Reading | null> {
  const read = (name: string) => readFile(`/proc/${pid}/${name}`, "utf8");
  try {
    const [stat, status, io, threads] = await Promise.all([read("stat"), read("status"), read("io"), readdir(`/proc/${pid}/task`)]);
    const switches = await Promise.all(threads.map((thread) => read(`task/${thread}/status`).then(contextSwitchesOf, () => 0)));
    return {
      cpuSeconds: cpuSecondsOf(stat),
      contextSwitches: switches.reduce((sum, count) => sum + count, 0),
      writtenBytes: writtenBytesOf(io),
      ...memoryOf(status),
    };
  } catch {
    return null;
  }
}
