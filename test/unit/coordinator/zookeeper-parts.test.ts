import { createClient } from "node-zookeeper-client";
import { describe, expect, test } from "vitest";
import { pathFault, pathPrefixes } from "../../../coordinator-client/path-rules.ts";
import { writeAnswer } from "../../../coordinator-client/zookeeper/answers.ts";
import { attemptMaxMs, pauseBeforeMs, shuffled } from "../../../coordinator-client/zookeeper/connect-pace.ts";
import { parseConnectionString } from "../../../coordinator-client/zookeeper/connection-string.ts";
import { takeApart } from "../../../coordinator-client/zookeeper/library.ts";
import { seededRandom } from "../../../protocol/base/random.ts";

describe("paths", () => {
  test("are refused as ZooKeeper refuses them, with the reason", () => {
    expect(["/", "/a", "/a/b-c_d.e", "/<default>", "/ä"].map(pathFault)).toEqual([null, null, null, null, null]);
    expect(["", "a", "/a/", "//", "/a//b", "/.", "/a/../b", "/a\u0000", "/\ue000"].filter((path) => pathFault(path) === null)).toEqual([]);
  });

  test("are listed from the root down", () => {
    expect(pathPrefixes("/a/b/c")).toEqual(["/a", "/a/b", "/a/b/c"]);
    expect(pathPrefixes("/")).toEqual([]);
  });
});

describe("a connection string", () => {
  test("names servers, with their ports or the usual one, and a chroot", () => {
    expect(parseConnectionString("one:2182, two,[::1]:2183/a/b")).toEqual({
      servers: [
        { host: "one", port: 2182 },
        { host: "two", port: 2181 },
        { host: "::1", port: 2183 },
      ],
      chroot: "/a/b",
    });
    expect(parseConnectionString("one/").chroot).toBe("");
  });

  test.each(["", "/a", ",", "one:0", "one:65536", "one:x", "a b:1", "one:1:2", "one/a//b", "one/a/"])(
    "that is wrong (%j) is refused and quoted",
    (text) => {
      expect(() => parseConnectionString(text)).toThrow(`"${text}"`);
    },
  );
});

describe("the pace of connecting", () => {
  test("every server is tried at once, then rounds pause longer and longer, within a bound", () => {
    const random = { next: () => 0.5, bytes: () => Buffer.alloc(0) };
    expect([0, 1, 2, 3, 4, 5, 6, 9].map((attempts) => pauseBeforeMs(attempts, 3, random))).toEqual([0, 0, 0, 31.25, 0, 0, 62.5, 125]);
    expect(pauseBeforeMs(10_000, 1, random)).toBe(1_250);
    expect(pauseBeforeMs(10_000, 1, { ...random, next: () => 0 }), "no more than one round in a second").toBe(1_000);
  });

  test("a first round of attempts fits into the third of the session timeout that is left after a silent link, and later ones may take the whole", () => {
    expect(attemptMaxMs(0, 3, 18_000)).toBe(2_000);
    expect(attemptMaxMs(3, 3, 18_000)).toBe(4_000);
    expect(attemptMaxMs(3_000, 3, 18_000)).toBe(18_000);
    expect(attemptMaxMs(0, 3, 600)).toBe(500);
    expect(attemptMaxMs(0, 1, 30_000), "one server that leaves an attempt unanswered must not use up the session").toBe(2_000);
  });

  test("shuffling keeps every server, and all orders come up", () => {
    const random = seededRandom(1);
    const orders = new Set(Array.from({ length: 200 }, () => shuffled([1, 2, 3], random).join("")));
    expect([...orders].sort()).toEqual(["123", "132", "213", "231", "312", "321"]);
  });
});

describe("the library's answers", () => {
  const operations = [
    { kind: "check", path: "/e", version: 3 },
    { kind: "create", path: "/a/b", data: Buffer.alloc(0), mode: "persistent" },
  ] as const;

  test("to a failed transaction name the operation that failed, not the ones given up for it", () => {
    const parts = [
      { type: -1, err: 0 },
      { type: -1, err: -101 },
    ];
    const conflict = { kind: "conflict", failedIndex: 1, reason: "no-parent" };
    expect(writeAnswer(operations, new Error("x"), parts)).toEqual({ kind: "write", result: conflict });
    const first = [
      { type: -1, err: -103 },
      { type: -1, err: -2 },
    ];
    expect(writeAnswer(operations, null, first)).toMatchObject({ result: { kind: "conflict", failedIndex: 0, reason: "bad-version" } });
  });

  test("that are short of results are a failure and never a success", () => {
    expect(writeAnswer(operations, null, [])).toMatchObject({ kind: "failed" });
    expect(writeAnswer(operations, null, undefined)).toMatchObject({ kind: "failed" });
  });
});

test("another version of the library is refused at once", () => {
  expect(() => takeApart(createClient("127.0.0.1:1"))).not.toThrow();
  const other = createClient("127.0.0.1:1") as unknown as { connectionManager: { packetQueue: unknown } };
  other.connectionManager.packetQueue = new Map();
  expect(() => takeApart(other as never)).toThrow(/1\.1\.3/);
});
