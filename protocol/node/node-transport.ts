import { createConnection, createServer, type OnReadOpts, type Server, Socket } from "node:net";
import {
  type Address,
  ConnectionRefused,
  formatAddress,
  type Link,
  type LinkHandlers,
  type Listener,
  type Transport,
} from "../base/transport.ts";

/** A keep-alive probe after this long without data finds peers that vanished without a reset. */
const keepAliveDelayMs = 30_000;
const backlog = 1024;

/**
 * What every socket of this process reads into. A buffer for each read costs more than the read; and as all are read in the same thread,
 * and whoever is given bytes copies what it wants to keep, one is enough. Large, so that under load a read brings much.
 */
const receiveBuffer = Buffer.allocUnsafeSlow(256 * 1024);

/**
 * The machine refuses; or there is no such name any more: a container's goes as soon as it is killed. EAI_AGAIN, for one, is only a name
 * server that does not answer.
 */
export function saysNobodyIsThere(code: unknown): boolean {
  return code === "ECONNREFUSED" || code === "ENOTFOUND";
}

/** TCP. */
export const nodeTransport: Transport = {
  connect(address, handlers, { timeoutMs, signal }) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onread = readsInto((bytes) => handlers.onData(bytes));
      const socket = createConnection({ host: address.host, port: address.port, noDelay: true, keepAlive: true, onread });
      const settle = (outcome: Error | Link) => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", onAbort);
        socket.off("error", onError);
        socket.off("connect", onConnect);
        if (!(outcome instanceof Error)) return resolve(outcome);
        socket.on("error", () => {}); // a late error of a socket that nobody waits for
        socket.destroy();
        reject(outcome);
      };
      const failed = (why: string, cause?: unknown) => {
        const Kind = saysNobodyIsThere(codeOf(cause)) ? ConnectionRefused : Error;
        return new Kind(`cannot connect to ${formatAddress(address)}: ${why}`, { cause });
      };
      const onError = (error: Error) => settle(failed(error.message, error));
      const onConnect = () => {
        const link = new TcpLink(socket, formatAddress(address));
        link.handledBy(handlers);
        settle(link);
      };
      const onAbort = () => settle(signal?.reason instanceof Error ? signal.reason : failed("aborted"));
      const silent = () => settle(failed(`no answer within ${timeoutMs} ms`, Object.assign(new Error("silent"), { code: "ETIMEDOUT" })));
      const timer = setTimeout(silent, Math.min(timeoutMs, 2 ** 31 - 1));
      socket.once("error", onError);
      socket.once("connect", onConnect);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  },

  listen(address, accept) {
    return new Promise((resolve, reject) => {
      const options = { noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveDelayMs, pauseOnConnect: true };
      const server = createServer(options, (accepted) => acceptLink(accepted, accept));
      server.once("error", (error) => reject(new Error(`cannot listen on ${formatAddress(address)}: ${error.message}`, { cause: error })));
      server.listen({ host: address.host, port: address.port, backlog }, () => {
        server.on("error", () => {}); // accept failures (no file descriptors left) concern single clients; the listener stays open
        resolve(listenerOver(server, address));
      });
    });
  },
};

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : null;
}

function readsInto(take: (bytes: Buffer) => void): OnReadOpts {
  return {
    buffer: receiveBuffer,
    callback: (count) => {
      take(receiveBuffer.subarray(0, count));
      return true;
    },
  };
}

/** What net.Socket is made over; Node declares it for nobody. */
interface WithHandle {
  _handle: unknown;
}

/**
 * A server makes its sockets itself, and those cannot be told to read into a buffer of ours. So it makes them paused, and we make our own
 * socket over the same handle.
 */
function acceptLink(accepted: Socket & Partial<WithHandle>, accept: (link: Link) => LinkHandlers): void {
  const remote = formatAddress({ host: accepted.remoteAddress ?? "?", port: accepted.remotePort ?? 0 });
  let handlers: LinkHandlers | null = null;
  const take = (bytes: Buffer) => handlers?.onData(bytes);
  const socket = overHandleOf(accepted, take) ?? accepted.on("data", take).resume();
  const link = new TcpLink(socket, remote);
  handlers = accept(link);
  link.handledBy(handlers);
}

/** Null: it has none, because the other end is gone again, or because this Node keeps it elsewhere. */
function overHandleOf(accepted: Socket & Partial<WithHandle>, take: (bytes: Buffer) => void): Socket | null {
  const handle = accepted._handle;
  if (handle === undefined || handle === null) return null;
  accepted._handle = null;
  accepted.destroy();
  return new Socket({ handle, onread: readsInto(take) } as object);
}

function listenerOver(server: Server, asked: Address): Listener {
  const bound = server.address();
  const port = bound !== null && typeof bound === "object" ? bound.port : asked.port;
  return {
    address: { host: asked.host, port },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

/** One socket, but for the reading. */
class TcpLink implements Link {
  readonly remote: string;
  readonly #socket: Socket;
  #lastError: Error | undefined;

  constructor(socket: Socket, remote: string) {
    this.#socket = socket;
    this.remote = remote;
  }

  handledBy(handlers: LinkHandlers): void {
    const socket = this.#socket;
    socket.on("drain", () => handlers.onDrain?.());
    socket.on("error", (error) => {
      this.#lastError ??= error;
    });
    // the other side has ended the stream: nothing more to read; finish writing, then close
    socket.on("end", () => socket.end());
    socket.on("close", () => handlers.onClose(this.#lastError));
  }

  get queuedBytes(): number {
    return this.#socket.writableLength;
  }

  write(chunks: readonly Uint8Array[], onDone?: () => void): boolean {
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded) {
      onDone?.();
      return true;
    }
    // for a socket that is destroyed, too, Node calls it only once the system has let go of the write
    const onWritten = onDone && (() => onDone());
    const last = chunks.length - 1;
    if (last === 0) return socket.write(chunks[0] as Uint8Array, onWritten);
    socket.cork(); // one writev
    let room = true;
    for (let i = 0; i <= last; i++) room = socket.write(chunks[i] as Uint8Array, i === last ? onWritten : undefined);
    socket.uncork();
    return room;
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  end(): void {
    if (!this.#socket.destroyed) this.#socket.end();
  }

  destroy(reason?: Error): void {
    this.#lastError ??= reason;
    this.#socket.destroy();
  }
}
