import { connect, type Socket } from "node:net";
import { writeRequestHeader } from "../../../protocol/messages/headers.ts";
import type { Message } from "../../../protocol/schema/message.ts";
import { encodeWhole } from "../../../protocol/schema/message.ts";
import { Reader } from "../../../protocol/wire/reader.ts";
import { Writer } from "../../../protocol/wire/writer.ts";
import { waitUntil } from "../wait-until.ts";

/** A TCP connection to a broker over which anything can be sent. */
export class RawLink {
  readonly #socket: Socket;
  readonly #chunks: Buffer[] = [];
  #closed = false;
  /** `host:port`, as the broker's log names us. */
  readonly address: string;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.address = `${socket.localAddress}:${socket.localPort}`;
    socket.on("data", (chunk) => this.#chunks.push(chunk));
    socket.on("close", () => {
      this.#closed = true;
    });
    socket.on("error", () => {}); // a reset is an answer too
  }

  static open(address: string): Promise<RawLink> {
    const [host = "", port = ""] = address.split(":");
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port: Number(port), noDelay: true });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new RawLink(socket));
      });
    });
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Everything that came so far. */
  get received(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  send(bytes: Buffer): this {
    this.#socket.write(bytes);
    return this;
  }

  /** Leaves everything unread from now on. */
  stopReading(): this {
    this.#socket.pause();
    return this;
  }

  drop(): void {
    this.#socket.destroy();
  }

  async closed(timeoutMs = 5000): Promise<void> {
    await waitUntil("the broker to close the connection", () => this.#closed, { timeoutMs, pauseMs: 5 });
  }

  /** The first `count` answers, each without its length. */
  async answers(count: number, timeoutMs = 10_000): Promise<Buffer[]> {
    return waitUntil(
      `${count} answers`,
      () => {
        const frames = wholeFrames(this.received);
        if (frames.length >= count) return frames.slice(0, count);
        if (this.#closed) throw new Error(`closed after ${frames.length} of ${count} answers`);
        return null;
      },
      { timeoutMs, pauseMs: 5 },
    );
  }

  /** Sends one request on a fresh link and reads its answer. */
  async ask<Req, Res>(request: Message<Req>, response: Message<Res>, version: number, body: Req): Promise<Res> {
    const before = wholeFrames(this.received).length;
    this.send(requestFrame(request, version, body));
    const frames = await this.answers(before + 1);
    return readAnswer(response, version, frames[before] ?? Buffer.alloc(0));
  }
}

function wholeFrames(bytes: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at + 4 <= bytes.length; ) {
    const end = at + 4 + bytes.readInt32BE(at);
    if (end > bytes.length) break;
    frames.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return frames;
}

/** The answer's body, without its header (correlation id, tags). */
export function readAnswer<Res>(response: Message<Res>, version: number, frame: Buffer): Res {
  const hasTags = response.isFlexible(version) && response.apiKey !== 18;
  return response.read(new Reader(frame, hasTags ? 5 : 4), version);
}

/** `body` after the length that it has. */
export function frameOf(body: Buffer): Buffer {
  const prefix = Buffer.alloc(4);
  prefix.writeInt32BE(body.length);
  return Buffer.concat([prefix, body]);
}

/** A request as a client sends it, or with any body instead of a proper one. */
export function requestFrame<Req>(request: Message<Req>, version: number, body: Req | Buffer, correlationId = 1): Buffer {
  const header = new Writer();
  writeRequestHeader(header, { apiKey: request.apiKey, apiVersion: version, correlationId }, "hostile", request.isFlexible(version));
  return frameOf(Buffer.concat([...header.chunks(), Buffer.isBuffer(body) ? body : encodeWhole(request, body, version)]));
}
