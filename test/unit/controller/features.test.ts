import { describe, expect, test } from "vitest";
import type { FeatureUpdate } from "../../../broker/controller/controller-service.ts";
import { transactionVersionName as name, transactionVersionOf } from "../../../broker/runtime/features.ts";
import type { SupportedFeatures } from "../../../protocol/base/features.ts";
import { type Logger, silentLogger } from "../../../protocol/base/logger.ts";
import { cluster, options } from "./requests.ts";
import type { World } from "./world.ts";

/** What is warned of. */
function recordedLogger() {
  const lines: string[] = [];
  const log: Logger = { ...silentLogger, warn: (_, message) => void lines.push(message), child: () => log };
  return { log, lines };
}

const known: SupportedFeatures = new Map([[name, { min: 0, max: 2 }]]);
const path = "/feature";

const node = (world: World) => JSON.parse(world.ensemble.tree.read(path)!.data.toString()) as unknown;
const seen = (world: World, id: number) => transactionVersionOf(world.node(id).images.current.features);
const set = (level: number, kind: FeatureUpdate["kind"] = "upgrade", feature: string = name) => ({ feature, level, kind });
const update = (world: World, changes: readonly FeatureUpdate[], more = {}) =>
  world.run(world.controller.updateFeatures(changes, { ...options, ...more }));

/** As another tool writes it; null: it deletes the node. */
async function written(world: World, data: string | null): Promise<void> {
  const tool = world.node(3).coordinator;
  const isThere = world.exists(path);
  if (data === null) await world.run(tool.write([{ kind: "delete", path, version: -1 }]));
  else if (isThere) await world.run(tool.write([{ kind: "set", path, data: Buffer.from(data), version: -1 }]));
  else await world.run(tool.write([{ kind: "create", path, data: Buffer.from(data), mode: "persistent" }]));
}

const listed = (features: object, more = {}) => JSON.stringify({ version: 2, status: 1, features, ...more });
const level = (max: number) => ({ max_version_level: max });

describe("features", () => {
  test("a new cluster begins at the highest level, and every broker knows it", async () => {
    const world = await cluster([1, 2, 3], { features: known });
    await world.until("all know", () => [1, 2, 3].every((id) => seen(world, id) === 2));
    expect(node(world)).toEqual({ version: 2, status: 1, features: { [name]: { max_version_level: 2 } } });
    expect(world.node(2).images.current.features.epoch, "the node's version").toBe(0);
  });

  test("brokers that support none write nothing, and nothing is in force", async () => {
    const world = await cluster();
    await world.pass(5_000);
    expect(world.exists(path)).toBe(false);
    expect(await update(world, [set(2)])).toMatchObject({ error: "INVALID_UPDATE_VERSION" });
    expect(seen(world, 1)).toBe(0);
  });

  test("in a rolling upgrade a level comes into force with the last broker, whoever is the controller", async () => {
    const world = await cluster();
    for (const id of [1, 2, 3]) {
      world.features.set(id, known);
      world.kill(id);
      await world.start(id);
      await world.pass(3_000);
      if (id === 3) break;
      expect(world.exists(path), `brokers up to ${id} are new`).toBe(false);
      if (id === 2) expect(await update(world, [set(1)])).toMatchObject({ error: "INVALID_UPDATE_VERSION" });
    }
    await world.until("all know", () => [1, 2, 3].every((id) => seen(world, id) === 2));
  });

  test("lower and higher, as it is asked for, and as every broker can", async () => {
    const world = await cluster([1, 2, 3], { features: known });
    await world.until("all know", () => seen(world, 1) === 2);
    const error = async (...asked: Parameters<typeof set>) => (await update(world, [set(...asked)])).error;
    expect(await error(1), "a downgrade must be asked for").toBe("INVALID_UPDATE_VERSION");
    expect(await error(2), "as it is").toBe("NONE");
    expect(node(world)).toMatchObject({ features: { [name]: level(2) } });
    expect(await update(world, [set(1, "safe-downgrade")], { validateOnly: true })).toMatchObject({ error: "NONE" });
    expect(seen(world, 2)).toBe(2);
    expect(await error(1, "safe-downgrade")).toBe("NONE");
    // answered when every broker knows
    expect([1, 2, 3].map((id) => seen(world, id))).toEqual([1, 1, 1]);
    expect(world.node(3).images.current.features.epoch).toBe(1);
    expect(await error(2, "safe-downgrade"), "upwards is no downgrade").toBe("INVALID_UPDATE_VERSION");
    expect(await error(0, "unsafe-downgrade")).toBe("NONE");
    expect(node(world)).toEqual({ version: 2, status: 1, features: {} });
    expect([1, 2, 3].map((id) => seen(world, id))).toEqual([0, 0, 0]);
    await world.pass(5_000);
    expect(node(world), "what was taken out of force stays out").toEqual({ version: 2, status: 1, features: {} });
    expect(await error(3)).toBe("INVALID_UPDATE_VERSION");
    expect(await error(1, "upgrade", "metadata.version")).toBe("INVALID_UPDATE_VERSION");
    expect(await error(0, "unsafe-downgrade", "metadata.version"), "not ours to take out").toBe("INVALID_UPDATE_VERSION");
    expect(await error(2)).toBe("NONE");
    expect([1, 2, 3].map((id) => seen(world, id))).toEqual([2, 2, 2]);
  });

  test("of several updates all are done or none", async () => {
    const features = new Map([...known, ["other", { min: 0, max: 5 }]]);
    const world = await cluster([1, 2, 3], { features });
    await world.until("all know", () => seen(world, 1) === 2);
    const both = [set(1, "safe-downgrade"), set(6, "upgrade", "other")];
    expect(await update(world, both)).toMatchObject({ error: "INVALID_UPDATE_VERSION" });
    expect(node(world)).toMatchObject({ features: { [name]: level(2), other: level(5) } });
    expect(await update(world, [set(1, "safe-downgrade"), set(4, "safe-downgrade", "other")])).toMatchObject({ error: "NONE" });
    expect(node(world)).toMatchObject({ features: { [name]: level(1), other: level(4) } });
  });

  test("what another tool writes is followed, and what it says besides stays when ours is changed", async () => {
    const world = await cluster([1, 2, 3], { features: known });
    await world.until("all know", () => seen(world, 1) === 2);
    const foreign = { "metadata.version": { max_version_level: 14, since: "3.7" }, [name]: level(1) };
    await written(world, listed(foreign, { note: [1] }));
    await world.until("the brokers follow", () => [1, 2, 3].every((id) => seen(world, id) === 1));
    expect(await update(world, [set(2)])).toMatchObject({ error: "NONE" });
    expect(node(world)).toEqual({ version: 2, status: 1, features: { ...foreign, [name]: level(2) }, note: [1] });
    await written(world, JSON.stringify({ version: 1, status: 1, features: { a: { min_version_level: 2, max_version_level: 3 } } }));
    await world.until("nothing of ours is in force", () => seen(world, 1) === 0);
    expect(await update(world, [set(1)])).toMatchObject({ error: "NONE" });
    const asBefore = { min_version_level: 2, max_version_level: 3 };
    expect(node(world)).toMatchObject({ version: 1, features: { a: asBefore, [name]: { min_version_level: 1, max_version_level: 1 } } });
  });

  test("what cannot be read is not in force and not written over, and is told once", async () => {
    const { log, lines } = recordedLogger();
    const world = await cluster([1, 2, 3], { features: known, log });
    await world.until("all know", () => seen(world, 1) === 2);
    const faulty = [
      "no JSON",
      "[]",
      listed({}, { version: 3 }),
      listed({ x: level(40_000) }),
      listed({ x: 3 }),
      listed(Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`f${i}`, level(1)]))),
      listed({ x: level(1) }, { status: 0 }),
    ];
    for (const text of faulty) {
      const before = lines.length;
      await written(world, text);
      await world.until("nothing is in force", () => [1, 2, 3].every((id) => seen(world, id) === 0));
      await world.run(world.node(3).coordinator.write([{ kind: "set", path, data: Buffer.from(text), version: -1 }]));
      await world.pass(2_000);
      expect(await update(world, [set(1)]), text).toMatchObject({ error: "FEATURE_UPDATE_FAILED" });
      expect(world.ensemble.tree.read(path)!.data.toString()).toBe(text);
      expect(
        lines.slice(before).filter((line) => line.includes("not every broker can act")),
        text,
      ).toHaveLength(1);
    }
    await written(world, listed({}, { status: 0 }));
    await world.pass(2_000);
    expect(await update(world, [set(1)]), "nothing is listed that would come into force").toMatchObject({ error: "NONE" });
    expect(node(world)).toEqual({ version: 2, status: 1, features: { [name]: level(1) } });
  });

  test("a level that we know nothing of is acted by as none, and can be lowered", async () => {
    const { log, lines } = recordedLogger();
    const world = await cluster([1, 2, 3], { features: known, log });
    await world.until("all know", () => seen(world, 1) === 2);
    await written(world, listed({ [name]: level(3) }));
    await world.until("the brokers follow", () => world.node(2).images.current.features.levels.get(name) === 3);
    expect(seen(world, 2)).toBe(0);
    expect(lines.filter((line) => line.includes("not every broker can act"))).toHaveLength(1);
    expect(await update(world, [set(2, "safe-downgrade")])).toMatchObject({ error: "NONE" });
    expect(seen(world, 2)).toBe(2);
  });

  test("a broker that comes with an older version is told of", async () => {
    const { log, lines } = recordedLogger();
    const world = await cluster([1, 2, 3], { features: known, log });
    await world.until("all know", () => seen(world, 1) === 2);
    world.features.set(4, new Map());
    await world.start(4);
    await world.until("it is told", () => lines.some((line) => line.includes("not every broker can act")));
    expect(await update(world, [set(1, "safe-downgrade")]), "broker 4 cannot act by that either").toMatchObject({
      error: "INVALID_UPDATE_VERSION",
    });
    expect(await update(world, [set(0, "safe-downgrade")]), "but everybody can be without it").toMatchObject({ error: "NONE" });
  });

  test("a node that was deleted is made again", async () => {
    const world = await cluster([1, 2, 3], { features: known });
    await world.until("all know", () => seen(world, 1) === 2);
    await written(world, null);
    await world.until("it is there", () => world.exists(path));
    expect(node(world)).toMatchObject({ features: { [name]: level(2) } });
  });

  test("whenever the controller's answers are lost, done or not, an update ends well", async () => {
    for (let steps = 0; steps < 12; steps++)
      for (const done of [true, false]) {
        const world = await cluster([1, 2, 3], { features: known });
        await world.until("all know", () => seen(world, 1) === 2);
        const first = world.controllerId!;
        const work = world.controller.updateFeatures([set(1, "safe-downgrade")], options);
        for (let step = 0; step < steps; step++) await world.step();
        world.node(first).coordinator.loseNextAnswer({ done });
        expect((await world.run(work)).error, `after ${steps} steps`).toBe("NONE");
        expect(node(world)).toMatchObject({ features: { [name]: level(1) } });
        expect([1, 2, 3].map((id) => seen(world, id))).toEqual([1, 1, 1]);
      }
  });

  test("who becomes controller next knows what is in force", async () => {
    const world = await cluster([1, 2, 3], { features: known });
    await world.until("all know", () => seen(world, 1) === 2);
    expect(await update(world, [set(1, "safe-downgrade")])).toMatchObject({ error: "NONE" });
    const first = world.controllerId!;
    world.kill(first);
    await world.controllerAfter(first);
    await world.pass(3_000);
    expect([1, 2, 3].filter((id) => id !== first).map((id) => seen(world, id))).toEqual([1, 1]);
    expect(node(world)).toMatchObject({ features: { [name]: level(1) } });
  });
});
