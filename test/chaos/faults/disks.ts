import { open, readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { BrokerNode } from "../stage/broker-node.ts";
import { type FaultKind, type Ongoing, type Plan, pick, type Stage, soon } from "./fault.ts";
import { startAgain } from "./processes.ts";

/** Megabytes of a broker's disk, as long as it is not full. It lies in memory, and takes what is written. */
export const diskMegabytes = 4_096;
const tornBytesMax = 400;
/** Of the main topic's logs, so many lose their ends. */
const tornShare = 0.6;

async function usedMegabytes(path: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    if (entry.isFile())
      bytes += await stat(join(entry.parentPath, entry.name)).then(
        ({ blocks }) => blocks * 512,
        () => 0,
      );
  }
  return bytes / 1024 / 1024;
}

/** Takes all the space that there is. */
async function fill(path: string): Promise<void> {
  const file = await open(path, "w");
  for (let bytes = 64 * 1024; bytes >= 1; bytes = Math.floor(bytes / 2)) {
    while (
      await file.write(Buffer.alloc(bytes)).then(
        ({ bytesWritten }) => bytesWritten > 0,
        () => false,
      )
    );
  }
  await file.close();
}

/** The disk of a broker is as large as what is on it. When its only directory fails, the broker has to end; it is started again. */
async function diskFull(stage: Stage, { picks }: Plan): Promise<Ongoing> {
  const victim = pick(stage.cluster.brokers, picks[0]);
  const disk = stage.diskOf(victim);
  stage.allowEnd(victim);
  const filler = join(disk.path, "filler");
  await disk.resize(Math.ceil(await usedMegabytes(disk.path)) + 1);
  await fill(filler);
  const end = async () => {
    await disk.resize(diskMegabytes);
    await rm(filler);
    await victim.kill(); // one that did not end has its directory offline until it is restarted
    await startAgain(victim);
  };
  return { targets: [victim.name], end };
}

/**
 * A broker is killed, and its newest segments lose some bytes: what a loss of power may do. The other replicas are alive and in sync, so
 * nothing acknowledged may be missing afterwards, whether others lead when the broker comes back or its absence was not noticed.
 */
async function tornTail(stage: Stage, { picks }: Plan): Promise<Ongoing> {
  await stage.allInSync();
  const victim = pick(stage.cluster.brokers, picks[0]);
  await victim.kill();
  if (picks[1] < 0.5) await stage.othersLead(victim);
  await tearTails(victim, picks[2]);
  return { targets: [victim.name], end: () => startAgain(victim) };
}

async function tearTails({ dataDirectory }: BrokerNode, choice: number): Promise<void> {
  const logs = (await readdir(dataDirectory)).filter((name) => /^orders-\d+$/.test(name)).sort();
  for (const name of logs.slice(0, Math.ceil(logs.length * tornShare))) {
    const newest = (await readdir(join(dataDirectory, name)))
      .filter((file) => file.endsWith(".log"))
      .toSorted()
      .at(-1);
    if (newest === undefined) continue;
    const file = await open(join(dataDirectory, name, newest), "r+");
    const { size } = await file.stat();
    await file.truncate(Math.max(0, size - 1 - Math.floor(choice * tornBytesMax)));
    await file.close();
  }
}

export const diskFaults: readonly FaultKind[] = [
  {
    name: "disk-full",
    what: "no space is left on a broker's disk",
    needs: "disks",
    isAlone: true,
    durationMs: [3_000, 10_000],
    boundMs: soon,
    begin: diskFull,
  },
  {
    name: "torn-tail",
    what: "a broker is killed, and its newest segments lose their last bytes",
    isAlone: true,
    durationMs: [0, 500],
    boundMs: soon,
    begin: tornTail,
  },
];
