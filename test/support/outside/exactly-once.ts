import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Admin, orThrow, Producer } from "../../../client/index.ts";
import { checkProcessed, type ReadRecord } from "../transaction-checker.ts";
import { waitUntil } from "../wait-until.ts";
import type { Program } from "./program-client.ts";
import type { ReadTopic } from "./transaction-programs.ts";

export interface ProcessingOrder {
  readonly bootstrap: readonly string[];
  readonly group: string;
  readonly from: string;
  readonly to: string;
}

const stopMaxMs = 40_000;

/** A program that turns inputs into outputs in transactions, in one group with others, as a process. */
export class ExactlyOnceWorker {
  readonly name: string;
  readonly #program: Program;
  readonly #order: ProcessingOrder;
  #process: ChildProcessWithoutNullStreams;
  #processed = 0;
  #said = "";

  constructor(name: string, program: Program, order: ProcessingOrder) {
    this.name = name;
    this.#program = program;
    this.#order = order;
    this.#process = this.#start();
  }

  #start(): ChildProcessWithoutNullStreams {
    const { bootstrap, group, from, to } = this.#order;
    const child = this.#program.start(bootstrap, ["process", `worker ${this.name}`, group, from, to]);
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      for (const [, count] of text.matchAll(/^processed\t(\d+)$/gm)) this.#processed += Number(count);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#said = (this.#said + text).slice(-4000);
    });
    return child;
  }

  get #ended(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null;
  }

  /** In transactions that it was told to be committed, about: what it had no time to print is not in it. */
  get processed(): number {
    return this.#processed;
  }

  /** What it complained of, and that is no failure: a death nearby is felt. */
  get said(): string {
    return this.#said;
  }

  async kill(): Promise<void> {
    if (this.#ended) return;
    const gone = once(this.#process, "close");
    this.#process.kill("SIGKILL");
    await gone;
  }

  /** Again, under the same transactional id. */
  restart(): void {
    this.#process = this.#start();
  }

  async stop(): Promise<void> {
    if (this.#ended) return;
    const gone = once(this.#process, "close");
    this.#process.stdin.end();
    const late = setTimeout(() => this.#process.kill("SIGKILL"), stopMaxMs);
    const [code, signal] = await gone;
    clearTimeout(late);
    if (code !== 0) throw new Error(`${this.name} ended with ${code ?? signal}: ${this.#said}`);
  }
}

/** A record to each partition every few milliseconds, so that there is work all the time. Returns what went where. */
export async function feed(bootstrap: readonly string[], topic: string, partitions: number, perPartition: number): Promise<ReadTopic> {
  const inputs = new Map<number, ReadRecord[]>(Array.from({ length: partitions }, (_, partition) => [partition, []]));
  await using producer = new Producer({ bootstrap });
  for (let number = 0; number < perPartition; number++) {
    const sent = [...inputs].map(async ([partition, records]) => {
      const value = `${partition}/${number}`;
      const { offset } = await producer.send({ topic, partition, value });
      records.push({ offset, value });
    });
    await Promise.all([...sent, sleep(30)]);
  }
  return inputs;
}

/** Where the group stands in each partition, once it has committed what comes after the last input everywhere. */
export async function committedToTheEnd({ bootstrap, group, from }: ProcessingOrder, inputs: ReadTopic): Promise<Map<number, number>> {
  await using admin = new Admin({ bootstrap });
  const positions = new Map<number, number>();
  const due = [...inputs].map(([partition, records]) => [partition, (records.at(-1)?.offset ?? -1) + 1] as const);
  await waitUntil(
    "everything to be processed",
    async () => {
      for (const { topic, partition, offset } of await admin.listGroupOffsets(group)) if (topic === from) positions.set(partition, offset);
      return due.every(([partition, end]) => positions.get(partition) === end);
    },
    { timeoutMs: 90_000 },
  ).catch((error) => {
    throw new Error(`${error.message}: ${JSON.stringify([...positions])} of ${JSON.stringify(due)}`, { cause: error });
  });
  return positions;
}

/** What is wrong: inputs without their output or with two, outputs of nothing. */
export function wrongOutputs(inputs: ReadTopic, positions: ReadonlyMap<number, number>, outputs: ReadTopic): string[] {
  return [...inputs].flatMap(([partition, records]) => {
    const found = (outputs.get(partition) ?? []).map(({ value }) => value);
    return checkProcessed(records, positions.get(partition) ?? 0, found, (input) => `of ${input}`);
  });
}

export async function leaderOf(bootstrap: readonly string[], topic: string, partition: number): Promise<number> {
  await using admin = new Admin({ bootstrap });
  const [description] = orThrow(await admin.describeTopics([topic]));
  return description?.partitions.find((one) => one.partition === partition)?.leader ?? -1;
}
