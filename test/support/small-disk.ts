import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * A file system of its own in memory (tmpfs), so that a disk can be filled up for real. Where this process may not mount one, `mount`
 * returns why.
 */
export class SmallDisk {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** `filesMax`: with its root folder. */
  static async mount(path: string, megabytes: number, filesMax = 100_000): Promise<SmallDisk | string> {
    if (process.platform !== "linux" || process.getuid?.() !== 0) return "mounting a tmpfs takes root on Linux";
    await mkdir(path, { recursive: true });
    try {
      await run("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m,nr_inodes=${filesMax}`, "tmpfs", path]);
    } catch (error) {
      return `no tmpfs can be mounted here: ${(error as Error).message.trim()}`;
    }
    return new SmallDisk(path);
  }

  async resize(megabytes: number): Promise<void> {
    await run("mount", ["-o", `remount,size=${megabytes}m`, this.path]);
  }

  /** Also while files are open there. */
  async unmount(): Promise<void> {
    await run("umount", ["-l", this.path]);
  }
}
