import { type FileSystem, replaceFile } from "../../runtime/files.ts";
import { readIfThere } from "../checkpoint-file.ts";

/** Beside the folder of a log that is being moved to another directory: which of the two is the log, should both have its name. */
export interface MoveNote {
  /** `moving`: once the other one has the name, it is the log. `cancelled`: the other directory failed, and this one went on. */
  readonly state: "moving" | "cancelled";
  /** The other directory. */
  readonly to: string;
}

export function writeMoveNote(files: FileSystem, path: string, note: MoveNote): Promise<void> {
  return replaceFile(files, path, Buffer.from(`${JSON.stringify({ version: 0, ...note })}\n`));
}

/** Null when there is none, or nothing usable in it: it is replaced in one step, so then somebody else wrote it. */
export async function readMoveNote(files: FileSystem, path: string): Promise<MoveNote | null> {
  const content = await readIfThere(files, path);
  if (content === null) return null;
  try {
    const { state, to } = JSON.parse(content.toString("utf8")) as Record<string, unknown>;
    return (state === "moving" || state === "cancelled") && typeof to === "string" ? { state, to } : null;
  } catch {
    return null;
  }
}
