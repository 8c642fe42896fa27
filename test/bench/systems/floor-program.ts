// The least that a replicated log has to do, on bare Node: takes frames over TCP, writes them to a file, passes them to others, which
// write them too, and answers a frame's number when all have written it. No log, no protocol, no checks, no recovery.
//
// `node floor-program.ts PORT FILE [PORT OF OTHER ...]`
import { openSync, writev } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { takeFrames } from "../load/floor-orders.ts";

const [port, file = "", ...others] = process.argv.slice(2);
const descriptor = openSync(file, "a");

/** One client, whose frames are numbered from 1. */
class Stream {
  readonly #client: Socket;
  readonly #links: readonly Socket[];
  /** The last frame that is in the file of each of the others. */
  readonly #confirmed = others.map(() => 0);
  #written = 0;
  #answered = 0;
  #queue: Buffer[] = [];
  #queuedUpTo = 0;
  #isWriting = false;

  constructor(client: Socket) {
    this.#client = client;
    this.#links = others.map((other, index) => this.#connectTo(Number(other), index));
    let rest: Buffer = Buffer.alloc(0);
    client.on("error", () => {}); // a load that is killed
    client.on("close", () => {
      for (const link of this.#links) link.destroy();
    });
    client.on("data", (chunk) => {
      rest = takeFrames(rest.length === 0 ? chunk : Buffer.concat([rest, chunk]), (number, frame) => this.#take(number, frame));
      this.#write();
    });
  }

  #connectTo(other: number, index: number): Socket {
    const link = connect({ host: "127.0.0.1", port: other, noDelay: true });
    let rest: Buffer = Buffer.alloc(0);
    link.on("error", () => {});
    link.on("data", (chunk) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const whole = rest.length - (rest.length % 4);
      if (whole > 0) this.#confirmed[index] = rest.readUInt32BE(whole - 4);
      rest = rest.subarray(whole);
      this.#answer();
    });
    return link;
  }

  #take(number: number, frame: Buffer): void {
    this.#queue.push(frame);
    this.#queuedUpTo = number;
    for (const link of this.#links) link.write(frame);
  }

  /** What came together is written together. */
  #write(): void {
    if (this.#isWriting || this.#queue.length === 0) return;
    this.#isWriting = true;
    const [chunks, upTo] = [this.#queue, this.#queuedUpTo];
    this.#queue = [];
    writev(descriptor, chunks, (error) => {
      if (error !== null) throw error;
      this.#isWriting = false;
      this.#written = upTo;
      this.#answer();
      this.#write();
    });
  }

  #answer(): void {
    const done = Math.min(this.#written, ...this.#confirmed);
    if (done <= this.#answered) return;
    const numbers = Buffer.alloc((done - this.#answered) * 4);
    for (let i = 0; this.#answered < done; i += 4) numbers.writeUInt32BE(++this.#answered, i);
    this.#client.write(numbers);
  }
}

createServer({ noDelay: true }, (client) => new Stream(client)).listen({ host: "127.0.0.1", port: Number(port) }, () =>
  console.log("ready"),
);
