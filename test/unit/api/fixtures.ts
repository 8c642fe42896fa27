import type { Api, Endpoint, RequestContext } from "../../../broker/api/api.ts";
import { endpoint } from "../../../broker/api/api.ts";
import { uncounted } from "../../../broker/api/request-meter.ts";
import type { ClusterImage, ImageSource, TopicImage } from "../../../broker/cluster/cluster-image.ts";
import type { Clock, Timer } from "../../../protocol/base/clock.ts";
import { nothingFinalized } from "../../../protocol/base/features.ts";
import type { BrokerRecord, PartitionRecord } from "../../../protocol/peer/messages.ts";
import { encodeWhole, type Message } from "../../../protocol/schema/message.ts";
import { Reader } from "../../../protocol/wire/reader.ts";

export function context(apiVersion: number, more: Partial<RequestContext> = {}): RequestContext {
  return {
    apiVersion,
    clientId: "test",
    listener: "PUBLIC",
    remote: "10.0.0.9:50000",
    connectionId: 1,
    signal: new AbortController().signal,
    origin: { acceptedMs: Number.POSITIVE_INFINITY, retire: () => {} },
    meter: uncounted,
    ...more,
  };
}

/** Asks through the endpoint, so through both codecs of the version. */
export async function ask<Req, Res>(
  api: Api<Req, Res>,
  request: Req,
  version: number,
  more: Partial<RequestContext> = {},
): Promise<Res | null> {
  return askEndpoint(endpoint(api), api, request, version, more);
}

export async function askEndpoint<Req, Res>(
  served: Endpoint,
  { request: requestMessage, response }: { readonly request: Message<Req>; readonly response: Message<Res> },
  request: Req,
  version: number,
  more: Partial<RequestContext> = {},
): Promise<Res | null> {
  const body = await served.serve(encodeWhole(requestMessage, request, version), context(version, more));
  return body === null ? null : readWhole(response, Buffer.concat(body), version);
}

/** As `ask`, for a request that must be answered. */
export async function answerOf<Req, Res>(
  api: Api<Req, Res>,
  request: Req,
  version: number,
  more: Partial<RequestContext> = {},
): Promise<Res> {
  const response = await ask(api, request, version, more);
  if (response === null) throw new Error("no answer");
  return response;
}

export function readWhole<T>(of: Message<T>, bytes: Buffer, version: number): T {
  const reader = new Reader(bytes);
  const value = of.read(reader, version);
  if (reader.remaining !== 0) throw new Error(`${of.name} v${version} left ${reader.remaining} bytes unread`);
  return value;
}

export function broker(id: number, listeners: readonly string[] = ["PUBLIC"]): BrokerRecord {
  return {
    id,
    epoch: 100 + id,
    rack: id === 1 ? "r1" : null,
    endpoints: listeners.map((listener) => ({ listener, host: `${listener.toLowerCase()}-${id}`, port: 9000 + id })),
    peer: { host: `peer-${id}`, port: 7000 + id },
  };
}

export function partition(number: number, more: Partial<PartitionRecord> = {}): PartitionRecord {
  return {
    partition: number,
    leader: 1,
    leaderEpoch: 5,
    isr: [1, 2],
    replicas: [1, 2],
    stateVersion: 0,
    isrEpochs: {},
    leaderRecovering: false,
    ...more,
  };
}

/** 22 characters, told apart by how they start. */
export function topicId(letter: string): string {
  return letter.padEnd(22, "A");
}

export function topic(name: string, id: string, partitions: readonly PartitionRecord[] = [partition(0)], config = {}): TopicImage {
  return { name, id, partitions, config };
}

export function image(topics: readonly TopicImage[], more: Partial<ClusterImage> = {}): ClusterImage {
  return {
    clusterId: "test-cluster",
    controllerId: 2,
    controllerEpoch: 3,
    brokers: new Map([1, 2].map((id) => [id, broker(id)])),
    leavingBrokers: new Set(),
    suspectedBrokers: new Set(),
    startingLeaders: [],
    deletedTopics: new Map(),
    topics: new Map(topics.map((one) => [one.name, one])),
    topicNames: new Map(topics.map((one) => [one.id, one.name])),
    brokerConfigs: new Map(),
    features: nothingFinalized,
    offlineReplicas: new Map(),
    ...more,
  };
}

export class Images implements ImageSource {
  current: ClusterImage;
  readonly #listeners = new Set<(image: ClusterImage) => void>();

  constructor(current: ClusterImage) {
    this.current = current;
  }

  get listeners(): number {
    return this.#listeners.size;
  }

  onChange(listener: (image: ClusterImage) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  replace(next: ClusterImage): void {
    this.current = next;
    for (const listener of [...this.#listeners]) listener(next);
  }
}

/** Time that moves when told to. */
export class ManualClock implements Clock {
  #nowMs = 5000;
  #timers: { readonly atMs: number; readonly callback: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  get pending(): number {
    return this.#timers.length;
  }

  schedule(delayMs: number, callback: () => void): Timer {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }

  async advance(byMs: number): Promise<void> {
    await settle();
    const untilMs = this.#nowMs + byMs;
    for (;;) {
      const due = this.#timers.filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#nowMs = due.atMs;
      due.callback();
      await settle();
    }
    this.#nowMs = untilMs;
    await settle();
  }
}

/** Lets everything that is ready run. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}
