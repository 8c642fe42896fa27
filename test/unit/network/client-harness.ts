import type { Endpoint, RequestContext } from "../../../broker/api/api.ts";
import { type BoundListener, ClientListeners } from "../../../broker/network/client-listener.ts";
import { Dispatcher } from "../../../broker/network/dispatcher.ts";
import type { NetworkSettings } from "../../../broker/runtime/config/start-settings.ts";
import type { Logger } from "../../../protocol/base/logger.ts";
import { SlabPool } from "../../../protocol/wire/slab-pool.ts";
import { ManualClock, settled } from "./manual-clock.ts";
import { type MemoryLink, MemoryTransport } from "./memory-transport.ts";

export const produceKey = 0;
export const fetchKey = 1;

/** A request that a test's endpoint was asked to serve; the test answers it. */
export interface Asked {
  readonly body: string;
  readonly context: RequestContext;
  answer(body: string | null): void;
  fail(error: Error): void;
}

export interface Logged {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function recordingLogger(lines: Logged[]): Logger {
  const at = (level: string) => (fields: object, message: string) => lines.push({ level, message, fields: { ...fields } });
  return { debug: () => {}, info: at("info"), warn: at("warn"), error: at("error"), child: () => recordingLogger(lines) };
}

export class ClientHarness {
  readonly clock = new ManualClock();
  readonly transport = new MemoryTransport();
  readonly asked: Asked[] = [];
  readonly lines: Logged[] = [];
  readonly fatal: Error[] = [];
  limits: NetworkSettings = {
    frameMaxBytes: 1_000_000,
    connectionIdleMaxMs: 60_000,
    connectionsMax: 100,
    connectionsPerAddressMax: 100,
    requestsInFlightMax: 100,
    clientMemoryMaxBytes: 10_000_000,
    requestBytesInFlightPerConnectionMax: 1_000_000,
    unsentBytesPerConnectionMax: 100_000,
    requestTimeoutMs: 30_000,
  };
  listeners!: ClientListeners;
  bound!: BoundListener[];

  async start(limits: Partial<NetworkSettings> = {}, endpoints: readonly Endpoint[] = this.endpoints()): Promise<this> {
    this.limits = { ...this.limits, ...limits };
    const log = recordingLogger(this.lines);
    this.listeners = new ClientListeners({
      transport: this.transport,
      dispatcher: new Dispatcher(endpoints),
      limits: () => this.limits,
      slabs: new SlabPool({ detachesReleased: true }),
      memoryMaxBytes: this.limits.clientMemoryMaxBytes ?? 0,
      clock: this.clock,
      log,
      onFatal: (error) => this.fatal.push(error),
    });
    const address = { host: "127.0.0.1", port: 0 };
    this.bound = await this.listeners.listen([
      { name: "INSIDE", bind: address, advertised: { host: "inside", port: 0 } },
      { name: "OUTSIDE", bind: address, advertised: { host: "outside", port: 19_092 } },
    ]);
    return this;
  }

  /** Produce 3 to 8 and Fetch 4, none flexible, and an ApiVersions that is never asked in a version it has. */
  endpoints(): Endpoint[] {
    const one = (apiKey: number, name: string, versions: readonly [number, number]): Endpoint => ({
      apiKey,
      name,
      versions,
      controllerOnly: false,
      isFlexible: () => false,
      serve: (body, context) =>
        new Promise((resolve, reject) => {
          const answer = (text: string | null) => resolve(text === null ? null : [Buffer.from(text)]);
          this.asked.push({ body: body.toString("latin1"), context, answer, fail: reject });
        }),
    });
    return [one(produceKey, "Produce", [3, 8]), one(fetchKey, "Fetch", [4, 4]), one(18, "ApiVersions", [0, 4])];
  }

  async connect(listener = 0): Promise<Client> {
    const { bound } = this.bound[listener] as BoundListener;
    const received: Buffer[] = [];
    const client = { received, isClosed: false };
    const link = await this.transport.connect(bound, {
      onData: (chunk) => received.push(Buffer.from(chunk)),
      onClose: () => {
        client.isClosed = true;
      },
    });
    return Object.assign(new Client(link, received), { state: client });
  }
}

export class Client {
  readonly link: MemoryLink;
  readonly #received: Buffer[];
  readonly state: { isClosed: boolean } = { isClosed: false };

  constructor(link: MemoryLink, received: Buffer[]) {
    this.link = link;
    this.#received = received;
  }

  async send(...frames: readonly Buffer[]): Promise<void> {
    this.link.write(frames);
    await settled();
  }

  /** `correlation:body` of every answer so far. */
  async answers(): Promise<string[]> {
    await settled();
    const bytes = Buffer.concat(this.#received);
    const answers: string[] = [];
    for (let at = 0; at < bytes.length; ) {
      const size = bytes.readInt32BE(at);
      answers.push(`${bytes.readInt32BE(at + 4)}:${bytes.toString("latin1", at + 8, at + 4 + size)}`);
      at += 4 + size;
    }
    return answers;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#received);
  }
}

/** A whole request frame with header version 1. */
export function request(apiKey: number, version: number, correlationId: number, body: string): Buffer {
  const clientId = "tester";
  const header = Buffer.alloc(14 + clientId.length);
  header.writeInt32BE(10 + clientId.length + body.length, 0);
  header.writeInt16BE(apiKey, 4);
  header.writeInt16BE(version, 6);
  header.writeInt32BE(correlationId, 8);
  header.writeInt16BE(clientId.length, 12);
  header.write(clientId, 14);
  return Buffer.concat([header, Buffer.from(body, "latin1")]);
}

export function produce(correlationId: number, body: string): Buffer {
  return request(produceKey, 3, correlationId, body);
}
