/** Linux counts processor time in hundredths of a second (USER_HZ, the same on every machine that Node runs on). */
const ticksPerSecond = 100;

/** Processor time of all threads of a process so far, those that have ended too: `/proc/PID/stat`. Seconds. */
export function cpuSecondsOf(stat: string): number {
  // the second field is the program's name in parentheses, and may hold anything, blanks and parentheses too
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [user, system] = [Number(fields[11]), Number(fields[12])];
  return (user + system) / ticksPerSecond;
}

export interface MemoryOfProcess {
  readonly residentBytes: number;
  /** Since the start, or since the peak was reset. */
  readonly peakBytes: number;
}

/** `/proc/PID/status`. */
export function memoryOf(status: string): MemoryOfProcess {
  return { residentBytes: numberIn(status, /^VmRSS:\s+(\d+) kB$/m) * 1024, peakBytes: numberIn(status, /^VmHWM:\s+(\d+) kB$/m) * 1024 };
}

/** `/proc/PID/task/TID/status`, of one thread: how often it gave up its core, waiting or because its time was over. */
export function contextSwitchesOf(status: string): number {
  return numberIn(status, /^voluntary_ctxt_switches:\s+(\d+)$/m) + numberIn(status, /^nonvoluntary_ctxt_switches:\s+(\d+)$/m);
}

/**
 * `/proc/PID/io`: bytes that the process wrote to disks, counted when they become dirty in the page cache; without those of deleted files
 * that never got there.
 */
export function writtenBytesOf(io: string): number {
  return numberIn(io, /^write_bytes: (\d+)$/m) - numberIn(io, /^cancelled_write_bytes: (\d+)$/m);
}

function numberIn(text: string, pattern: RegExp): number {
  return Number(pattern.exec(text)?.[1] ?? 0);
}
