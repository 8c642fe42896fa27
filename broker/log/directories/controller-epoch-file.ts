import { crc32c } from "@node-rs/crc32";
import { type FileSystem, replaceFile } from "../../runtime/files.ts";
import { decodeCheckpoint, encodeCheckpoint, readIfThere } from "../checkpoint-file.ts";
import { fileNames } from "../file-names.ts";

/**
 * What a broker remembers of the coordinator that it served last: a coordinator that holds another cluster, or an older controller epoch,
 * is not that one any more.
 */
export interface SeenControllerEpoch {
  readonly clusterId: string;
  /** The newest that a controller made itself known with, or that this broker was elected under. */
  readonly controllerEpoch: number;
}

/**
 * `ottla-controller-epoch`, in each log directory: three lines in a checkpoint's frame, the last one the checksum of those before it. Any
 * of a broker's directories will do, the newest counts; so one that is new, lost or damaged takes nothing away as long as another is there.
 */
export function encodeControllerEpochFile({ clusterId, controllerEpoch }: SeenControllerEpoch): Buffer {
  const lines = [`cluster ${clusterId}`, `controllerEpoch ${controllerEpoch}`];
  return encodeCheckpoint([...lines, checkLine(lines)]);
}

/** Null when it is damaged. */
export function decodeControllerEpochFile(content: Buffer): SeenControllerEpoch | null {
  const lines = decodeCheckpoint(content);
  const [cluster, epoch, check, ...more] = lines ?? [];
  if (cluster === undefined || epoch === undefined || check !== checkLine([cluster, epoch]) || more.length > 0) return null;
  const clusterId = /^cluster (\S+)$/.exec(cluster)?.[1];
  const controllerEpoch = /^controllerEpoch (\d{1,10})$/.exec(epoch)?.[1];
  return clusterId === undefined || controllerEpoch === undefined ? null : { clusterId, controllerEpoch: Number(controllerEpoch) };
}

export async function readControllerEpochFile(files: FileSystem, directory: string): Promise<SeenControllerEpoch | "missing" | "damaged"> {
  const content = await readIfThere(files, `${directory}/${fileNames.controllerEpoch}`);
  return content === null ? "missing" : (decodeControllerEpochFile(content) ?? "damaged");
}

export function writeControllerEpochFile(files: FileSystem, directory: string, seen: SeenControllerEpoch): Promise<void> {
  return replaceFile(files, `${directory}/${fileNames.controllerEpoch}`, encodeControllerEpochFile(seen));
}

function checkLine(lines: readonly string[]): string {
  return `crc32c ${crc32c(lines.join("\n"))}`;
}
