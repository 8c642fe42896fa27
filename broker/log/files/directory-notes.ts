import { type FileSystem, replaceFile } from "../../runtime/files.ts";
import { decodeChecked, encodeChecked, readIfThere } from "./checkpoint-file.ts";
import { fileNames } from "./file-names.ts";

/**
 * What a broker's logs may lack of what they once had, after a stop that was not clean:
 * - `none`: nothing.
 * - `unregistered`: the end of what it had, and this was not reported yet.
 * - `since`: what it was in sync with before it registered under `brokerEpoch`. Whether that matters to a partition is for the controller
 *   to judge, from the registration under which the broker joined the in-sync set; whether one has done so, this broker does not know.
 *
 * Handed on from each start to the next. Otherwise: (1) the power fails, and the end of a log is lost; (2) the next start recovers what is
 * left, finds its port in use, and stops; (3) the start after that finds the stop clean and registers as a broker that has everything: it
 * is elected, and the others cut what was acknowledged. The same when it is stopped while it waits to join, and when it registers, and
 * stops, while there is no controller to judge it.
 */
export type Doubt =
  | { readonly kind: "none" }
  | { readonly kind: "unregistered" }
  | { readonly kind: "since"; readonly brokerEpoch: number };

export const noDoubt = { kind: "none" } as const;

/** Of several log directories: the doubt of all of them. */
export function joinedDoubt(doubts: readonly Doubt[]): Doubt {
  if (doubts.some(({ kind }) => kind === "unregistered")) return { kind: "unregistered" };
  const epochs = doubts.flatMap((doubt) => (doubt.kind === "since" ? [doubt.brokerEpoch] : []));
  return epochs.length === 0 ? noDoubt : { kind: "since", brokerEpoch: Math.max(...epochs) };
}

/**
 * This start has registered. An epoch above it comes from a coordinator whose transaction ids have started over since: it counts as the
 * present one.
 */
export function doubtOnceRegistered(doubt: Doubt, brokerEpoch: number): Doubt {
  if (doubt.kind === "none") return doubt;
  return { kind: "since", brokerEpoch: doubt.kind === "since" ? Math.min(doubt.brokerEpoch, brokerEpoch) : brokerEpoch };
}

/** What the marker of a clean stop says. */
export interface CleanShutdown {
  readonly doubt: Exclude<Doubt, { kind: "unregistered" }>;
  /** Of `ottla-clean-stop`; null: there is none of that stop. */
  readonly closedChecksum: number | null;
}

/**
 * The marker of a clean stop, in Kafka's format; the fields under `ottla` are ours, in one file so that neither can exist without the
 * other.
 */
export function encodeCleanShutdown(brokerEpoch: number, { doubt, closedChecksum }: CleanShutdown): Buffer {
  const recovered = doubt.kind === "since" ? { recovered_under: doubt.brokerEpoch } : {};
  return Buffer.from(JSON.stringify({ version: 0, brokerEpoch, ottla: { ...recovered, closed_crc32c: closedChecksum } }));
}

/** Null: the marker is neither Kafka's nor ours, and vouches for nothing. Kafka's older brokers leave it empty. */
export function decodeCleanShutdown(content: Buffer): CleanShutdown | null {
  const kafkas: CleanShutdown = { doubt: noDoubt, closedChecksum: null };
  if (content.length === 0) return kafkas;
  const marker = membersOf(parsed(content));
  if (marker === null) return null;
  if (marker.ottla === undefined) return kafkas;
  const ours = membersOf(marker.ottla);
  const { recovered_under: brokerEpoch, closed_crc32c: closedChecksum = null } = ours ?? {};
  if (ours === null || (closedChecksum !== null && !Number.isSafeInteger(closedChecksum))) return null;
  if (brokerEpoch !== undefined && !Number.isSafeInteger(brokerEpoch)) return null;
  const doubt: CleanShutdown["doubt"] = brokerEpoch === undefined ? noDoubt : { kind: "since", brokerEpoch: brokerEpoch as number };
  return { doubt, closedChecksum: closedChecksum as number | null };
}

function parsed(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString("utf8"));
  } catch {
    return null;
  }
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : null;
}

/**
 * What a broker remembers of the coordinator that it served last: a coordinator that holds another cluster, or an older controller epoch,
 * is no longer the same one.
 */
export interface SeenControllerEpoch {
  readonly clusterId: string;
  /** The newest that a controller announced, or under which this broker was elected. */
  readonly controllerEpoch: number;
}

/**
 * `ottla-controller-epoch`, in each log directory: three lines in a checkpoint's frame, the last one the checksum of those before it. Any
 * of a broker's directories will do, the newest counts; so a file that is new, lost or damaged does no harm as long as another exists.
 */
export function encodeControllerEpochFile({ clusterId, controllerEpoch }: SeenControllerEpoch): Buffer {
  const lines = [`cluster ${clusterId}`, `controllerEpoch ${controllerEpoch}`];
  return encodeChecked(lines);
}

/** Null when it is damaged. */
export function decodeControllerEpochFile(content: Buffer): SeenControllerEpoch | null {
  const [cluster, epoch, ...more] = decodeChecked(content) ?? [];
  if (cluster === undefined || epoch === undefined || more.length > 0) return null;
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
