import { setTimeout as sleep } from "node:timers/promises";
import { runCommand } from "../../support/outside/run-command.ts";
import { recordValue } from "../history/value.ts";
import { deliveryTimeoutMs, WriteBook, type Writer, type WriterPlace } from "./writer.ts";

export interface KcatWriterOptions {
  readonly name: string;
  readonly acks: "all" | 1;
  readonly isIdempotent: boolean;
  /** Between two runs of it. Milliseconds. */
  readonly everyMs: number;
}

const recordsInARun = 10;
/** It gives its records up before. */
const runMaxMs = deliveryTimeoutMs + 60_000;

/** kcat (librdkafka), started again and again with some records for one partition. It says whether all were delivered, not where. */
export class KcatWriter implements Writer {
  readonly name: string;
  readonly #options: KcatWriterOptions;
  readonly #place: WriterPlace;
  readonly #book: WriteBook;
  #isStopping = false;
  #running: Promise<void> = Promise.resolve();

  constructor(options: KcatWriterOptions, place: WriterPlace) {
    this.name = options.name;
    this.#options = options;
    this.#place = place;
    this.#book = new WriteBook(options.name, options.acks, options.isIdempotent, place);
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  tellSent(): void {
    this.#book.tellSent();
  }

  async #run(): Promise<void> {
    for (let turn = 0; !this.#isStopping; turn++) {
      await this.#produce(turn % this.#place.partitions);
      await sleep(this.#options.everyMs);
    }
  }

  async #produce(partition: number): Promise<void> {
    const { bootstrap, topic, history } = this.#place;
    const { acks, isIdempotent } = this.#options;
    const sentAt = history.now();
    const numbers = Array.from({ length: recordsInARun }, () => this.#book.take(partition));
    const settings = [
      ...["-X", `acks=${acks === "all" ? -1 : 1}`, "-X", `enable.idempotence=${isIdempotent}`],
      ...["-X", "max.in.flight=1", "-X", `message.timeout.ms=${deliveryTimeoutMs}`],
    ];
    const args = ["-F", "/dev/null", "-b", bootstrap.join(","), "-P", "-t", topic, "-p", String(partition), ...settings];
    const input = numbers.map((seq) => `${recordValue(this.name, partition, seq)}\n`).join("");
    const { exitCode, stderr } = await runCommand("kcat", args, { input, timeoutMs: runMaxMs }).catch((error: Error) => ({
      exitCode: null,
      stderr: error.message,
    }));
    const isDelivered = exitCode === 0 && !/Delivery failed/.test(stderr);
    for (const seq of numbers) {
      if (isDelivered) this.#book.acknowledged(partition, seq, sentAt, null);
      else this.#book.unknown(partition, seq, sentAt, stderr.trim().split("\n").at(-1) ?? "");
    }
  }
}
