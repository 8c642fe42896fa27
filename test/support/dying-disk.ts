import type { MemoryDisk } from "./memory-files.ts";

/**
 * Runs `work` until the `operation`-th operation on the disk; there `die` (a kill, a power failure) happens, and what was in progress is
 * abandoned. False: the work was done before that.
 */
export async function dyingAt(disk: MemoryDisk, operation: number, die: () => void, work: () => Promise<unknown>): Promise<boolean> {
  let left = operation;
  const died = new Promise<void>((resolve) => {
    disk.fault = () => {
      if (--left === 0) {
        die();
        resolve();
      }
      return null;
    };
  });
  try {
    await Promise.race([work(), died]);
  } finally {
    disk.fault = null;
  }
  return left <= 0;
}

/** The process ends with what the operating system has; with `power` lost, with what the disk has. */
export function endLife(disk: MemoryDisk, power: boolean): void {
  if (power) disk.crash();
  else disk.loseProcess();
}
