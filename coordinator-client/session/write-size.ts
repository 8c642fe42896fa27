import type { WriteOperation } from "../coordinator.ts";

/**
 * ZooKeeper closes the connection on a packet above `jute.maxbuffer` (1 MiB less one byte by default); this leaves room for headers. Bytes.
 */
export const writeMaxBytes = 1_000_000;

/** Around an operation's path and data: headers, lengths, ACL. */
const overheadBytes = 64;

/** Over all writes that are unanswered; further ones are refused. Bounds what a slow link makes us hold. */
export const unansweredMaxBytes = 64 * 1024 * 1024;

/**
 * About what the write takes on the wire, and the index of the operation that is first beyond what one packet may hold, null when all fit.
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
