import { createConnection, type Socket } from "node:net";
import { skipResponseHeaderRest, writeRequestHeader } from "../../protocol/messages/headers.ts";
import type { Message } from "../../protocol/schema/message.ts";
import { Reader } from "../../protocol/wire/reader.ts";
import { Writer } from "../../protocol/wire/writer.ts";

/** One connection that does just what it is told: no metadata, no retries. For tests of what a broker itself answers. */
export class RawConnection {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, { readonly answer: (body: Reader) => void; readonly fail: (error: Error) => void }>();
  #held = Buffer.alloc(0);
  #correlationId = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (chunk) => this.#take(chunk));
    socket.on("error", () => {});
    socket.on("close", () => {
      for (const { fail } of this.#waiting.values()) fail(new Error("the connection was closed"));
    });
  }

  static open(port: number): Promise<RawConnection> {
    return new Promise((resolve, reject) => {
      const socket = createConnection({ host: "127.0.0.1", port }, () => resolve(new RawConnection(socket)));
      socket.once("error", reject);
    });
  }

  /** Rejects when the connection closes first, or was closed before. */
  request<Req, Res>(api: { readonly request: Message<Req>; readonly response: Message<Res> }, version: number, body: Req): Promise<Res> {
    if (this.#socket.destroyed) return Promise.reject(new Error("the connection was closed"));
    const correlationId = ++this.#correlationId;
    const { apiKey } = api.request;
    const flexible = api.request.isFlexible(version);
    const writer = new Writer();
    writeRequestHeader(writer, { apiKey, apiVersion: version, correlationId }, "raw", flexible);
    api.request.write(writer, body, version);
    const frame = Buffer.concat(writer.chunks());
    const length = Buffer.alloc(4);
    length.writeInt32BE(frame.length);
    this.#socket.write(Buffer.concat([length, frame]));
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
    this.#held = Buffer.concat([this.#held, chunk]);
    while (this.#held.length >= 4 && this.#held.length >= 4 + this.#held.readInt32BE(0)) {
      const size = this.#held.readInt32BE(0);
      const reader = new Reader(this.#held.subarray(4, 4 + size));
      this.#held = this.#held.subarray(4 + size);
      const correlationId = reader.int32();
      this.#waiting.get(correlationId)?.answer(reader);
      this.#waiting.delete(correlationId);
    }
  }
}
