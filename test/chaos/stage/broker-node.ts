import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BrokerReport } from "../../../cli/up/broker-process.ts";
import { KeptProcess, type ProcessEnd } from "./kept-process.ts";
import type { NetworkNode } from "./network.ts";

const mainFile = fileURLToPath(new URL("../../../cli/main.ts", import.meta.url));
const mutantHook = new URL("../../mutants/with-mutant.ts", import.meta.url).href;
const startMaxMs = 120_000;
const stopMaxMs = 60_000;
const lastWordsLines = 12;

/** What was asked of a broker last, when its process ended. */
export type Demand = "go on" | "stop" | "be killed";

export interface BrokerEnd extends ProcessEnd {
  readonly demand: Demand;
}

export type BrokerSettings = Readonly<Record<string, string | number | boolean>>;

export interface BrokerPlace {
  readonly id: number;
  readonly node: NetworkNode;
  readonly port: number;
  readonly peerPort: number;
  readonly folder: string;
  readonly settings: BrokerSettings;
  /** One of `test/mutants/mutants.ts`: the broker runs with this rule removed. Null: as it is. */
  readonly mutant: string | null;
}

/** One broker, over all its lives: the shipped program as a process of its own, with its own data, on its own machine of the network. */
export class BrokerNode {
  readonly id: number;
  readonly place: BrokerPlace;
  /** Told of every end, whoever caused it. */
  readonly #onEnd: (id: number, end: BrokerEnd) => void;
  /** Before its command, on its node. */
  #prefix: readonly string[] = [];
  #process: KeptProcess | null = null;
  #demand: Demand = "go on";
  #isReady = false;

  constructor(place: BrokerPlace, onEnd: (id: number, end: BrokerEnd) => void) {
    this.id = place.id;
    this.place = place;
    this.#onEnd = onEnd;
  }

  get name(): string {
    return this.place.node.name;
  }

  get address(): string {
    return `${this.place.node.address}:${this.place.port}`;
  }

  get dataDirectory(): string {
    return join(this.place.folder, "data");
  }

  get logFile(): string {
    return join(this.place.folder, "broker.log");
  }

  /** Null while there is no process. */
  get pid(): number | null {
    return this.#process === null || this.#process.end !== null ? null : this.#process.pid;
  }

  /** It has said that it serves clients, and has not ended since. */
  get isReady(): boolean {
    return this.#isReady && this.pid !== null;
  }

  /** From its next start on: its own machine, so to speak. */
  runUnder(prefix: readonly string[]): void {
    this.#prefix = prefix;
  }

  /** Starts the process; does not wait until it serves. */
  async launch(): Promise<void> {
    const { folder, node, mutant } = this.place;
    if (this.pid !== null) throw new Error(`broker ${this.id} runs already`);
    await mkdir(folder, { recursive: true });
    const configFile = join(folder, "server.properties");
    await writeFile(configFile, this.#configuration());
    this.#demand = "go on";
    this.#isReady = false;
    const hook = mutant === null ? [] : ["--import", mutantHook];
    const process = new KeptProcess(globalThis.process.execPath, [...hook, mainFile, "broker", "--config", configFile], {
      logFile: this.logFile,
      prefix: [...node.prefix, ...this.#prefix],
      environment: { NODE_COMPILE_CACHE: join(folder, "..", "compiled"), ...(mutant === null ? {} : { OTTLA_MUTANT: mutant }) },
      onMessage: (message) => {
        if ((message as BrokerReport).kind === "ready" && this.#process === process) this.#isReady = true;
      },
    });
    this.#process = process;
    void process.ended.then((end) => {
      if (this.#process === process) this.#onEnd(this.id, { ...end, demand: this.#demand });
    });
  }

  /** Resolves when it serves clients. */
  async start(): Promise<void> {
    await this.launch();
    await this.untilReady();
  }

  async untilReady(): Promise<void> {
    const deadlineMs = performance.now() + startMaxMs;
    while (!this.#isReady) {
      if (this.pid === null) throw new Error(`broker ${this.id} ended while it started:\n${await this.#lastWords()}`);
      if (performance.now() > deadlineMs)
        throw new Error(`broker ${this.id} did not start within ${startMaxMs} ms:\n${await this.#lastWords()}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** SIGKILL. Resolves when it is gone. */
  async kill(): Promise<void> {
    this.#demand = "be killed";
    await this.#process?.kill();
  }

  /** SIGTERM: a controlled shutdown, and SIGKILL where that takes too long. Resolves when it is gone. */
  async shutDown(): Promise<void> {
    this.#demand = "stop";
    this.signal("SIGCONT");
    await this.#process?.stop(stopMaxMs);
  }

  signal(signal: "SIGSTOP" | "SIGCONT" | "SIGTERM"): void {
    if (signal === "SIGTERM") this.#demand = "stop";
    this.#process?.signal(signal);
  }

  async #lastWords(): Promise<string> {
    const text = await readFile(this.logFile, "utf8").catch(() => "");
    return text.trimEnd().split("\n").slice(-lastWordsLines).join("\n");
  }

  #configuration(): string {
    const { id, node, port, peerPort, settings } = this.place;
    const all = {
      "broker.id": id,
      listeners: `PLAINTEXT://${node.address}:${port},PEER://${node.address}:${peerPort}`,
      "log.dirs": this.dataDirectory,
      ...settings,
    };
    return Object.entries(all)
      .map(([name, value]) => `${name}=${value}\n`)
      .join("");
  }
}
