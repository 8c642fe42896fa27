import { setTimeout as sleep } from "node:timers/promises";
import { Consumer, stringSerde } from "../../../client/index.ts";
import { hasCommand, runToSuccess } from "../../support/outside/run-command.ts";
import type { History } from "../history/history.ts";
import { hashOf, idOf } from "../history/value.ts";

export interface ReaderPlace {
  readonly bootstrap: readonly string[];
  readonly topic: string;
  readonly history: History;
}

const readAllMaxMs = 120_000;

/** Reads a partition from its beginning for as long as the run lasts, and tells of every record it is handed. */
export class Reader {
  readonly #consumer: Consumer<string, string>;
  readonly #place: ReaderPlace;
  readonly #name: string;
  readonly #next = new Map<number, number>();
  #isStopped = false;
  #running: Promise<void> = Promise.resolve();

  constructor(name: string, place: ReaderPlace) {
    this.#name = name;
    this.#place = place;
    const { bootstrap } = place;
    this.#consumer = new Consumer({ bootstrap, clientId: name, keySerde: stringSerde, valueSerde: stringSerde, offsetReset: "none" });
  }

  async start(): Promise<void> {
    await this.#consumer.assign([{ topic: this.#place.topic, from: "beginning" }]);
    this.#running = this.#read();
  }

  /** The next offset of each partition. */
  get positions(): ReadonlyMap<number, number> {
    return this.#next;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#consumer.close();
    await this.#running;
  }

  /** What fails is told, and tried again from the same position. Of what the client tries again by itself nothing is seen here. */
  async #read(): Promise<void> {
    while (!this.#isStopped) {
      try {
        for await (const { topic, partition, offset, value } of this.#consumer) {
          this.#next.set(partition, offset + 1);
          const text = value ?? "";
          this.#place.history.add({ kind: "read", reader: this.#name, topic, partition, offset, id: idOf(text), hash: hashOf(text) });
        }
      } catch (error) {
        if (!this.#isStopped) this.#place.history.add({ kind: "read-failed", reader: this.#name, error: String(error) });
        await sleep(200);
      }
    }
  }
}

/** Reads everything anew with kcat; with our own client where there is none. */
export async function readAll(name: string, place: ReaderPlace): Promise<void> {
  if (!hasCommand("kcat")) return readAllByOurselves(name, place);
  const { bootstrap, topic, history } = place;
  const args = ["-F", "/dev/null", "-b", bootstrap.join(","), "-C", "-e", "-q", "-t", topic, "-o", "beginning", "-f", "%p %o %s\\n"];
  const { stdout } = await runToSuccess("kcat", args, { timeoutMs: readAllMaxMs });
  for (const line of stdout.toString().split("\n")) {
    const match = /^(\d+) (\d+) (.*)$/s.exec(line);
    if (match === null) continue;
    const [partition, offset, value = ""] = [Number(match[1]), Number(match[2]), match[3]];
    history.add({ kind: "read", reader: name, topic, partition, offset, id: idOf(value), hash: hashOf(value) });
  }
}

async function readAllByOurselves(name: string, { bootstrap, topic, history }: ReaderPlace): Promise<void> {
  await using consumer = new Consumer({ bootstrap, keySerde: stringSerde, valueSerde: stringSerde, stopAtEnd: true });
  await consumer.assign([{ topic, from: "beginning" }]);
  for await (const { partition, offset, value } of consumer)
    history.add({ kind: "read", reader: name, topic, partition, offset, id: idOf(value ?? ""), hash: hashOf(value ?? "") });
}
