import { describe, expect, test } from "vitest";
import { cluster, created, options, topic } from "./requests.ts";

describe("settings", () => {
  const change = (name: string, operation: "set" | "delete" | "append", value: string | null) =>
    ({ resource: { kind: "topic", name: "t" }, operations: [{ name, operation, value }], replaceAll: false }) as const;

  test("a change reaches coordinator, brokers and partitions; a wrong one nobody", async () => {
    const world = await cluster();
    await created(world, topic("t", [[1, 2]]));
    const verdicts = await world.run(
      world.controller.alterConfigs(
        [
          change("retention.ms", "set", "1000"),
          change("cleanup.policy", "append", "compact"),
          change("retention.ms", "set", "soon"),
          { ...change("retention.ms", "set", "1"), resource: { kind: "topic", name: "nope" } },
          {
            resource: { kind: "broker", id: null },
            operations: [{ name: "broker.id", operation: "set", value: "7" }],
            replaceAll: false,
          },
        ],
        options,
      ),
    );
    expect(verdicts.map(({ error }) => error)).toEqual(["NONE", "NONE", "INVALID_CONFIG", "UNKNOWN_TOPIC_OR_PARTITION", "INVALID_CONFIG"]);
    const config = { "retention.ms": "1000", "cleanup.policy": "delete,compact" };
    expect(JSON.parse(world.ensemble.tree.read("/config/topics/t")!.data.toString())).toEqual({ version: 1, config });
    expect(world.node(3).images.current.topics.get("t")?.config).toEqual(config);
    expect(world.node(2).roles.settings.get("t")).toMatchObject({ retentionMs: 1000, cleanupPolicy: "compact,delete" });
    expect(world.ensemble.tree.children("/config/changes")?.names).toHaveLength(2);
  });

  test("replacing resets what is not named; only validating changes nothing; bounds that exclude each other are refused", async () => {
    const world = await cluster();
    await created(world, topic("t", [[1, 2]]));
    const replace = (...settings: readonly (readonly [name: string, value: string])[]) => ({
      resource: { kind: "topic" as const, name: "t" },
      operations: settings.map(([name, value]) => ({ name, operation: "set" as const, value })),
      replaceAll: true,
    });
    const alter = async (change: ReturnType<typeof replace>, more = {}) =>
      (await world.run(world.controller.alterConfigs([change], { ...options, ...more })))[0];
    await alter(replace(["retention.ms", "1000"], ["segment.ms", "50"]));
    expect(await alter(replace(["retention.ms", "2000"]), { validateOnly: true })).toMatchObject({ error: "NONE" });
    expect(world.node(3).images.current.topics.get("t")?.config).toEqual({ "retention.ms": "1000", "segment.ms": "50" });
    expect(await alter(replace(["retention.ms", "2000"]))).toMatchObject({ error: "NONE" });
    expect(world.node(3).images.current.topics.get("t")?.config).toEqual({ "retention.ms": "2000" });
    expect(await alter(replace(["min.compaction.lag.ms", "5"], ["max.compaction.lag.ms", "4"]))).toEqual({
      error: "INVALID_CONFIG",
      message: "min.compaction.lag.ms (5) must not be above max.compaction.lag.ms (4).",
    });
    expect(await alter(replace(["segment.ms", "9"], ["segment.bytes", "13"]))).toMatchObject({ error: "INVALID_CONFIG" });
    expect(world.node(3).images.current.topics.get("t")?.config).toEqual({ "retention.ms": "2000" });
  });

  test("a count of threads is halved or doubled at most, from what is in force, and each of the cleaner's threads has its memory", async () => {
    const world = await cluster();
    const set = async (id: number | null, name: string, value: string | null) => {
      const operations = [{ name, operation: value === null ? ("delete" as const) : ("set" as const), value }];
      const changes = [{ resource: { kind: "broker" as const, id }, operations, replaceAll: false }];
      return (await world.run(world.controller.alterConfigs(changes, options)))[0]?.message ?? null;
    };
    const threads = "log.cleaner.threads";
    const buffer = "log.cleaner.dedupe.buffer.size";
    expect(await set(null, threads, "3")).toBe("log.cleaner.threads cannot go from 1 to 3 at once: to double of it at most.");
    expect(await set(null, threads, "2")).toBeNull();
    expect(await set(2, threads, "4"), "what is in force for all is in force for broker 2").toBeNull();
    expect(await set(2, threads, "9")).toBe("log.cleaner.threads cannot go from 4 to 9 at once: to double of it at most.");
    expect(await set(2, threads, "8")).toBeNull();
    expect(await set(2, threads, null)).toBe("log.cleaner.threads cannot go from 8 to 2 at once: to half of it at least.");
    expect(await set(null, threads, "5")).toContain("from 2 to 5");
    expect(await set(null, threads, null)).toBeNull();
    expect(await set(null, threads, "0")).toContain("from 1");
    expect(await set(null, buffer, "4194304")).toBe(
      "Broker 2: log.cleaner.dedupe.buffer.size (4194304) must be at least 1 MiB per cleaner thread (log.cleaner.threads: 8)",
    );
    expect(await set(null, buffer, "8388608")).toBeNull();
    expect(await set(2, threads, "9")).toContain("must be at least 1 MiB per cleaner thread");
    expect(await set(2, "message.max.bytes", "5")).toBeNull();
    expect(await set(null, "num.replica.fetchers", "2")).toBeNull();
    expect(await set(null, "num.recovery.threads.per.data.dir", "4")).toContain("from 1 to 4");
    expect(await set(1, "num.io.threads", "3")).toContain("from 8 to 3 at once: to half of it at least");
    expect(await set(1, "num.network.threads", "1"), "half of 3, rounded down").toBeNull();
  });

  test("a change of another tool is found by its notification, and old notifications are deleted", async () => {
    const world = await cluster();
    await created(world, topic("t", [[1, 2]]));
    for (let round = 0; round < 120; round++)
      await world.run(world.controller.alterConfigs([change("retention.ms", "set", String(1000 + round))], options));
    await world.until("the notifications are bounded", () => (world.ensemble.tree.children("/config/changes")?.names.length ?? 0) <= 101);
    const tool = world.node(3).coordinator;
    const data = Buffer.from(JSON.stringify({ version: 1, config: { "retention.ms": "77" } }));
    const notice = Buffer.from(JSON.stringify({ version: 2, entity_path: "topics/t" }));
    await world.run(
      tool.write([
        { kind: "set", path: "/config/topics/t", data, version: -1 },
        { kind: "create", path: "/config/changes/config_change_", data: notice, mode: "persistent-sequential" },
      ]),
    );
    await world.until("the partition knows", () => JSON.stringify(world.node(1).roles.settings.get("t"))?.includes('"retentionMs":77'));
  });

  test("a notification about what can be no topic is passed over, and those behind it are taken", async () => {
    const world = await cluster();
    await created(world, topic("t", [[1, 2]]));
    const tool = world.node(3).coordinator;
    const notice = (entityPath: string) =>
      ({
        kind: "create",
        path: "/config/changes/config_change_",
        data: Buffer.from(JSON.stringify({ version: 2, entity_path: entityPath })),
        mode: "persistent-sequential",
      }) as const;
    const data = Buffer.from(JSON.stringify({ version: 1, config: { "retention.ms": "77" } }));
    const set = { kind: "set", path: "/config/topics/t", data, version: -1 } as const;
    await world.run(tool.write([notice("topics/.."), notice("topics/a\u0000b"), notice("brokers/4294967296"), set, notice("topics/t")]));
    await world.until("the partition knows", () => JSON.stringify(world.node(1).roles.settings.get("t"))?.includes('"retentionMs":77'));
  });
});
