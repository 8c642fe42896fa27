import { describe, expect, test } from "vitest";
import { DataDirectories, DataDirectoryInUse } from "../../../broker/data-directories.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { MemoryDisk } from "../../support/memory-files.ts";
import { StillClock } from "../log/log-fixture.ts";

const paths = ["/disk1", "/disk2"];

function start(disk = new MemoryDisk({ clock: new StillClock(), random: seededRandom(1) })) {
  const said: string[] = [];
  const log = { ...silentLogger, error: (_: object, message: string) => said.push(message) };
  const directories = new DataDirectories(paths, { files: disk.attach(), random: seededRandom(2), log, brokerId: 7 });
  return { disk, said, directories };
}

describe("the data directories of a broker that starts", () => {
  test("are marked as its own, each with an id that stays; new ones mean that logs may be missing", async () => {
    const { disk, directories } = start();
    await directories.lock();
    expect(await directories.remaining()).toEqual(new Set());
    const ids = await directories.claim("c");
    expect(new Set(ids).size).toBe(2);
    await directories.unlock();
    disk.makeDirectory("/disk2/t-3");

    const again = start(disk).directories;
    await again.lock();
    expect(await again.remaining()).toBeNull();
    expect(await again.claim("c")).toEqual(ids);
    await again.unlock();

    disk.remove("/disk1/meta.properties");
    const replaced = start(disk).directories;
    await replaced.lock();
    expect(await replaced.remaining()).toEqual(new Set(["t-3"]));
  });

  test("are left out when they cannot be used, and the operator is told why and what to do; without any the start fails", async () => {
    const { disk, said, directories } = start();
    disk.fault = ({ path }) => (path.startsWith("/disk1") ? "EROFS" : null);
    await directories.lock();
    expect(directories.usable).toEqual(["/disk2"]);
    expect(directories.offline.map(({ directory }) => directory)).toEqual(["/disk1"]);
    expect(said).toEqual([
      expect.stringMatching(/^log directory \/disk1 is offline: making \/disk1 failed: .*read-only.*mount it writable.*restart broker 7$/),
    ]);
    expect(await directories.remaining()).toEqual(new Set());
    expect(await directories.claim("c")).toHaveLength(1);

    disk.fault = () => "EACCES";
    const none = start(disk).directories;
    await expect(none.lock()).rejects.toThrow(
      /^none of the 2 data directories can be used: log directory \/disk1 is offline: .*permission was denied \(EACCES\); give the broker's user/,
    );
  });

  test("must not be another process', another broker's, or a copy of each other", async () => {
    const { disk, directories } = start();
    await directories.lock();
    await directories.claim("c");
    await expect(start(disk).directories.lock()).rejects.toThrow(
      new DataDirectoryInUse("the data directory /disk1 is in use by another broker process"),
    );
    await expect(directories.claim("other")).rejects.toThrow(/\/disk1 holds data of cluster c/);
    const copied = disk.file("/disk1/meta.properties").content();
    disk.file("/disk2/meta.properties").replace(copied);
    await expect(directories.claim("c")).rejects.toThrow(/\/disk2 is a copy of \/disk1/);
  });
});
