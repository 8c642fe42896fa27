import { readFile } from "node:fs/promises";
import { crc32c } from "@node-rs/crc32";
import { CommandFailed } from "../output/command-failed.ts";
import type { FileIdentity } from "./followed-files.ts";
import { replaceFile } from "./replace-file.ts";

/** How far one file was shipped. */
export interface FilePosition {
  readonly identity: FileIdentity;
  readonly position: number;
  /** Of the file's first `headBytes` bytes: inodes are reused for other files. */
  readonly headCrc: number;
  readonly headBytes: number;
}

/** At most this many of a file's first bytes are remembered to know it again. */
export const headBytesMax = 256;

export function headCrc(head: Buffer): number {
  return crc32c(head);
}

/** Remembers over restarts how far the followed files were stored, oldest file first. */
export class PositionFile {
  readonly #path: string;
  #written = "";

  constructor(path: string) {
    this.#path = path;
  }

  async read(): Promise<readonly FilePosition[]> {
    const content = await readFile(this.#path, "utf8").catch((error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") return null;
      throw new CommandFailed(`the position file ${this.#path} cannot be read: ${error.message}`);
    });
    if (content === null) return [];
    const positions = parsePositions(content);
    if (positions === null)
      throw new CommandFailed(
        `${this.#path} is not a position file of ours; name another with --position-file, or remove it to start over`,
      );
    return positions;
  }

  /** Replaces the file atomically; nothing happens when it has the same contents already. */
  async write(positions: readonly FilePosition[]): Promise<void> {
    const content = formatPositions(positions);
    if (content === this.#written) return;
    await replaceFile(this.#path, content);
    this.#written = content;
  }
}

export function formatPositions(files: readonly FilePosition[]): string {
  return `${JSON.stringify({ version: 1, files }, null, 2)}\n`;
}

/** Null when it is anything else. */
export function parsePositions(content: string): readonly FilePosition[] | null {
  try {
    const parsed: unknown = JSON.parse(content);
    if (!isObject(parsed) || parsed.version !== 1 || !Array.isArray(parsed.files)) return null;
    return parsed.files.every(isFilePosition) ? parsed.files : null;
  } catch {
    return null;
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function isFilePosition(value: unknown): value is FilePosition {
  if (!isObject(value)) return false;
  const counts = [value.position, value.headCrc, value.headBytes];
  return typeof value.identity === "string" && counts.every((count) => Number.isSafeInteger(count) && Number(count) >= 0);
}
