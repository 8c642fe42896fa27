import { join, resolve } from "node:path";
import { nodeClock } from "../../protocol/node/node-clock.ts";
import { CommandFailed, explain, UsageError } from "../output/command-failed.ts";
import type { Output } from "../output/output.ts";
import { printable } from "../output/terminal-text.ts";
import { ZookeeperProcess } from "../zookeeper/zookeeper-process.ts";
import { BrokerProcess } from "./broker-process.ts";
import { copiesIn, type UpBroker } from "./broker-properties.ts";
import { ClusterDirectory } from "./cluster-directory.ts";
import { addedBrokers, type ClusterSize, failForHeld, hintsAfterGrowth, wantedSize } from "./cluster-size.ts";
import { type Answers, HungBrokers } from "./hung-brokers.ts";
import { KeptBroker } from "./kept-broker.ts";
import { LiveBrokers } from "./live-brokers.ts";
import { checkPortsFree, freePort, freePortNear } from "./preflight.ts";
import type { RestartPolicy } from "./restart-policy.ts";

export interface UpOptions {
  /** Null: as many as there were. */
  readonly brokers: number | null;
  /** The brokers stand in these in turn, empty: in none; null: as they did. */
  readonly racks: readonly string[] | null;
  /** Of the first; null: as it was. */
  readonly port: number | null;
  readonly data: string;
  /** `HOST:PORT,…` with an optional chroot; null: a private ZooKeeper of our own. */
  readonly zookeeper: string | null;
  /** How brokers that end are restarted; null: not at all. */
  readonly restarts: RestartPolicy | null;
  readonly json: boolean;
  readonly answers: Answers;
  /** How many partitions each of these brokers has a copy of, by what that ZooKeeper says. */
  readonly copiesOn: (zookeeper: string, brokers: readonly number[]) => Promise<ReadonlyMap<number, number>>;
  /** Commands without --bootstrap go to another cluster than the default port's. */
  readonly othersGoElsewhere: boolean;
}

const host = "127.0.0.1";
/** From a broker's port to that of its metrics: 9404, where exporters of Kafka's metrics are as a rule, for 9092. */
const metricsPortDistance = 312;
const zookeeperReadyMaxMs = 30_000;
const brokersReadyMaxMs = 60_000;
/** A whole stop takes at most 5 seconds, unless brokers have much to write: they all at once, then ZooKeeper. */
const brokerStopGraceMs = 3500;
const zookeeperStopGraceMs = 1000;

/** Runs a whole cluster until it is told to stop. Resolves with the exit code. */
export async function up(options: UpOptions, output: Output, stopRequested: Promise<void>): Promise<number> {
  const directory = await ClusterDirectory.open(resolve(options.data));
  try {
    const before = await directory.size();
    const size = wantedSize(options, before);
    const { brokers, port } = size;
    if (port + brokers - 1 > 65_535) throw new UsageError(`${brokers} brokers from port ${port} on need ports beyond 65535`);
    const ports = Array.from({ length: brokers }, (_, index) => port + index);
    await checkPortsFree(host, ports);
    return await runCluster(options, { size, before, ports }, directory, output, stopRequested);
  } finally {
    directory.note.remove();
  }
}

interface Shape {
  readonly size: ClusterSize;
  /** Null: there was no cluster. */
  readonly before: ClusterSize | null;
  readonly ports: readonly number[];
}

async function runCluster(
  options: UpOptions,
  shape: Shape,
  directory: ClusterDirectory,
  output: Output,
  stopRequested: Promise<void>,
): Promise<number> {
  const { size, ports } = shape;
  const zookeeper = options.zookeeper === null ? await startZookeeper(directory) : null;
  const brokers: KeptBroker[] = [];
  const metricsPorts: number[] = [];
  const tell = (line: string) => void process.stderr.write(`${printable(line)}\n`);
  const living = new LiveBrokers({ clock: nodeClock, tell, size: size.brokers, copies: copiesIn(size.brokers) });
  const hung = new HungBrokers({ clock: nodeClock, tell, answers: options.answers });
  let someoneWaits = false;
  const waits = (message: string) => {
    someoneWaits = true;
    tell(`${message} (ZooKeeper is at ${options.zookeeper ?? zookeeper?.connect})`);
  };
  const stopAll = async () => {
    living.end();
    hung.end();
    await Promise.all(brokers.map((broker) => broker.stop(brokerStopGraceMs)));
    await zookeeper?.process.stop(zookeeperStopGraceMs);
  };
  try {
    const connect = options.zookeeper ?? zookeeper?.connect ?? "";
    directory.note.zookeeper(connect, zookeeper?.process.pid ?? null);
    const unwanted = (await directory.brokerIds()).filter((id) => id > size.brokers);
    if (unwanted.length > 0) failForHeld(await options.copiesOn(connect, unwanted), size, bootstrapFlag(options, ports));
    for (const [index, port] of ports.entries()) {
      const id = index + 1;
      const metricsPort = await freePortNear(host, port + metricsPortDistance);
      metricsPorts.push(metricsPort);
      const cluster = { zookeeperConnect: connect, clusterSize: size.brokers };
      const rack = size.racks[index % size.racks.length] ?? null;
      const settings = { id, host, port, metricsPort, dataDirectory: directory.brokerData(id), rack, ...cluster };
      brokers.push(await keptBroker(settings, directory, { policy: options.restarts, tell, waits, living, hung }));
    }
    const stoppedEarly = await Promise.race([
      allReady(brokers, directory, () => someoneWaits).then(() => false),
      stopRequested.then(() => true),
    ]);
    if (!stoppedEarly) {
      await directory.writeSize(size);
      await announce(options, { ...shape, metricsPorts }, brokers, output);
      for (const broker of brokers) broker.keep();
      await Promise.race([stopRequested, zookeeperGone(zookeeper?.process)]);
    }
  } finally {
    await stopAll();
  }
  return 0;
}

interface Told {
  readonly policy: RestartPolicy | null;
  readonly tell: (line: string) => void;
  readonly waits: (message: string) => void;
  readonly living: LiveBrokers;
  readonly hung: HungBrokers;
}

async function keptBroker(
  settings: UpBroker,
  directory: ClusterDirectory,
  { policy, tell, waits, living, hung }: Told,
): Promise<KeptBroker> {
  const { id, port } = settings;
  const configFile = await directory.writeBrokerConfig(settings);
  const logFile = directory.brokerLog(id);
  const start = () => {
    const started = new BrokerProcess({ id, configFile, logFile, waits });
    directory.note.brokerStarted(id, `${host}:${port}`, started.pid);
    return hung.watched({ id, address: `${host}:${port}`, logFile }, living.watched(started));
  };
  return new KeptBroker({ id, start, policy, clock: nodeClock, tell, logFile, startCommand: `bin/ottla broker --config ${configFile}` });
}

async function startZookeeper(directory: ClusterDirectory): Promise<{ readonly process: ZookeeperProcess; readonly connect: string }> {
  const clientPort = await freePort(host);
  const zookeeper = await ZookeeperProcess.start({
    settings: {
      dataDirectory: directory.zookeeperData,
      host,
      clientPort,
      tickTimeMs: 1000,
      sessionTimeoutMinMs: 2000,
      sessionTimeoutMaxMs: 60_000,
    },
    heapMaxMib: 256,
    syncToDisk: true,
    environment: process.env,
  });
  try {
    await zookeeper.serving(zookeeperReadyMaxMs);
  } catch (error) {
    await zookeeper.stop(0);
    throw error;
  }
  return { process: zookeeper, connect: `${host}:${clientPort}` };
}

/** A broker that waits for the user has said so, and keeps waiting. */
async function allReady(brokers: readonly KeptBroker[], directory: ClusterDirectory, someoneWaits: () => boolean): Promise<void> {
  const late = `the brokers are not ready after ${brokersReadyMaxMs / 1000} s; see ${join(directory.path, "broker-*", "broker.log")}`;
  const timer = new Promise<never>((_, reject) => {
    setTimeout(() => {
      if (!someoneWaits()) reject(new CommandFailed(late));
    }, brokersReadyMaxMs).unref();
  });
  const ready = brokers.map((broker) =>
    broker.ready().catch((error) => {
      const reason = explain(error);
      throw new CommandFailed(
        reason.includes("exit code") || reason.includes("ended by")
          ? `broker ${broker.id} did not start (${reason}); see ${directory.brokerLog(broker.id)}`
          : reason,
      );
    }),
  );
  await Promise.race([Promise.all(ready), timer]);
}

/** What a command needs to reach this cluster, and no other. */
function bootstrapFlag({ othersGoElsewhere }: Pick<UpOptions, "othersGoElsewhere">, ports: readonly number[]): string {
  return ports[0] === 9092 && !othersGoElsewhere ? "" : ` --bootstrap ${host}:${ports[0]}`;
}

/** The reader may go away after that; a cluster that could not be announced is of no use. */
async function announce(
  options: UpOptions,
  { size, before, ports, metricsPorts }: Shape & { readonly metricsPorts: readonly number[] },
  brokers: readonly KeptBroker[],
  output: Output,
): Promise<void> {
  const { json, data } = options;
  const bootstrap = ports.map((port) => `${host}:${port}`).join(",");
  const metrics = metricsPorts.map((port) => `http://${host}:${port}/metrics`);
  if (json) {
    const list = brokers.map(({ id, pid }, index) => ({ id, address: `${host}:${ports[index]}`, pid, metrics: metrics[index] }));
    await output.json({ brokers: list, added: addedBrokers(size, before), bootstrap, data: resolve(data) });
  } else {
    const lines = brokers.map(({ id, pid }, index) => `broker ${id}  ${host}:${ports[index]}  pid ${pid}\n`);
    const flag = bootstrapFlag(options, ports);
    const hints = hintsAfterGrowth(size, before, flag).map((hint) => `\n${hint}\n`);
    await output.write(
      `${lines.join("")}bootstrap ${bootstrap}\nmetrics ${metrics.join(",")}\n\ntry:\n  seq 1000 | bin/ottla produce numbers${flag}\n  bin/ottla consume numbers --from beginning${flag}\n${hints.join("")}`,
    );
  }
  await output.flushed();
}

async function zookeeperGone(zookeeper: ZookeeperProcess | undefined): Promise<never> {
  if (zookeeper === undefined) return new Promise(() => {});
  const { code, signal } = await zookeeper.exited;
  throw new CommandFailed(`ZooKeeper ended (${signal ?? `exit code ${code}`}): ${zookeeper.complaint.trim().split("\n").at(-1) ?? ""}`);
}
