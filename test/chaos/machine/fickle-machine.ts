import { execFile } from "node:child_process";
import { type FileHandle, mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const source = join(import.meta.dirname, "fickle-machine.c");
const controlWords = 5;
const nsOfMs = 1_000_000n;
const probeAheadMs = 3_600_000;

/** Bits in what the library reads. */
const failures = { reads: 1n, writes: 2n, syncs: 4n } as const;

export interface DiskTrouble {
  /** What fails with EIO. */
  readonly failing?: readonly (keyof typeof failures)[];
  /** Nothing that is asked of the disk comes back. */
  readonly hangs?: boolean;
  /** Of every read and write; and of every sync. */
  readonly delayMs?: number;
  readonly syncDelayMs?: number;
}

/** The library, which is made here; or why there is none. */
export async function fickleLibrary(folder: string): Promise<{ readonly path: string } | string> {
  if (process.platform !== "linux") return "clocks and disks that go wrong take Linux";
  const path = join(folder, "fickle-machine.so");
  try {
    await run("cc", ["-shared", "-fPIC", "-O2", "-o", path, source, "-ldl"]);
  } catch (error) {
    return `clocks and disks that go wrong take a C compiler (cc): ${(error as Error).message.trim()}`;
  }
  return (await isObeyed(folder, path)) ? { path } : "clocks and disks that go wrong take a Node that a library can be loaded before";
}

/** A Node under it sees another time. */
async function isObeyed(folder: string, library: string): Promise<boolean> {
  const machine = await FickleMachine.make({ library, folder, disk: folder });
  await machine.setClock(probeAheadMs);
  const [command = "", ...args] = [...machine.prefix, process.execPath, "--print", "Date.now()"];
  const { stdout } = await run(command, args).catch(() => ({ stdout: "" }));
  await machine.forget();
  return Number(stdout) - Date.now() > probeAheadMs / 2;
}

/**
 * A wall clock and a disk of its own for one broker, over all its lives, that go wrong when told to. The broker is the shipped program:
 * what goes wrong does so in the calls of the C library (`fickle-machine.c`).
 */
export class FickleMachine {
  /** Before a command, so that it runs on this machine. */
  readonly prefix: readonly string[];
  readonly #control: FileHandle;
  #aheadMs = 0;
  #trouble: DiskTrouble = {};

  private constructor(prefix: readonly string[], control: FileHandle) {
    this.prefix = prefix;
    this.#control = control;
  }

  /** `disk`: the folder that goes wrong. */
  static async make(place: { readonly library: string; readonly folder: string; readonly disk: string }): Promise<FickleMachine> {
    await mkdir(place.folder, { recursive: true });
    const file = join(place.folder, "machine");
    const machine = new FickleMachine(
      ["env", `LD_PRELOAD=${place.library}`, `CHAOS_MACHINE=${file}`, `CHAOS_DISK=${place.disk}`],
      await open(file, "w"),
    );
    await machine.#tell();
    return machine;
  }

  /** The wall clock is so much ahead of the true time, or behind it. */
  async setClock(aheadMs: number): Promise<void> {
    this.#aheadMs = aheadMs;
    await this.#tell();
  }

  /** An empty trouble: all is well. */
  async setDisk(trouble: DiskTrouble): Promise<void> {
    this.#trouble = trouble;
    await this.#tell();
  }

  async forget(): Promise<void> {
    await this.#control.close();
  }

  async #tell(): Promise<void> {
    const { failing = [], hangs = false, delayMs = 0, syncDelayMs = 0 } = this.#trouble;
    const bits = failing.reduce((sum, what) => sum | failures[what], 0n);
    const words = [ns(this.#aheadMs), bits, hangs ? 1n : 0n, ns(delayMs), ns(syncDelayMs)];
    const bytes = Buffer.alloc(controlWords * 8);
    for (const [at, word] of words.entries()) bytes.writeBigInt64LE(word, at * 8);
    await this.#control.write(bytes, 0, bytes.length, 0);
  }
}

function ns(ms: number): bigint {
  return BigInt(Math.round(ms)) * nsOfMs;
}
