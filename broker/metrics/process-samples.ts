import type { Clock } from "../../protocol/base/clock.ts";
import type { DirectorySpace } from "../log/store-contract.ts";
import type { MonitoringHost } from "../runtime/monitoring-host.ts";
import type { LoopDelay } from "./loop-delay.ts";
import type { Samples } from "./samples.ts";

export async function collectProcess(host: Pick<MonitoringHost, "figures">, delay: LoopDelay, into: Samples): Promise<void> {
  const figures = await host.figures();
  into.add("process_cpu_user_seconds_total", figures.cpuUserSeconds);
  into.add("process_cpu_system_seconds_total", figures.cpuSystemSeconds);
  into.add("process_cpu_seconds_total", figures.cpuUserSeconds + figures.cpuSystemSeconds);
  into.add("process_start_time_seconds", figures.startedAtMs / 1000);
  into.add("process_resident_memory_bytes", figures.residentBytes);
  into.add("process_open_fds", figures.openFiles);
  into.add("process_max_fds", figures.openFilesMax);
  into.add("nodejs_heap_size_used_bytes", figures.heapUsedBytes);
  into.add("nodejs_heap_size_total_bytes", figures.heapTotalBytes);
  into.add("nodejs_external_memory_bytes", figures.externalBytes);
  into.add("nodejs_gc_seconds_total", figures.gcSeconds);
  into.add("nodejs_gc_pauses_total", figures.gcPauses);
  into.add("ottla_event_loop_active_seconds_total", figures.loopActiveSeconds);
  into.add("ottla_event_loop_idle_seconds_total", figures.loopIdleSeconds);
  into.histogram("ottla_event_loop_delay_seconds", delay.delays);
}

export interface MemoryUse {
  readonly user: string;
  readonly bytes: number;
  /** Null: there is none of its own. */
  readonly limitBytes: number | null;
}

export function collectMemory(uses: readonly MemoryUse[], into: Samples): void {
  for (const { user, bytes, limitBytes } of uses) {
    into.add("ottla_memory_bytes", bytes, { user });
    into.add("ottla_memory_limit_bytes", Number.isFinite(limitBytes) ? limitBytes : null, { user });
  }
}

/** A file system that hangs must not hold up a scrape: then its size is left out, and one look at it stays under way, not many. */
const spaceMaxMs = 1_000;

export interface Disks {
  readonly stuckForMs: number;
  spaces(): Promise<readonly DirectorySpace[]>;
  onlineDirectories: readonly string[];
}

export class DiskSamples {
  readonly #disks: Disks;
  readonly #clock: Clock;
  readonly #directories: readonly string[];
  #looking: Promise<readonly DirectorySpace[]> | null = null;

  constructor(disks: Disks, directories: readonly string[], clock: Clock) {
    this.#disks = disks;
    this.#directories = directories;
    this.#clock = clock;
  }

  async collect(into: Samples): Promise<void> {
    into.add("ottla_disk_stuck_seconds", this.#disks.stuckForMs / 1000);
    const online = new Set(this.#disks.onlineDirectories);
    for (const directory of this.#directories) into.flag("ottla_log_directory_online", online.has(directory), { directory });
    for (const { directory, space } of await this.#spaces()) {
      if (space === null) continue;
      into.add("ottla_log_directory_size_bytes", space.totalBytes, { directory });
      into.add("ottla_log_directory_available_bytes", space.usableBytes, { directory });
    }
  }

  async #spaces(): Promise<readonly DirectorySpace[]> {
    this.#looking ??= this.#disks.spaces().finally(() => {
      this.#looking = null;
    });
    const { promise: late, resolve } = Promise.withResolvers<readonly DirectorySpace[]>();
    const timer = this.#clock.schedule(spaceMaxMs, () => resolve([]));
    try {
      return await Promise.race([this.#looking, late]);
    } finally {
      timer.cancel();
    }
  }
}
