import type { WriteOperation } from "../coordinator.ts";

/** ZooKeeper closes the connection on a packet above `jute.maxbuffer` (1 MiB less one byte by default); this leaves room for headers. Bytes. */
export const writeMaxBytes = 1_000_000;

/** Around an operation's path and data: headers, lengths, ACL. */
const overheadBytes = 64;

/** The index of the operation that is first beyond what one packet may hold, or null when all fit. */
export function firstTooLarge(operations: readonly WriteOperation[], chroot: string): number | null {
  let bytes = 0;
  for (const [index, operation] of operations.entries()) {
    bytes += overheadBytes + chroot.length + Buffer.byteLength(operation.path);
    if (operation.kind === "create" || operation.kind === "set") bytes += operation.data.length;
    if (bytes > writeMaxBytes) return index;
  }
  return null;
}
