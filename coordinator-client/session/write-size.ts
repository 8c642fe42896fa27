import type { WriteOperation } from "../coordinator.ts";

/**
 * ZooKeeper closes the connection on a packet above `jute.maxbuffer` (1 MiB less one byte by default); this leaves room for headers. Bytes.
 */
export const writeMaxBytes = 1_000_000;

/** Per operation, in addition to path and data: headers, lengths, ACL. Bytes. */
const overheadBytes = 64;

/** Over all unanswered writes; further ones are refused. Bounds what a slow link makes us hold. Bytes. */
export const unansweredMaxBytes = 64 * 1024 * 1024;

/**
 * The write's approximate size on the wire in bytes, and the index of the first operation that does not fit into one packet, null when all
 * fit.
 */
export function measureWrite(
  operations: readonly WriteOperation[],
  chroot: string,
): { readonly bytes: number; readonly firstTooLarge: number | null } {
  let bytes = 0;
  let firstTooLarge: number | null = null;
  for (const [index, operation] of operations.entries()) {
    bytes += overheadBytes + chroot.length + Buffer.byteLength(operation.path);
    if (operation.kind === "create" || operation.kind === "set") bytes += operation.data.length;
    if (bytes > writeMaxBytes) firstTooLarge ??= index;
  }
  return { bytes, firstTooLarge };
}
