import { describe, expect, test } from "vitest";
import { MemoryEnsemble } from "../../coordinator-client/memory-coordinator.ts";
import { zeroTopicId } from "../../protocol/base/ids.ts";
import { type Random, randomInt, seededRandom } from "../../protocol/base/random.ts";
import type { Link } from "../../protocol/base/transport.ts";
import { type MessagePair, messagesByKey } from "../../protocol/messages/apis.ts";
import { createTopicsRequest } from "../../protocol/messages/create-topics.ts";
import { findCoordinatorRequest } from "../../protocol/messages/find-coordinator.ts";
import { writeRequestHeader } from "../../protocol/messages/headers.ts";
import { encodeBatch } from "../../protocol/records/encode-batch.ts";
import type { Fields } from "../../protocol/schema/composites.ts";
import type { Message } from "../../protocol/schema/message.ts";
import type { PrimitiveName, Shape } from "../../protocol/schema/type.ts";
import { FrameSplitter } from "../../protocol/wire/frame-splitter.ts";
import { Writer } from "../../protocol/wire/writer.ts";
import { isNullable, isOnWire } from "../unit/protocol/arbitrary.ts";
import { SimBroker } from "./sim-broker.ts";
import { SimClock } from "./sim-clock.ts";
import { SimNetwork } from "./sim-network.ts";
import { Trace } from "./trace.ts";

const sessionTimeoutMs = 6000;
/** In simulated time: a request that waits for others (a join, a fetch) is abandoned after this. */
const patienceMs = 1500;

/** Two brokers, one of them the controller, with a topic and a group; shipped code with simulated time, network, disks and coordinator. */
class Victims {
  readonly clock = new SimClock();
  readonly trace = new Trace(this.clock);
  readonly network = new SimNetwork(this.clock, seededRandom(3), () => {});
  readonly ensemble = new MemoryEnsemble({ clock: this.clock.forOwner("zk"), latencyMs: () => 1 });
  readonly bugs: string[] = [];
  /** Requests that failed in an unexpected way: their connections were closed. */
  readonly failures: string[] = [];
  readonly brokers: readonly SimBroker[];

  constructor(settings: Readonly<Record<string, string>> = {}) {
    this.trace.onError = (what) => {
      this.failures.push(what);
    };
    this.brokers = [1, 2].map(
      (id) =>
        new SimBroker(id, {
          clock: this.clock,
          network: this.network,
          ensemble: this.ensemble,
          random: seededRandom(id),
          trace: this.trace,
          settings: { "auto.create.topics.enable": "true", "request.timeout.ms": "1000", ...settings },
          diskLatencyMs: { min: 0.01, max: 0.1 },
          sessionTimeoutMs,
          onUncleanEnd: () => this.bugs.push("a broker ended"),
          onFatal: (error) => this.bugs.push(String(error)),
        }),
    );
  }

  async start(): Promise<void> {
    for (const broker of this.brokers) broker.start();
    await this.until("the brokers serve", () => this.brokers.every(({ isReady }) => isReady));
    const topics = [{ name: "t", numPartitions: 2, replicationFactor: 2, assignments: [], configs: [] }];
    await this.ask(1, frameOf(createTopicsRequest, { topics, timeoutMs: 1000, validateOnly: false }, 5));
    for (let i = 0; i < 5; i++) await this.ask(1, frameOf(findCoordinatorRequest, { key: "g", keyType: 0, coordinatorKeys: [] }, 2));
  }

  async until(what: string, isSo: () => boolean): Promise<void> {
    for (let steps = 0; steps < 50_000; steps++) {
      if (isSo()) return;
      expect(await this.clock.step(), `nothing happens any more: ${what}`).toBeTruthy();
    }
    throw new Error(`it did not come: ${what}`);
  }

  /** Resolves with how the request ended. */
  async ask(broker: number, frame: Buffer): Promise<"answered" | "closed" | "given-up"> {
    const [end] = await this.askAll([{ broker, frame }]);
    return end as "answered" | "closed" | "given-up";
  }

  /** Each on a link of its own, all at the same time. */
  async askAll(asked: readonly { readonly broker: number; readonly frame: Buffer }[]): Promise<readonly string[]> {
    const ends: ("answered" | "closed" | "given-up" | null)[] = asked.map(() => null);
    const links: Link[] = [];
    for (const [i, { broker, frame }] of asked.entries()) {
      const splitter = new FrameSplitter({ frameMaxBytes: 2 ** 31 - 1 });
      const handlers = {
        onData: (chunk: Buffer) =>
          splitter.push(chunk, () => {
            ends[i] ??= "answered";
          }),
        onClose: () => {
          ends[i] ??= "closed";
        },
      };
      void this.network
        .transportFor("client")
        .connect({ host: `b${broker}`, port: 9092 }, handlers, { timeoutMs: 1000 })
        .then((link) => {
          links.push(link);
          link.write([frame]);
        });
    }
    const startedMs = this.clock.nowMs;
    await this.until("the requests end", () => this.clock.nowMs - startedMs > patienceMs || ends.every((end) => end !== null));
    for (const link of links) link.destroy();
    return ends.map((end) => end ?? "given-up");
  }
}

function frameOf<T>(message: Message<T>, value: T, version: number): Buffer {
  const writer = new Writer();
  writer.int32(0);
  const header = { apiKey: message.apiKey, apiVersion: version, correlationId: 1 };
  writeRequestHeader(writer, header, "x".repeat(32_767), message.isFlexible(version));
  message.write(writer, value, version);
  const frame = Buffer.concat(writer.chunks());
  frame.writeInt32BE(frame.length - 4);
  return frame;
}

/** Values as hostile as a version can carry. The more of them are valid, the deeper a request is processed. */
class Hostile {
  readonly #random: Random;
  /** Share of the values that are valid. */
  readonly #sense: number;
  /** Array elements and long strings that may still follow: a frame must not grow beyond what brokers accept. */
  #left = 400;

  constructor(random: Random, sense: number) {
    this.#random = random;
    this.#sense = sense;
  }

  structOf(fields: Fields, version: number): Record<string, unknown> {
    const value: Record<string, unknown> = {};
    for (const [name, field] of Object.entries(fields)) {
      const present = isOnWire(field, version) && (field.tag === undefined || this.#random.next() < 0.5);
      value[name] = present ? this.#shapeOf(field.shape, version, name) : field.absent;
    }
    return value;
  }

  #shapeOf(shape: Shape, version: number, name: string): unknown {
    if (isNullable(shape, version) && this.#random.next() < 0.2) return null;
    switch (shape.kind) {
      case "primitive":
        return this.#primitive(shape.name, name);
      case "array":
        return Array.from({ length: this.#length() }, () => this.#shapeOf(shape.element, version, name));
      case "struct":
        return this.structOf(shape.fields, version);
    }
  }

  #length(): number {
    const length = Math.min(this.#pick([0, 1, 1, 2, 3, 30]), this.#left);
    this.#left -= length;
    return length;
  }

  #pick<T>(values: readonly T[]): T {
    return values[randomInt(this.#random, values.length)] as T;
  }

  #primitive(kind: PrimitiveName, name: string): unknown {
    const makesSense = this.#random.next() < this.#sense;
    switch (kind) {
      case "bool":
        return this.#random.next() < 0.5;
      case "errorCode":
        return "NONE";
      case "int8":
        return makesSense ? this.#pick([0, 1, 2, 4]) : this.#pick([-128, -1, 127, 3, 99]);
      case "int16":
      case "uint16":
        return makesSense ? this.#pick([-1, 0, 1]) : this.#pick(kind === "uint16" ? [0, 65_535] : [-32_768, 32_767]);
      case "int32":
      case "uint32":
        return makesSense
          ? this.#pick([0, 1, 2, 1000])
          : this.#pick(kind === "uint32" ? [0, 2 ** 32 - 1] : [-(2 ** 31), -2, -1, 2 ** 31 - 1]);
      case "int64":
        return makesSense ? this.#pick([0, 1, -1, 5]) : this.#pick([Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, -(2 ** 31), 2 ** 52]);
      case "float64":
        return this.#pick([Number.NaN, Number.POSITIVE_INFINITY, -0, 1e308]);
      case "uuid":
        return makesSense ? zeroTopicId : `${"_".repeat(21)}w`;
      case "string":
      case "errorMessage":
        return makesSense ? this.#word(name) : this.#longest();
      case "bytes":
        return makesSense ? Buffer.alloc(0) : Buffer.alloc(this.#pick([1, 7, 70_000]), 0xff);
      case "records":
        return [makesSense ? encodeBatch([{ key: Buffer.from("k"), value: null, headers: [], timestampMs: 0 }]) : Buffer.alloc(100, 0x7f)];
    }
  }

  #word(field: string): string {
    if (/^(topic|topicName)$/.test(field)) return this.#pick(["t", "t", "u", "__consumer_offsets"]);
    if (/^group/.test(field)) return this.#pick(["g", ""]);
    return this.#pick([
      "t",
      "t",
      "g",
      "",
      "1",
      "__consumer_offsets",
      "retention.ms",
      "cleanup.policy",
      "follower.replication.throttled.replicas",
      "range",
      "consumer",
      "/data/2",
    ]);
  }

  /** 32,767 bytes, whatever it takes. */
  #longest(): string {
    if (this.#left <= 0) return "y".repeat(100);
    this.#left -= 4;
    return this.#pick([
      "x".repeat(32_767),
      "9".repeat(32_767),
      `${"é".repeat(16_383)}x`,
      "\u001b[2J\u0000".repeat(6553),
      `${"0:1,".repeat(8191)}0:1`,
    ]);
  }
}

const requests = [...messagesByKey.values()].map(({ request }: MessagePair) => request);
/** From no valid values at all to nearly all of them valid. */
const shares = [0, 0.6, 0.85, 0.95];
const seeds = (process.env.OTTLA_HOSTILE_SEEDS ?? "1").split(",").map(Number);

describe("requests of strangers, to every API in every version", () => {
  test.each(seeds)("are answered, or cost their own connection (seed %i)", async (seed) => {
    const victims = new Victims();
    await victims.start();
    const random = seededRandom(seed);
    for (const request of requests) {
      const [first, last] = request.versions;
      const asked = Array.from({ length: last - first + 1 }, (_, i) => first + i).flatMap((version) =>
        shares.map((share, i) => {
          const value = new Hostile(random, share).structOf(request.fields, version);
          return { broker: 1 + (i % 2), frame: frameOf(request, value, version) };
        }),
      );
      const ends = await victims.askAll(asked);
      expect(
        [victims.bugs, victims.failures],
        `${request.name}\n${victims.trace.latest.slice(-5).join("\n").slice(0, 5000)}`,
      ).toStrictEqual([[], []]);
      expect(ends.includes("answered"), request.name).toBeTruthy();
    }
  });
});
