import { expect, test } from "vitest";
import { tooLittleMemory } from "../../../broker/assembly/shares.ts";
import { readConfig } from "../../../broker/runtime/config/read-config.ts";

const mebibyte = 1024 * 1024;

function warningFor(mib: number, ...overrides: string[]): string | null {
  const { settings } = readConfig({
    fileText: null,
    environment: {},
    overrides: ["broker.id=1", "listeners=PLAINTEXT://127.0.0.1:9092", "log.dirs=/d", "zookeeper.connect=z:2181", ...overrides],
    hostname: "h",
  });
  return tooLittleMemory(settings, mib * mebibyte);
}

test("a broker whose clients may take more memory than it has says so, with what to lower", () => {
  expect(warningFor(1_024)).toBe(null);
  expect(warningFor(256)).toMatch(
    /may use 256 MiB.*clients may take 125 MiB, the ends of the logs 64 MiB.*lower queued\.max\.request\.bytes/,
  );
  const sized = ["queued.max.request.bytes=16777216", "socket.request.max.bytes=10000000", "ottla.log.tail.cache.max.bytes=8388608"];
  expect(warningFor(256, ...sized)).toBe(null);
});
