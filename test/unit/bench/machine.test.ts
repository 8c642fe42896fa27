import { expect, test } from "vitest";
import { diskOf } from "../../bench/machine.ts";

const mounts = "/dev/vda / ext4 rw 0 0\nproc /proc proc rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/sdb /tmp/data xfs rw 0 0\n";

test("a folder is on the file system that is mounted nearest above it", () => {
  expect(diskOf("/tmp", mounts)).toBe("/tmp (tmpfs on tmpfs)");
  expect(diskOf("/tmp/data/x", mounts)).toBe("/tmp/data/x (xfs on /dev/sdb)");
  expect(diskOf("/tmpfolder", mounts)).toBe("/tmpfolder (ext4 on /dev/vda)");
  expect(diskOf("/tmp", "")).toBe("/tmp");
});
