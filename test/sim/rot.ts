import { type Random, randomInt } from "../../protocol/base/random.ts";
import type { SimBroker } from "./sim-broker.ts";
import { topic, type World } from "./world.ts";

/**
 * Flips a bit of a broker's batches of one partition, in any segment but the last, whose end a restart would truncate. Null: there is no
 * other segment; otherwise the place.
 */
export function rot(world: World, broker: SimBroker, partition: number, random: Random): string | null {
  const folder = broker.folderOf(`${topic}-${partition}`);
  if (folder === null) return null;
  const logs = [...broker.disk.directory(folder).entries.keys()].filter((name) => name.endsWith(".log")).sort();
  const name = logs[randomInt(random, Math.max(1, logs.length - 1))];
  const path = `${folder}/${name}`;
  if (logs.length < 2 || broker.disk.file(path).size === 0) return null;
  const at = randomInt(random, broker.disk.file(path).size);
  broker.disk.corrupt(path, (content) => {
    const changed = Buffer.from(content);
    changed[at]! ^= 1 << randomInt(random, 8);
    return changed;
  });
  const rotten = Buffer.from(broker.disk.file(path).content());
  world.rotted(broker, partition, () => {
    // a move to another directory copies it too
    const now = broker.folderOf(`${topic}-${partition}`);
    const file = now === null ? null : broker.disk.find(`${now}/${name}`);
    return file !== null && "content" in file && file.content().equals(rotten);
  });
  return `${broker.host} ${path} at ${at}`;
}
