import { basename } from "node:path";
import { codeOf, type FileSystem, parseSegmentFileName } from "../../../broker/disk-format.ts";
import { currentMagic, magicAt } from "../../../protocol/records/batch-header.ts";
import { CommandFailed, UsageError } from "../../output/command-failed.ts";

/** As much of a batch as there is before the byte that says which format it has, and that byte. */
const startBytes = 17;

/**
 * Throws where the path is no file of a log directory, whatever its name: a folder, a file that is not there, or what another program calls
 * its log. A segment with its own name may be damaged from the first byte on, and then that is told.
 */
export async function refuseOther(files: FileSystem, path: string): Promise<void> {
  const names = await files.list(path).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") throw new CommandFailed(`${path} does not exist`);
    return null;
  });
  if (names !== null) {
    const within = names.toSorted().find((name) => parseSegmentFileName(name) !== null);
    const example = within ?? "00000000000000000000.log";
    throw new UsageError(`${path} is a folder; name files in it, such as ${path}/${within === undefined ? "…/" : ""}${example}`);
  }
  const name = basename(path).replace(/\.deleted$/, "");
  if (!name.endsWith(".log") || parseSegmentFileName(name) !== null) return;
  const start = await readStart(files, path);
  // 0 and 1 are formats of old Kafkas, which are told as such
  if (start.length === 0 || (start.length === startBytes && magicAt(start, 0) >= 0 && magicAt(start, 0) <= currentMagic)) return;
  throw new UsageError(
    `${path} is no segment of a partition's log: it does not begin with a batch of records; segments are called like 00000000000000000590.log`,
  );
}

async function readStart(files: FileSystem, path: string): Promise<Buffer> {
  const file = await files.open(path, "read");
  try {
    const start = Buffer.alloc(startBytes);
    return start.subarray(0, await file.read(start, 0, startBytes, 0));
  } finally {
    await file.close();
  }
}
