import { createConnection, type Socket } from "node:net";
import { skipResponseHeaderRest, writeRequestHeader } from "../../protocol/messages/headers.ts";
import type { Message } from "../../protocol/schema/message.ts";
import { FrameSplitter } from "../../protocol/wire/frame-splitter.ts";
import { beginFrame, endFrame } from "../../protocol/wire/frame-writer.ts";
import { Reader } from "../../protocol/wire/reader.ts";

/** One connection that does exactly what it is told: no metadata, no retries. For tests of what a broker itself answers. */
export class RawConnection {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, { readonly answer: (body: Reader) => void; readonly fail: (error: Error) => void }>();
  readonly #splitter = new FrameSplitter({ frameMaxBytes: 2 ** 31 - 1 });
  #correlationId = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk) => this.#take(chunk));
    socket.on("error", () => {});
    socket.on("close", () => {
      for (const { fail } of this.#waiting.values()) fail(new Error("the connection was closed"));
    });
  }

  static open(port: number, host = "127.0.0.1"): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = createConnection({ host, port }, () => resolve(new RawConnection(socket)));
      socket.once("error", reject);
    });
  }

  /** Rejects when the connection closes first, or was closed before. */
  request<Req, Res>(api: { readonly request: Message<Req>; readonly response: Message<Res> }, version: number, body: Req): Promise<Res> {
    if (this.#socket.destroyed) return Promise.reject(new Error("the connection was closed"));
    const correlationId = ++this.#correlationId;
    const { apiKey } = api.request;
    const flexible = api.request.isFlexible(version);
    const writer = beginFrame();
    writeRequestHeader(writer, { apiKey, apiVersion: version, correlationId }, "raw", flexible);
    api.request.write(writer, body, version);
    this.#socket.write(Buffer.concat(endFrame(writer)));
    return new Promise((resolve, reject) => {
      const answer = (reader: Reader) => {
        skipResponseHeaderRest(reader, apiKey, flexible);
        resolve(api.response.read(reader, version));
      };
      this.#waiting.set(correlationId, { answer, fail: reject });
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#splitter.push(chunk, (frame) => {
      const reader = new Reader(frame);
      const correlationId = reader.int32();
      this.#waiting.get(correlationId)?.answer(reader);
      this.#waiting.delete(correlationId);
    });
  }
}
