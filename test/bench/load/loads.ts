import { createWriteStream } from "node:fs";
import { fileURLToPath } from "node:url";
import { sampleValues } from "../../../cli/bench/sample-values.ts";
import { noKcat } from "../../support/outside/kcat.ts";
import type { ClientConsumeOrder, ClientProduceOrder, ClientReport } from "../clients/orders.ts";
import { type GuardedOptions, GuardedProcess } from "../processes/guarded-process.ts";
import { jarsOf39 } from "../systems/kafka.ts";
import type { FloorOrder } from "./floor-orders.ts";
import type {
  FullOrder,
  FullReport,
  OwnEvent,
  PacedOrder,
  PacedReport,
  ReadOrder,
  ReadReport,
  TransactionsOrder,
  TransactionsReport,
} from "./own-orders.ts";
import { type ConsumedTotal, consumedTotal, joined, type ProducerWindow, producerWindow } from "./performance-lines.ts";

/** Called when the measured part of a load begins and ends. */
export interface Moments {
  readonly measuring?: () => void;
  readonly measured?: () => void;
}

export interface ProduceOrder {
  readonly bootstrap: readonly string[];
  readonly topic: string;
  readonly recordBytes: number;
  /** The producer's own settings, by Kafka's names. */
  readonly settings: Readonly<Record<string, string | number>>;
}

/** Runs until `isLast` says so. */
export interface ProducerPerformanceOrder extends ProduceOrder {
  /** Asked after each window of five seconds, with all so far: whether it was the last. */
  readonly isLast: (windows: readonly ProducerWindow[]) => boolean;
  /** So many first windows are thrown away. */
  readonly discarded: number;
}

export interface ConsumerPerformanceOrder {
  readonly bootstrap: readonly string[];
  readonly topic: string;
  readonly records: number;
  readonly groupId: string;
}

export interface KcatOrder {
  readonly bootstrap: readonly string[];
  readonly topic: string;
  readonly records: number;
  readonly recordBytes: number;
}

const ownProgram = fileURLToPath(new URL("./own-load-program.ts", import.meta.url));
const clientProgram = fileURLToPath(new URL("../clients/client-program.ts", import.meta.url));
const floorProgram = fileURLToPath(new URL("./floor-load-program.ts", import.meta.url));
const endless = 1e12;
/** Without a record acknowledged. */
const stalledMs = 90_000;
const javaOptions = ["-server", "-Xmx512m", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:+ExplicitGCInvokesConcurrent"];
const kcatTuned = ["-X", "linger.ms=5", "-X", "batch.size=131072", "-X", "acks=all"];

/** Programs that load a cluster, each a process of its own. */
export class Loads {
  readonly #running = new Set<GuardedProcess>();
  #isStopped = false;

  /** Why Kafka's own tools cannot be had here. */
  async missingTools(): Promise<string | null> {
    return (await jarsOf39()).missing;
  }

  /** Kafka's ProducerPerformance at full speed; answers the windows that count, as one. */
  async producerPerformance(order: ProducerPerformanceOrder, { measuring, measured }: Moments = {}): Promise<ProducerWindow> {
    const { isLast, discarded } = order;
    const windows: ProducerWindow[] = [];
    if (discarded === 0) measuring?.();
    const tool = await this.#produce(order, endless, (window) => {
      windows.push(window);
      if (windows.length === discarded) measuring?.();
      if (!isLast(windows)) return;
      measured?.();
      tool.signal("SIGKILL");
    });
    const { signal } = await tool.ended;
    if (this.#isStopped || signal !== "SIGKILL" || windows.length <= discarded)
      throw new Error(`ProducerPerformance ended before its time: ${tool.words.slice(-1000)}`);
    return joined(windows.slice(discarded));
  }

  /** As many records as are told, as fast as they are taken; then it ends. */
  async fill(order: ProduceOrder, records: number): Promise<void> {
    await (await this.#produce(order, records, () => {})).succeeded();
  }

  /** A tool that stalls is ended: it would wait for a dead cluster forever. */
  async #produce(order: ProduceOrder, records: number, onWindow: (window: ProducerWindow) => void): Promise<GuardedProcess> {
    const { bootstrap, topic, recordBytes, settings } = order;
    const properties = Object.entries({ "bootstrap.servers": bootstrap.join(","), ...settings }).map(([name, value]) => `${name}=${value}`);
    const sizes = ["--num-records", `${records}`, "--record-size", `${recordBytes}`, "--throughput", "-1"];
    const tool = await this.#java(
      "org.apache.kafka.tools.ProducerPerformance",
      ["--topic", topic, ...sizes, "--producer-props", ...properties],
      {
        onLine: (line) => {
          const window = producerWindow(line);
          if (window === null) return;
          stalled.refresh();
          onWindow(window);
        },
      },
    );
    const stalled = setTimeout(() => tool.signal("SIGTERM"), stalledMs);
    void tool.ended.then(() => clearTimeout(stalled));
    return tool;
  }

  /** Kafka's ConsumerPerformance from the beginning. */
  async consumerPerformance({ bootstrap, topic, records, groupId }: ConsumerPerformanceOrder): Promise<ConsumedTotal> {
    const addresses = ["--bootstrap-server", bootstrap.join(","), "--topic", topic, "--group", groupId];
    const args = [...addresses, "--messages", `${records}`, "--timeout", "30000"];
    let total: ConsumedTotal | null = null;
    const tool = await this.#java("org.apache.kafka.tools.ConsumerPerformance", args, {
      onLine: (line) => {
        total ??= consumedTotal(line);
      },
    });
    await tool.succeeded();
    if (total === null) throw new Error(`ConsumerPerformance said nothing: ${tool.words.slice(-1000)}`);
    return total;
  }

  async paced(order: PacedOrder, moments: Moments = {}): Promise<PacedReport> {
    const last = await this.#node(ownProgram, order, moments);
    if (last?.event !== "paced") throw new Error("the load said nothing");
    return last.report;
  }

  async transactions(order: TransactionsOrder, moments: Moments = {}): Promise<TransactionsReport> {
    const last = await this.#node(ownProgram, order, moments);
    if (last?.event !== "transactions") throw new Error("the load said nothing");
    return last.report;
  }

  /** By our own client. */
  async read(order: ReadOrder): Promise<ReadReport> {
    const last = await this.#node(ownProgram, order, {});
    if (last?.event !== "read") throw new Error("the load said nothing");
    return last.report;
  }

  async full(order: FullOrder, moments: Moments = {}): Promise<FullReport> {
    return this.#full(ownProgram, order, moments);
  }

  async floor(order: FloorOrder, moments: Moments = {}): Promise<FullReport> {
    return this.#full(floorProgram, order, moments);
  }

  /** One of the clients that are compared. */
  async client(order: ClientProduceOrder | ClientConsumeOrder): Promise<ClientReport> {
    let last = "";
    const onLine = (line: string) => {
      last = line;
    };
    await this.#start(process.execPath, [clientProgram, JSON.stringify(order)], { onLine }).succeeded();
    return JSON.parse(last) as ClientReport;
  }

  readonly missingKcat: string | null = noKcat;

  /** kcat writes lines of a file; answers the seconds that it took, its start included. */
  async kcatProduce({ bootstrap, topic, records, recordBytes }: KcatOrder, file: string): Promise<number> {
    await writeLines(file, records, recordBytes);
    return this.#kcat(["-P", "-b", bootstrap.join(","), "-t", topic, ...kcatTuned, "-l", file]);
  }

  /** kcat reads the topic to its end; answers the seconds. */
  kcatConsume({ bootstrap, topic }: Pick<KcatOrder, "bootstrap" | "topic">): Promise<number> {
    return this.#kcat(["-C", "-b", bootstrap.join(","), "-t", topic, "-o", "beginning", "-e", "-q", "-f", ""]);
  }

  /** Kills those that run; none is started after it. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all([...this.#running].map((one) => one.stop(0)));
  }

  async #full(program: string, order: FullOrder | FloorOrder, moments: Moments): Promise<FullReport> {
    const last = await this.#node(program, order, moments);
    if (last?.event !== "full") throw new Error("the load said nothing");
    return last.report;
  }

  async #kcat(args: readonly string[]): Promise<number> {
    const startedMs = performance.now();
    await this.#start("kcat", ["-F", "/dev/null", ...args]).succeeded();
    return (performance.now() - startedMs) / 1000;
  }

  async #node(program: string, order: object, { measuring, measured }: Moments): Promise<OwnEvent | null> {
    let last: OwnEvent | null = null;
    const onLine = (line: string) => {
      last = JSON.parse(line) as OwnEvent;
      if (last.event === "measuring") measuring?.();
      if (last.event === "measured") measured?.();
    };
    await this.#start(process.execPath, [program, JSON.stringify(order)], { onLine }).succeeded();
    return last;
  }

  async #java(main: string, args: readonly string[], options: GuardedOptions = {}): Promise<GuardedProcess> {
    const { path, missing } = await jarsOf39();
    if (path === null) throw new Error(`Kafka's tools: ${missing}`);
    return this.#start("java", [...javaOptions, "-cp", path, main, ...args], options);
  }

  #start(command: string, args: readonly string[], options: GuardedOptions = {}): GuardedProcess {
    if (this.#isStopped) throw new Error("stopped");
    const started = new GuardedProcess(command, args, options);
    this.#running.add(started);
    void started.ended.then(() => this.#running.delete(started));
    return started;
  }
}

async function writeLines(file: string, records: number, recordBytes: number): Promise<void> {
  const lines = sampleValues(recordBytes).map((value) => `${value}\n`);
  const stream = createWriteStream(file);
  for (let i = 0; i < records; i++)
    if (!stream.write(lines[i % lines.length])) await new Promise<void>((resolve) => stream.once("drain", () => resolve()));
  await new Promise<void>((resolve, reject) => stream.end((error?: Error | null) => (error ? reject(error) : resolve())));
}
