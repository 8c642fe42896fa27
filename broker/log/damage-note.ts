import { type FileSystem, replaceFile } from "../runtime/files.ts";
import { readIfThere } from "./checkpoint-file.ts";
import { fileNames } from "./file-names.ts";
import type { LogDamage } from "./log-contract.ts";

/**
 * A log that is known to be damaged stays so over restarts, until it is begun anew: a note in its folder says it. Else: (1) a clean stop;
 * (2) the log's end rots; (3) a start finds it and cuts it; (4) another clean stop, another start: the log looks whole, and its broker says
 * that nothing it had is missing.
 */
export function noteDamage(files: FileSystem, folder: string, damage: LogDamage): Promise<void> {
  return replaceFile(files, `${folder}/${fileNames.damage}`, Buffer.from(`${JSON.stringify({ version: 0, ...damage })}\n`));
}

export async function readDamage(files: FileSystem, folder: string): Promise<LogDamage | null> {
  const path = `${folder}/${fileNames.damage}`;
  const content = await readIfThere(files, path);
  return content === null
    ? null
    : (decodeDamage(content) ?? { kind: "end-lost", path, position: 0, offset: 0, reason: "what was damaged cannot be read" });
}

/** Null when it says nothing usable. */
export function decodeDamage(content: Buffer): LogDamage | null {
  try {
    const { kind, path, position, offset, reason } = JSON.parse(content.toString("utf8")) as Record<string, unknown>;
    if (kind !== "batch" && kind !== "end-lost") return null;
    if (!Number.isSafeInteger(position) || !Number.isSafeInteger(offset)) return null;
    return { kind, path: String(path), position: position as number, offset: offset as number, reason: String(reason) };
  } catch {
    return null;
  }
}

export async function forgetDamage(files: FileSystem, folder: string): Promise<void> {
  await files.remove(`${folder}/${fileNames.damage}`);
  await files.syncDirectory(folder);
}
