/** SQLite's result codes, as far as taking a lock can end with them, by what the system has for them. */
const codes: Readonly<Record<number, string>> = {
  3: "EACCES", // SQLITE_PERM
  8: "EACCES", // SQLITE_READONLY
  10: "EIO", // SQLITE_IOERR
  13: "ENOSPC", // SQLITE_FULL
};

/**
 * SQLITE_IOERR_UNLOCK, _RDLOCK, _CHECKRESERVEDLOCK and _LOCK: the disk is fine, but its file system has no locks to give (NFS without its
 * lock service).
 */
const noLocks: ReadonlySet<number> = new Set([8, 9, 14, 15].map((kind) => 10 | (kind << 8)));

const busy = 5;

/** SQLITE_BUSY, in any of its extended forms: another has the lock. */
export function isBusy(error: unknown): boolean {
  return primaryCode(resultCodeOf(error)) === busy;
}

/**
 * A failed lock as any other failure of files looks, with the system's name for it: SQLite keeps that to itself, and its own words ("unable
 * to open database file") help no operator.
 * `opened`: what opening the file came to, for SQLite says nothing of why it could not.
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

/** 0: it is not SQLite's. */
function resultCodeOf(error: unknown): number {
  return error instanceof Error && "errcode" in error && typeof error.errcode === "number" ? error.errcode : 0;
}
