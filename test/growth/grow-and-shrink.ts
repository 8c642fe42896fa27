import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Admin, orThrow } from "../../client/index.ts";
import { lineChartFile } from "../bench/report/charts.ts";
import { chartFileStyle } from "../bench/report/style.ts";
import { TestCluster } from "../support/cluster.ts";
import { OttlaCommand } from "../support/ottla-command.ts";
import { hasCommand, runToSuccess } from "../support/outside/run-command.ts";
import { waitUntil } from "../support/wait-until.ts";
import { Book } from "./book.ts";
import { faultsOf, type Share, type StoredIds } from "./checks.ts";
import type { GrowthCommand } from "./command-line.ts";
import { growthCharts, growthPage } from "./page.ts";
import { Sampler } from "./samples.ts";
import { type Step, stepOf } from "./step.ts";
import { fill, Traffic } from "./traffic.ts";

const topic = "grown";
const [first, last, spares] = [3, 5, 2];
const killed = 2;
/** Brokers that are taken out again, in this order. */
const drained = [5, 4];
const calmMs = 10_000;
const deadMs = 8_000;
const unevenMax = 0.05;
const readAllMaxMs = 300_000;
const groupMaxMs = 120_000;

const settings = {
  "offsets.topic.num.partitions": 10,
  "offsets.topic.replication.factor": 3,
  "auto.create.topics.enable": false,
};

/** Resolves with whether all that is claimed holds; what it found is in a page and a file of JSON. */
export async function growAndShrink(command: GrowthCommand, say: (line: string) => void): Promise<boolean> {
  if (!hasCommand("kcat")) {
    say("kcat is not installed, which reads everything back at the end: apt-get install kcat");
    return false;
  }
  const cluster = await TestCluster.start({ brokers: last, spares, settings });
  try {
    return await new Growth(cluster, command, say).run();
  } finally {
    await OttlaCommand.killAll();
    await cluster.stop();
  }
}

class Growth {
  readonly #cluster: TestCluster;
  readonly #command: GrowthCommand;
  readonly #say: (line: string) => void;
  readonly #book: Book;
  readonly #traffic: Traffic;
  readonly #sampler: Sampler;
  readonly #bootstrap: readonly string[];
  readonly #steps: Step[] = [];
  readonly #faults: string[] = [];

  constructor(cluster: TestCluster, command: GrowthCommand, say: (line: string) => void) {
    this.#cluster = cluster;
    this.#command = command;
    this.#say = say;
    this.#book = new Book(command.partitions);
    this.#bootstrap = cluster.bootstrap.slice(0, first);
    this.#traffic = new Traffic(this.#place, command.rate);
    this.#sampler = new Sampler(cluster, this.#traffic);
  }

  get #place() {
    return { bootstrap: this.#bootstrap, topic, partitions: this.#command.partitions, book: this.#book };
  }

  async run(): Promise<boolean> {
    const { partitions, megabytes } = this.#command;
    await using admin = new Admin({ bootstrap: this.#bootstrap });
    orThrow(await admin.createTopics([{ name: topic, partitions, replicationFactor: first, configs: { "segment.bytes": "16777216" } }]));
    this.#say(`writing ${megabytes} MB into ${partitions} partitions`);
    await fill(this.#place, megabytes);
    await this.#traffic.start();
    this.#sampler.start();
    await this.#step("reading what is there", null, () => this.#caughtUp(admin));
    await this.#step("before", null, () => sleep(calmMs));
    await this.#step(`brokers ${drained.toReversed().join(" and ")} are added`, null, async () => {
      for (const id of drained.toReversed()) await this.#cluster.startBroker(id);
    });
    await this.#step(`rebalanced; broker ${killed} killed meanwhile`, [1, 2, 3, 4, 5], () => this.#rebalanceThroughDeath());
    await this.#step("between", null, () => sleep(calmMs));
    for (const [index, id] of drained.entries()) {
      const left = [1, 2, 3, 4, 5].filter((broker) => !drained.slice(0, index + 1).includes(broker));
      await this.#step(`broker ${id} is drained`, left, async () => {
        await this.#move("drain", String(id));
        await this.#cluster.shutDown(id);
        // draining moves what it must; what that leaves uneven is another step
        await this.#move("rebalance");
        await this.#preferredLead();
      });
    }
    await this.#step("after", null, () => sleep(calmMs));
    await this.#end(admin);
    return this.#report();
  }

  async #step(name: string, evenOver: readonly number[] | null, act: () => Promise<unknown>): Promise<void> {
    const before = this.#sampler.samples.length;
    await act();
    const shares = evenOver === null ? null : await this.#shares(evenOver);
    const samples = this.#sampler.samples.slice(Math.max(0, before - 1));
    const step = stepOf(name, samples, this.#sampler.nowSeconds, shares);
    this.#steps.push(step);
    const latency = `p50 ${step.p50.toFixed(1)} ms, p99 at most ${step.p99.toFixed(1)} ms`;
    const shown = shares?.map(({ broker, leaders, bytes }) => `; ${broker}: ${leaders} led, ${(bytes / 1e6).toFixed(0)} MB`) ?? [];
    this.#say(`${step.to.toFixed(0).padStart(5)} s  ${name}: ${latency}${shown.join("")}`);
    const { leaders, bytes } = step.uneven ?? { leaders: 0, bytes: 0 };
    if (Math.max(leaders, bytes) <= unevenMax) return;
    const percent = (part: number) => `${(part * 100).toFixed(1)} %`;
    this.#faults.push(`after "${name}" the leaders are ${percent(leaders)} off even, the bytes ${percent(bytes)}`);
  }

  async #rebalanceThroughDeath(): Promise<void> {
    const rebalance = this.#move("rebalance");
    const half = async () => {
      const bytes = this.#sampler.samples.at(-1)?.bytes ?? [];
      const goal = (bytes.reduce((sum, each) => sum + each, 0) / last) * 0.5;
      return drained.some((id) => (bytes[id - 1] ?? 0) > goal);
    };
    await waitUntil("new brokers with half their share", half, { timeoutMs: 600_000, pauseMs: 200 });
    await this.#cluster.kill(killed);
    this.#say(`broker ${killed} is killed`);
    await sleep(deadMs);
    await this.#cluster.startBroker(killed);
    await rebalance;
    await this.#preferredLead();
  }

  /** Leaderships return to where they belong by themselves, once the broker that was killed is in sync. */
  async #preferredLead(): Promise<void> {
    await using admin = new Admin({ bootstrap: this.#bootstrap });
    const isSettled = async () =>
      (await admin.listTopics()).every(({ partitions }) =>
        partitions.every(({ leader, replicas, isr }) => leader === replicas[0] && isr.length === replicas.length),
      );
    await waitUntil("every preferred leader", isSettled, { timeoutMs: 120_000, pauseMs: 500 });
  }

  async #shares(brokers: readonly number[]): Promise<Share[]> {
    await using admin = new Admin({ bootstrap: this.#bootstrap });
    const [topics, directories] = [await admin.listTopics(), await admin.describeLogDirs(brokers)];
    const leaders = topics.flatMap(({ partitions }) => partitions.map(({ leader }) => leader));
    return brokers.map((broker) => ({
      broker,
      leaders: leaders.filter((leader) => leader === broker).length,
      bytes: orThrow(directories)
        .filter((one) => one.broker === broker)
        .flatMap((one) => one.directories.flatMap(({ replicas }) => replicas))
        .reduce((sum, { sizeInBytes }) => sum + sizeInBytes, 0),
    }));
  }

  #move(...args: readonly string[]): Promise<void> {
    const { throttle } = this.#command;
    return this.#ottla("cluster", ...args, ...(throttle === null ? [] : ["--throttle", throttle]));
  }

  async #ottla(...args: readonly string[]): Promise<void> {
    const { code, stdout, stderr } = await new OttlaCommand([...args, "--bootstrap", this.#bootstrap.join(",")]).result;
    if (code !== 0) throw new Error(`ottla ${args.join(" ")} ended with ${code}\n${stdout}${stderr}`);
  }

  async #caughtUp(admin: Admin): Promise<void> {
    const isNear = ({ lag }: { readonly lag: number | null }) => lag !== null && lag < this.#command.rate * 2;
    const isThere = async () => {
      const lags = await admin.groupLag(`${topic}-readers`);
      return lags.length > 0 && lags.every(isNear);
    };
    await waitUntil("the group near the end", isThere, { timeoutMs: groupMaxMs, pauseMs: 500 });
  }

  async #end(admin: Admin): Promise<void> {
    await this.#traffic.stopWriting();
    const stored = await this.#storedIds();
    const isRead = () => this.#book.partitions.every(({ read }, partition) => read.length >= (stored[partition]?.length ?? 0));
    await waitUntil("the group at the end", isRead, { timeoutMs: groupMaxMs }).catch(() => {});
    await this.#sampler.stop();
    await this.#traffic.stopReading();
    this.#say("checking");
    for (const [partition, book] of this.#book.partitions.entries())
      this.#faults.push(...faultsOf(partition, book, stored[partition] ?? []));
    await this.#cluster.replicasIdentical(topic).catch((error: Error) => this.#faults.push(error.message));
    const [described] = orThrow(await admin.describeTopics([topic]));
    const elsewhere = described?.partitions.filter(({ replicas }) => replicas.some((id) => drained.includes(id))) ?? [];
    if (elsewhere.length > 0) this.#faults.push(`${elsewhere.length} partitions have copies on brokers that were drained`);
  }

  async #storedIds(): Promise<StoredIds[]> {
    const args = ["-F", "/dev/null", "-q", "-C", "-e", "-o", "beginning", "-f", "%p %o %k\n"];
    const place = ["-b", this.#bootstrap.join(","), "-t", topic];
    const { stdout } = await runToSuccess("kcat", [...args, ...place], { timeoutMs: readAllMaxMs });
    const stored = Array.from({ length: this.#command.partitions }, (): { offset: number; id: string }[] => []);
    for (const line of stdout.toString().split("\n")) {
      const [partition, offset, id] = line.split(" ");
      if (id !== undefined) stored[Number(partition)]?.push({ offset: Number(offset), id });
    }
    return stored;
  }

  async #report(): Promise<boolean> {
    const { out, megabytes, partitions } = this.#command;
    const title = `${megabytes} MB in ${partitions} partitions: from ${first} brokers to ${last}, and back`;
    await mkdir(out, { recursive: true });
    const parts = { title, steps: this.#steps, samples: this.#sampler.samples, faults: this.#faults };
    await writeFile(join(out, "growth.html"), growthPage(parts));
    for (const [name, one] of Object.entries(growthCharts(parts.samples)))
      await writeFile(join(out, `growth-${name}.svg`), lineChartFile(one.title, one.chart, chartFileStyle));
    await writeFile(join(out, "growth.json"), `${JSON.stringify({ command: this.#command, ...parts })}\n`);
    const acknowledged = this.#book.partitions.flatMap(({ writers }) => [...writers.values()].flat()).filter((offset) => offset !== null);
    const failed = this.#book.partitions.reduce((sum, { failures }) => sum + failures, 0);
    this.#say(`${acknowledged.length} records acknowledged, ${failed} given up`);
    for (const fault of this.#faults) this.#say(`FAULT  ${fault}`);
    this.#say(this.#faults.length === 0 ? "every check holds" : `${this.#faults.length} faults`);
    this.#say(`${join(out, "growth.html")}, growth.json, growth-*.svg`);
    return this.#faults.length === 0;
  }
}
