import type { Address } from "../../protocol/base/transport.ts";
import type { ClientLogger } from "./client-logger.ts";
import type { ClientRuntime } from "./client-runtime.ts";
import { InvalidArgument } from "./errors.ts";
import { kindOf } from "./kind-of.ts";

/** What producer, consumer and admin have in common. */
export interface ClientOptions {
  /**
   * Brokers to connect to first, `host:port` each; the rest of the cluster is learnt from them. A string may hold several, separated by
   * commas. Port 9092 by default.
   */
  readonly bootstrap: string | readonly string[];
  /** Our name in the brokers' logs and metrics. Default "ottla". */
  readonly clientId?: string;
  /** How long a broker may take to answer before its connection is closed. Milliseconds; default 30,000. */
  readonly requestTimeoutMs?: number;
  /**
   * When a broker is this late, another one is asked for metadata, too, and new leaders are looked up for what it led. Its connection is
   * still kept for `requestTimeoutMs`, unless nothing waits for it any more. Milliseconds; default 1,000.
   */
  readonly slowAfterMs?: number;
  /** How long a connection may take to open. Milliseconds; default 5,000. */
  readonly connectTimeoutMs?: number;
  /**
   * How long `Admin`, `assign` and `subscribe` look for a first broker that answers, as long as none ever has: that an address is wrong
   * should be heard soon. Afterwards an operation tries as long as its own timeout says. A producer waits for `maxBlockMs`, as ever.
   * Milliseconds; default 10,000.
   */
  readonly reachTimeoutMs?: number;
  /**
   * First pause before a retry; doubles with each failure in a row, with some jitter. The next leader or coordinator in place of a lost one
   * is looked for sooner: docs/clients.md. Milliseconds; default 100.
   */
  readonly retryBackoffMs?: number;
  /** Longest such pause. Milliseconds; default 1,000. */
  readonly retryBackoffMaxMs?: number;
  /** Metadata older than this is fetched again, needed or not. Milliseconds; default 300,000. */
  readonly metadataMaxAgeMs?: number;
  /** A larger answer closes the connection. Bytes; default 100 MiB. */
  readonly responseBytesMax?: number;
  /** Closes the client when aborted, without waiting for anything. */
  readonly signal?: AbortSignal;
  /**
   * Where the client says what happens to it: what fails and is tried again, leaders that move, rebalances, positions that could not be
   * committed. Pino's will do. Nothing is printed by default. Of lines with the same message few come at once, and fewer the longer it
   * goes on; the next one says how many were left out (`more`).
   */
  readonly logger?: ClientLogger;
  /** Clock, sockets and randomness other than the machine's. */
  readonly runtime?: ClientRuntime;
}

/** As long as a command tries. Milliseconds. */
export const reachTimeoutDefaultMs = 10_000;

/** The options with their defaults filled in. */
export interface ClientSettings {
  readonly bootstrap: readonly Address[];
  readonly clientId: string;
  readonly requestTimeoutMs: number;
  readonly slowAfterMs: number;
  readonly connectTimeoutMs: number;
  readonly reachTimeoutMs: number;
  readonly retryBackoffMs: number;
  readonly retryBackoffMaxMs: number;
  readonly metadataMaxAgeMs: number;
  readonly responseBytesMax: number;
}

export function clientSettings(options: ClientOptions): ClientSettings {
  const settings: ClientSettings = {
    bootstrap: parseBootstrap(options.bootstrap),
    clientId: options.clientId ?? "ottla",
    requestTimeoutMs: positive("requestTimeoutMs", options.requestTimeoutMs ?? 30_000),
    slowAfterMs: positive("slowAfterMs", options.slowAfterMs ?? 1_000),
    connectTimeoutMs: positive("connectTimeoutMs", options.connectTimeoutMs ?? 5_000),
    reachTimeoutMs: positive("reachTimeoutMs", options.reachTimeoutMs ?? reachTimeoutDefaultMs),
    retryBackoffMs: positive("retryBackoffMs", options.retryBackoffMs ?? 100),
    retryBackoffMaxMs: positive("retryBackoffMaxMs", options.retryBackoffMaxMs ?? 1_000),
    metadataMaxAgeMs: positive("metadataMaxAgeMs", options.metadataMaxAgeMs ?? 300_000),
    responseBytesMax: positive("responseBytesMax", options.responseBytesMax ?? 100 * 1024 * 1024),
  };
  if (settings.retryBackoffMaxMs < settings.retryBackoffMs) throw new InvalidArgument("retryBackoffMaxMs is below retryBackoffMs");
  return settings;
}

/** The value, if it is a number of at least 1 (or `min`). */
export function positive(name: string, value: number, min = 1): number {
  if (!Number.isFinite(value) || value < min) throw new InvalidArgument(`${name} is ${value}, at least ${min} is needed`);
  return value;
}

const defaultPort = 9092;

/** `host:port`, `[ipv6]:port` or `host`, several in an array or separated by commas. */
export function parseBootstrap(bootstrap: string | readonly string[]): readonly Address[] {
  if (typeof bootstrap !== "string" && !(Array.isArray(bootstrap) && bootstrap.every((text) => typeof text === "string")))
    throw new InvalidArgument(`bootstrap is ${kindOf(bootstrap)}: it names brokers to connect to first, such as "127.0.0.1:9092"`);
  const texts = (typeof bootstrap === "string" ? [bootstrap] : bootstrap).flatMap((text) => text.split(","));
  const addresses = texts.map((text) => text.trim()).filter((text) => text !== "");
  if (addresses.length === 0) throw new InvalidArgument("bootstrap names no broker");
  return addresses.map(parseAddress);
}

function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:\s[\]]+))(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = match?.[3] === undefined ? defaultPort : Number(match[3]);
  if (host === undefined) throw new InvalidArgument(`"${text}" is no broker address: host:port is`);
  if (port < 1 || port > 65535) throw new InvalidArgument(`"${text}" is no broker address: a port is a number from 1 to 65535`);
  return { host, port };
}
