import { mkdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { MemoryLimit, memoryGroups } from "../../support/memory-limit.ts";
import { SmallDisk } from "../../support/small-disk.ts";
import { diskMegabytes } from "../faults/disks.ts";
import { FickleMachine, fickleLibrary } from "../machine/fickle-machine.ts";
import type { BrokerNode } from "../stage/broker-node.ts";
import { isInside } from "../stage/own-namespaces.ts";

/** Something of each broker, by its id; or why there is none of it here. */
type OfEach<T> = ReadonlyMap<number, T> | string;

/** What the brokers run on and under, so that faults can be made of it. It is there before they are started. */
export interface Equipment {
  readonly disks: OfEach<SmallDisk>;
  readonly machines: OfEach<FickleMachine>;
  readonly memories: OfEach<MemoryLimit>;
  /** When the brokers are gone. */
  remove(): Promise<void>;
}

export async function equip(brokers: readonly BrokerNode[]): Promise<Equipment> {
  const disks = await mountDisks(brokers);
  const machines = await fickleMachines(brokers);
  const { memories, removeGroups } = await memoryLimits(brokers);
  for (const broker of brokers) broker.runUnder([...prefixOf(memories, broker), ...prefixOf(machines, broker)]);
  const remove = async () => {
    await Promise.all(all(machines).map((machine) => machine.forget()));
    await Promise.all(all(disks).map((disk) => disk.unmount()));
    await removeGroups();
  };
  return { disks, machines, memories, remove };
}

/** Every broker's data on a small disk of its own, in memory. Unmounted with our mount namespace. */
async function mountDisks(brokers: readonly BrokerNode[]): Promise<OfEach<SmallDisk>> {
  if (!isInside()) return "small disks take root, or users that may have namespaces";
  const disks = new Map<number, SmallDisk>();
  for (const broker of brokers) {
    const disk = await SmallDisk.mount(broker.dataDirectory, diskMegabytes);
    if (typeof disk === "string") return disk;
    disks.set(broker.id, disk);
  }
  return disks;
}

async function fickleMachines(brokers: readonly BrokerNode[]): Promise<OfEach<FickleMachine>> {
  const folder = join(brokers[0]?.place.folder ?? "", "..", "machines");
  await mkdir(folder, { recursive: true });
  const library = await fickleLibrary(folder);
  if (typeof library === "string") return library;
  const machines = new Map<number, FickleMachine>();
  for (const { id, name, dataDirectory } of brokers) {
    const place = { library: library.path, folder: join(folder, name), disk: dataDirectory };
    machines.set(id, await FickleMachine.make(place));
  }
  return machines;
}

async function memoryLimits(brokers: readonly BrokerNode[]) {
  const groups = await memoryGroups();
  if (typeof groups === "string") return { memories: groups, removeGroups: async () => {} };
  const memories = new Map<number, MemoryLimit>();
  for (const { id, name } of brokers) memories.set(id, await MemoryLimit.make(groups, name));
  const removeGroups = async () => {
    for (const memory of memories.values()) await memory.remove();
    await rmdir(groups.root);
  };
  return { memories, removeGroups };
}

function all<T>(some: OfEach<T>): readonly T[] {
  return typeof some === "string" ? [] : [...some.values()];
}

function prefixOf(some: OfEach<{ readonly prefix: readonly string[] }>, { id }: BrokerNode): readonly string[] {
  return typeof some === "string" ? [] : (some.get(id)?.prefix ?? []);
}
