import { expect, test } from "vitest";
import {
  claimDataDirectory,
  formatMetaProperties,
  metaPropertiesPath,
  parseMetaProperties,
  WrongDataDirectory,
} from "../../../broker/cluster/meta-properties.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import { SimClock } from "../../sim/sim-clock.ts";
import { MemoryDisk } from "../../support/memory-files.ts";

const random = seededRandom(1);
const owner = { brokerId: 2, clusterId: "cluster-a" };
const disk = () => new MemoryDisk({ clock: new SimClock().forOwner("test"), random });

test("a new directory is marked for ever, also through a loss of power", async () => {
  const memory = disk();
  const made = await claimDataDirectory(memory.attach(), "/data", owner, random);
  expect(made).toMatchObject(owner);
  memory.crash();
  expect(await claimDataDirectory(memory.attach(), "/data", owner, random)).toEqual(made);
  const text = (await memory.attach().readFile(metaPropertiesPath("/data"))).toString();
  expect(text).toBe(`version=0\nbroker.id=2\ncluster.id=cluster-a\ndirectory.id=${made.directoryId}\n`);
});

test("a directory of another cluster or broker is refused in one line that says what to do", async () => {
  const files = disk().attach();
  await claimDataDirectory(files, "/data", owner, random);
  await expect(claimDataDirectory(files, "/data", { ...owner, clusterId: "cluster-b" }, random)).rejects.toThrow(
    "/data holds data of cluster cluster-a, but this is cluster cluster-b",
  );
  await expect(claimDataDirectory(files, "/data", { ...owner, brokerId: 3 }, random)).rejects.toThrow("set broker.id=2");
});

test("a file that Kafka wrote is understood; what is damaged is refused", () => {
  const kafka = Buffer.from("#\n#Mon Jan 01 00:00:00 UTC 2024\r\ncluster.id=abc\nversion=0\nbroker.id=7\n");
  expect(parseMetaProperties(kafka, "f")).toEqual({ brokerId: 7, clusterId: "abc", directoryId: null });
  for (const text of ["", "version=1\ncluster.id=a\nnode.id=1\n", "version=0\nbroker.id=x\ncluster.id=a\n", "version=0\nbroker.id=1\n"])
    expect(() => parseMetaProperties(Buffer.from(text), "f"), text).toThrow(WrongDataDirectory);
  const ours = { brokerId: 1, clusterId: "c", directoryId: "d=e" };
  expect(parseMetaProperties(formatMetaProperties(ours), "f")).toEqual(ours);
});
