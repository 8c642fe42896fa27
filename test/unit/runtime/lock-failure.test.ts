import { describe, expect, test } from "vitest";
import { failureInWords, remedyFor } from "../../../broker/log/files/log-health.ts";
import { isBusy, lockFailure } from "../../../broker/runtime/lock-failure.ts";

const sqliteError = (errcode: number) => Object.assign(new Error("sqlite's words"), { code: "ERR_SQLITE_ERROR", errcode });

describe("a failed lock", () => {
  test.each([
    [3, "permission was denied (EACCES)", /the right to read and write/],
    [8, "permission was denied (EACCES)", /the right to read and write/],
    [10 | (1 << 8), "the device reported an input/output error (EIO)", /check the disk/],
    [13, "no space is left on the device (ENOSPC)", /^free space there/],
    [10 | (15 << 8), "the file system has no locks to give (ENOLCK)", /lock service/],
  ])("with SQLite's code %i is told as the system's failure", (errcode, words, remedy) => {
    const failure = lockFailure(sqliteError(errcode), "/d/.lock", null);
    expect(failureInWords(failure)).toBe(`locking /d/.lock failed: ${words}`);
    expect(remedyFor(failure)).toMatch(remedy);
  });

  test("of any other kind names the file with SQLite's words", () => {
    expect(failureInWords(lockFailure(sqliteError(26), "/d/.lock", null))).toBe(
      "locking /d/.lock failed: sqlite's words (ERR_SQLITE_ERROR)",
    );
  });

  test("is no failure where another has the lock", () => {
    expect([5, 5 | (1 << 8), 6, 14].map((errcode) => isBusy(sqliteError(errcode)))).toEqual([true, true, false, false]);
  });

  test("on a file that cannot be opened is told with what the system says of that", () => {
    const opened = Object.assign(new Error("EMFILE"), { code: "EMFILE", syscall: "open", path: "/d/.lock" });
    expect(failureInWords(lockFailure(sqliteError(14), "/d/.lock", opened))).toBe(
      "opening /d/.lock failed: this process has too many files open (EMFILE)",
    );
  });
});
