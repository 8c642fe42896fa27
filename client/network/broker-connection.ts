import type { Clock, Timer } from "../../protocol/base/clock.ts";
import { type Address, formatAddress, type Link, type Transport } from "../../protocol/base/transport.ts";
import { kafkaErrors } from "../../protocol/errors/kafka-errors.ts";
import { apis, type MessagePair } from "../../protocol/messages/apis.ts";
import { skipResponseHeaderRest } from "../../protocol/messages/headers.ts";
import { FrameSplitter } from "../../protocol/wire/frame-splitter.ts";
import { MalformedFrame, Reader } from "../../protocol/wire/reader.ts";
import { abortable } from "../base/abort.ts";
import { messageOf } from "../base/as-error.ts";
import type { ClientCounters } from "../base/client-counters.ts";
import { ClientClosed, ConnectionLost, RequestTimedOut, UnsupportedApi } from "../base/errors.ts";
import { requestFrame } from "./request-frame.ts";
import { commonVersion, finalizedLevels, type ServedVersions, servedVersions } from "./versions.ts";

export interface ConnectionParts {
  readonly clock: Clock;
  readonly transport: Transport;
  readonly counters: ClientCounters;
  /** An answer to this request says that it was held back, or that the next ones will be. */
  readonly onThrottled?: (api: string, throttleMs: number) => void;
}

export interface ConnectionLimits {
  readonly clientId: string;
  /** For connecting, and again for negotiating versions. */
  readonly connectTimeoutMs: number;
  /** A request unanswered for this long ends the connection. */
  readonly requestTimeoutMs: number;
  /** An answer that is late by this much makes the connection overdue. */
  readonly slowAfterMs: number;
  /** A larger answer ends the connection. */
  readonly responseBytesMax: number;
}

/** Requests in flight, per connection; more wait their turn, up to `waitingMax`. */
const inFlightMax = 100;
const waitingMax = 10_000;

/**
 * A fetch's answer, which is as large as was asked for, is not copied while it arrives. What never comes of it is never touched: a broker
 * that announces much and sends little costs addresses, and not memory.
 */
const allocatedAtOnceBytesMax = 16 * 1024 * 1024;

const softwareName = "ottla";
const softwareVersion = "0.1.0";

export interface RequestOptions {
  /** Instead of the connection's `requestTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Use no higher version, for what higher ones cannot express. */
  readonly versionMax?: number;
  /** How long the broker may legitimately take, for a request that makes it wait. Default 0. */
  readonly waitMs?: number;
  /**
   * Abandons the request: it rejects with the signal's reason, and a late answer is dropped unread. What was sent may have been carried out
   * nevertheless.
   * A connection on which nothing else waits is closed then, for it may be dead.
   */
  readonly signal?: AbortSignal;
}

interface Exchange {
  readonly name: string;
  /** Null: there is no answer; it is done once sent. */
  readonly read: ((frame: Buffer, reader: Reader) => unknown) | null;
  readonly encode: (correlationId: number) => Buffer[];
  resolve: (answer: unknown) => void;
  reject: (error: Error) => void;
  readonly waitMs: number;
  sentAtMs: number;
  timer: Timer | null;
  stopListening: (() => void) | null;
  isGivenUp: boolean;
  correlationId: number;
}

/**
 * One link to a broker: requests are pipelined and answered in order, the versions are negotiated first. Any doubt about what an answer
 * belongs to ends the connection: a request that timed out, an answer out of order, a frame that is too large or does not parse.
 */
export class BrokerConnection {
  readonly #address: Address;
  readonly #clock: Clock;
  readonly #parts: ConnectionParts;
  readonly #counters: ClientCounters;
  readonly #limits: ConnectionLimits;
  readonly #splitter: FrameSplitter;
  readonly #inFlight: Exchange[] = [];
  readonly #waiting: Exchange[] = [];
  #link: Link | null = null;
  #served: ServedVersions = new Map();
  #finalized: ReadonlyMap<string, number> = new Map();
  #failure: Error | null = null;
  /** When it failed. */
  #unanswered = 0;
  #onEnd: (() => void) | null = null;
  #nextCorrelationId = 0;
  #answeredAtMs = Number.NEGATIVE_INFINITY;
  #drained: { readonly promise: Promise<void>; readonly resolve: () => void } | null = null;

  private constructor(address: Address, parts: ConnectionParts, limits: ConnectionLimits) {
    this.#address = address;
    this.#clock = parts.clock;
    this.#parts = parts;
    this.#counters = parts.counters;
    this.#limits = limits;
    this.#splitter = new FrameSplitter({ frameMaxBytes: limits.responseBytesMax, allocatedAtOnceBytesMax });
  }

  /** Connects and asks the broker for its versions. Throws ConnectionLost, RequestTimedOut or the signal's reason. */
  static async open(address: Address, parts: ConnectionParts, limits: ConnectionLimits, signal?: AbortSignal): Promise<BrokerConnection> {
    const connection = new BrokerConnection(address, parts, limits);
    try {
      const link = await parts.transport.connect(
        address,
        {
          onData: (chunk) => connection.#onData(chunk),
          onDrain: () => connection.#onDrain(),
          onClose: (error) => connection.#fail(connection.#lost(error)),
        },
        { timeoutMs: limits.connectTimeoutMs, ...(signal === undefined ? {} : { signal }) },
      );
      connection.#link = link;
      if (connection.#failure !== null) throw connection.#failure;
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (error instanceof ConnectionLost) throw error;
      throw new ConnectionLost(messageOf(error), { cause: error });
    }
    // a broker that hangs accepts connections: left open, the socket would keep the process alive until `connectTimeoutMs`
    const giveUp = () => connection.#fail(signal?.reason);
    signal?.addEventListener("abort", giveUp, { once: true });
    try {
      if (signal?.aborted) giveUp();
      connection.#served = await connection.#negotiate();
    } catch (error) {
      connection.#fail(error instanceof Error ? error : new ConnectionLost(String(error)));
      throw error;
    } finally {
      signal?.removeEventListener("abort", giveUp);
    }
    return connection;
  }

  get isOpen(): boolean {
    return this.#failure === null;
  }

  /** Called once, when it has failed or was closed: at once if it has already. */
  whenEnded(listener: (error: Error, unanswered: number) => void): void {
    this.#onEnd = () => listener(this.#failure as Error, this.#unanswered);
    if (this.#failure !== null) this.#onEnd();
  }

  get address(): Address {
    return this.#address;
  }

  /** Requests sent or waiting, unanswered. */
  get pending(): number {
    return this.#inFlight.length + this.#waiting.length;
  }

  /** When the last answer came, monotonic; -Infinity: none yet. */
  get answeredAtMs(): number {
    return this.#answeredAtMs;
  }

  /** The next answer is late: the broker is stuck, or something on the way to it; or it has just to wait, where `lateMs` is little. */
  isOverdue(nowMs: number, lateMs = this.#limits.slowAfterMs): boolean {
    const next = this.#inFlight[0];
    if (next === undefined) return false;
    return nowMs >= Math.max(next.sentAtMs, this.#answeredAtMs) + next.waitMs + lateMs;
  }

  /** The version that `request` would use, or null when the broker does not serve the API. */
  versionOf<Req, Res>(api: MessagePair<Req, Res>, versionMax?: number): number | null {
    return commonVersion(api.request, this.#served, versionMax);
  }

  /** The level of a feature that the whole cluster acts by, as this broker told it; 0: none. */
  finalizedLevel(feature: string): number {
    return this.#finalized.get(feature) ?? 0;
  }

  /**
   * Sends and resolves with the answer. `build` gets the negotiated version. Rejects with ConnectionLost, RequestTimedOut, UnsupportedApi
   * or ClientClosed.
   */
  async request<Req, Res>(api: MessagePair<Req, Res>, build: (version: number) => Req, options: RequestOptions = {}): Promise<Res> {
    const version = this.#agreed(api, options);
    return (await this.#exchange(api, version, build(version), this.#reading(api, version), options)) as Res;
  }

  /** For requests that are not answered (acks 0): resolves once the bytes are queued and the link has room for more. */
  async requestUnanswered<Req, Res>(
    api: MessagePair<Req, Res>,
    build: (version: number) => Req,
    options: RequestOptions = {},
  ): Promise<void> {
    const version = this.#agreed(api, options);
    await this.#exchange(api, version, build(version), null, options);
    if (this.#drained === null) return;
    const timeoutMs = options.timeoutMs ?? this.#limits.requestTimeoutMs;
    const timer = this.#clock.schedule(timeoutMs, () =>
      this.#fail(new RequestTimedOut(`${formatAddress(this.#address)} took nothing from its link for ${timeoutMs} ms`)),
    );
    await abortable(this.#drained.promise, options.signal).finally(() => timer.cancel());
  }

  close(reason: Error = new ClientClosed(`the connection to ${formatAddress(this.#address)} was closed`)): void {
    this.#fail(reason);
  }

  #agreed<Req, Res>(api: MessagePair<Req, Res>, { versionMax }: RequestOptions): number {
    const version = this.versionOf(api, versionMax);
    if (version !== null) return version;
    const where = formatAddress(this.#address);
    throw new UnsupportedApi(`the broker at ${where} serves no version of ${api.request.name} that we speak`);
  }

  #reading<Req, Res>(api: MessagePair<Req, Res>, version: number): (frame: Buffer, reader: Reader) => Res {
    return (_frame, reader) => {
      skipResponseHeaderRest(reader, api.request.apiKey, api.response.isFlexible(version));
      const answer = api.response.read(reader, version);
      this.#checkThrottle(api.name, answer as { readonly throttleTimeMs?: number });
      return answer;
    };
  }

  #checkThrottle(api: string, answer: { readonly throttleTimeMs?: number }): void {
    const throttleMs = answer.throttleTimeMs ?? 0;
    if (throttleMs <= 0) return;
    this.#counters.throttles++;
    this.#counters.throttleTimeMs += throttleMs;
    this.#parts.onThrottled?.(api, throttleMs);
  }

  /** A broker that does not know our version of ApiVersions answers in version 0, with an error and its versions (KIP-511). */
  async #negotiate(): Promise<ServedVersions> {
    const api = apis.apiVersions;
    let version: number = api.request.versions[1];
    for (;;) {
      const asked = version;
      const read = (frame: Buffer, reader: Reader) => {
        const refused = frame.length >= 6 && frame.readInt16BE(4) === kafkaErrors.UNSUPPORTED_VERSION.code;
        return api.response.read(reader, refused ? 0 : asked);
      };
      const body = { clientSoftwareName: softwareName, clientSoftwareVersion: softwareVersion };
      const answer = (await this.#exchange(api, asked, body, read, { timeoutMs: this.#limits.connectTimeoutMs })) as ReturnType<
        typeof api.response.read
      >;
      const served = servedVersions(answer);
      this.#finalized = finalizedLevels(answer);
      if (answer.errorCode === "NONE") return served;
      const next = commonVersion(api.request, served, asked - 1) ?? 0;
      if (answer.errorCode !== "UNSUPPORTED_VERSION" || asked === 0)
        throw new UnsupportedApi(`the broker at ${formatAddress(this.#address)} answers ApiVersions with ${answer.errorCode}`);
      version = next;
    }
  }

  #exchange<Req, Res>(
    api: MessagePair<Req, Res>,
    version: number,
    value: Req,
    read: Exchange["read"],
    { timeoutMs = this.#limits.requestTimeoutMs, waitMs = 0, signal }: RequestOptions,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      if (this.#failure !== null) return reject(this.#failure);
      if (this.#waiting.length >= waitingMax)
        return reject(new ConnectionLost(`${waitingMax} requests wait for ${formatAddress(this.#address)}`));
      const { name } = api.request;
      const encode = (correlationId: number) => requestFrame(api, version, correlationId, this.#limits.clientId, value);
      const exchange: Exchange = {
        name,
        read,
        encode,
        resolve,
        reject,
        waitMs,
        sentAtMs: 0,
        timer: null,
        stopListening: null,
        isGivenUp: false,
        correlationId: -1,
      };
      if (signal !== undefined) {
        const onAbort = () => this.#giveUp(exchange, signal.reason);
        signal.addEventListener("abort", onAbort, { once: true });
        exchange.stopListening = () => signal.removeEventListener("abort", onAbort);
      }
      exchange.timer = this.#clock.schedule(timeoutMs, () => {
        exchange.timer = null;
        this.#fail(new RequestTimedOut(`${formatAddress(this.#address)} did not answer ${name} within ${timeoutMs} ms`));
      });
      if (this.#inFlight.length < inFlightMax) this.#send(exchange);
      else this.#waiting.push(exchange);
    });
  }

  #send(exchange: Exchange): void {
    exchange.correlationId = this.#nextCorrelationId;
    this.#nextCorrelationId = (this.#nextCorrelationId + 1) % 2 ** 31;
    exchange.sentAtMs = this.#clock.monotonicMs();
    let frame: Buffer[];
    try {
      frame = exchange.encode(exchange.correlationId);
    } catch (error) {
      // the request cannot be expressed in the protocol: nothing was sent, and the others continue
      return this.#settle(exchange, () => exchange.reject(error as Error));
    }
    this.#counters.requestsSent++;
    for (const chunk of frame) this.#counters.networkBytesSent += chunk.length;
    const hasRoom = this.#link?.write(frame) ?? true;
    if (!hasRoom) this.#drained ??= Promise.withResolvers<void>();
    if (exchange.read !== null) this.#inFlight.push(exchange);
    else this.#settle(exchange, () => exchange.resolve(undefined));
  }

  #onData(chunk: Buffer): void {
    if (this.#failure !== null) return;
    this.#counters.networkBytesReceived += chunk.length;
    try {
      this.#splitter.push(chunk, (frame) => {
        if (this.#failure === null) this.#onFrame(frame);
      });
    } catch (error) {
      // however reading a broker's bytes fails, it must not end the application's process
      this.#fail(new ConnectionLost(`${formatAddress(this.#address)} sent nonsense: ${messageOf(error)}`, { cause: error }));
    }
  }

  #onFrame(frame: Buffer): void {
    const reader = new Reader(frame);
    const correlationId = reader.int32();
    const exchange = this.#inFlight[0];
    if (exchange === undefined) throw new MalformedFrame(`answer ${correlationId} to no request`);
    if (exchange.correlationId !== correlationId)
      throw new MalformedFrame(`answer ${correlationId} where ${exchange.correlationId} (${exchange.name}) was due`);
    const answer = exchange.isGivenUp ? undefined : exchange.read?.(frame, reader);
    this.#inFlight.shift();
    this.#answeredAtMs = this.#clock.monotonicMs();
    this.#counters.requestsAnswered++;
    this.#counters.requestTimeMs += this.#answeredAtMs - exchange.sentAtMs;
    this.#settle(exchange, () => exchange.resolve(answer));
    while (this.#waiting.length > 0 && this.#inFlight.length < inFlightMax) this.#send(this.#waiting.shift() as Exchange);
  }

  #onDrain(): void {
    this.#drained?.resolve();
    this.#drained = null;
  }

  /** The exchange keeps its place among those in flight, so that its answer is known by its number and dropped. */
  #giveUp(exchange: Exchange, reason: Error): void {
    this.#settle(exchange, () => exchange.reject(reason));
    const waitingAt = this.#waiting.indexOf(exchange);
    if (waitingAt >= 0) {
      this.#waiting.splice(waitingAt, 1);
      return;
    }
    exchange.isGivenUp = true;
    if (this.#waiting.length > 0 || this.#inFlight.some(({ isGivenUp }) => !isGivenUp)) return;
    this.#fail(new ConnectionLost(`${formatAddress(this.#address)} did not answer, and nobody waits for it any more`));
  }

  #settle(exchange: Exchange, how: () => void): void {
    exchange.timer?.cancel();
    exchange.timer = null;
    exchange.stopListening?.();
    exchange.stopListening = null;
    how();
    // a settled exchange, promoted to the old generation, must not keep a large answer until the next full collection
    exchange.resolve = nobodyWaits;
    exchange.reject = nobodyWaits;
  }

  #lost(error: Error | undefined): ConnectionLost {
    const why = error === undefined ? "the broker closed it" : error.message;
    return new ConnectionLost(`connection to ${formatAddress(this.#address)} lost: ${why}`, { cause: error });
  }

  #fail(error: Error): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#link?.destroy(error);
    this.#onDrain();
    this.#unanswered = this.pending;
    this.#counters.requestsFailed += this.#inFlight.length;
    for (const exchange of [...this.#inFlight.splice(0), ...this.#waiting.splice(0)])
      this.#settle(exchange, () => exchange.reject(error as Error));
    this.#onEnd?.();
  }
}

const nobodyWaits = () => undefined;
