/** The system's error names for SQLite's result codes, as far as taking a lock can end with them. */
const codes: Readonly<Record<number, string>> = {
  3: "EACCES", // SQLITE_PERM
  8: "EACCES", // SQLITE_READONLY
  10: "EIO", // SQLITE_IOERR
  13: "ENOSPC", // SQLITE_FULL
};

/**
 * SQLITE_IOERR_UNLOCK, _RDLOCK, _CHECKRESERVEDLOCK and _LOCK: the disk is fine, but its file system does not support locks (NFS without its
 * lock service).
 */
const noLocks: ReadonlySet<number> = new Set([8, 9, 14, 15].map((kind) => 10 | (kind << 8)));

const busy = 5;

/** SQLITE_BUSY, in any of its extended forms: the lock is taken. */
export function isBusy(error: unknown): boolean {
  return primaryCode(resultCodeOf(error)) === busy;
}

/**
 * Turns a failed lock into an error like any other file failure, with the system's name for it: SQLite hides that, and its own message
 * ("unable to open database file") does not help an operator.
 * `opened`: the result of opening the file, since SQLite does not say why it could not.
 */
export function lockFailure(error: unknown, path: string, opened: NodeJS.ErrnoException | null): Error {
  if (opened !== null) return opened;
  const result = resultCodeOf(error);
  const code = noLocks.has(result) ? "ENOLCK" : codes[primaryCode(result)];
  const message = error instanceof Error ? error.message : String(error);
  return Object.assign(new Error(message, { cause: error }), { code: code ?? "ERR_SQLITE_ERROR", syscall: "lock", path });
}

function primaryCode(resultCode: number): number {
  return resultCode & 0xff;
}

/** 0: not an error of SQLite. */
function resultCodeOf(error: unknown): number {
  return error instanceof Error && "errcode" in error && typeof error.errcode === "number" ? error.errcode : 0;
}
