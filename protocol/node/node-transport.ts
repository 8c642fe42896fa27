import { createConnection, createServer, type Server, type Socket } from "node:net";
import { type Address, formatAddress, type Link, type LinkHandlers, type Listener, type Transport } from "../base/transport.ts";

/** A keep-alive probe after this long without data finds peers that vanished without a reset. */
const keepAliveDelayMs = 30_000;
const backlog = 1024;

/** TCP. */
export const nodeTransport: Transport = {
  connect(address, handlers, { timeoutMs, signal }) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const socket = createConnection({ host: address.host, port: address.port, noDelay: true, keepAlive: true });
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
      const refused = (why: string, cause?: unknown) => new Error(`cannot connect to ${formatAddress(address)}: ${why}`, { cause });
      const onError = (error: Error) => settle(refused(error.message, error));
      const onConnect = () => settle(linkOver(socket, formatAddress(address), () => handlers));
      const onAbort = () => settle(signal?.reason instanceof Error ? signal.reason : refused("aborted"));
      const silent = () => settle(refused(`no answer within ${timeoutMs} ms`, Object.assign(new Error("silent"), { code: "ETIMEDOUT" })));
      const timer = setTimeout(silent, Math.min(timeoutMs, 2 ** 31 - 1));
      socket.once("error", onError);
      socket.once("connect", onConnect);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  },

  listen(address, accept) {
    return new Promise((resolve, reject) => {
      const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveDelayMs }, (socket) => {
        linkOver(socket, formatAddress({ host: socket.remoteAddress ?? "?", port: socket.remotePort ?? 0 }), accept);
      });
      server.once("error", (error) => reject(new Error(`cannot listen on ${formatAddress(address)}: ${error.message}`, { cause: error })));
      server.listen({ host: address.host, port: address.port, backlog }, () => {
        server.on("error", () => {}); // accept failures (no file descriptors left) concern single clients; the listener stays open
        resolve(listenerOver(server, address));
      });
    });
  },
};

function listenerOver(server: Server, asked: Address): Listener {
  const bound = server.address();
  const port = bound !== null && typeof bound === "object" ? bound.port : asked.port;
  return {
    address: { host: asked.host, port },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function linkOver(socket: Socket, remote: string, handlersFor: (link: Link) => LinkHandlers): Link {
  let lastError: Error | undefined;
  const link: Link = {
    remote,
    get queuedBytes() {
      return socket.writableLength;
    },
    write(chunks) {
      if (socket.destroyed || socket.writableEnded) return true;
      if (chunks.length === 1) return socket.write(chunks[0] as Uint8Array);
      socket.cork(); // one writev
      let room = true;
      for (const chunk of chunks) room = socket.write(chunk);
      socket.uncork();
      return room;
    },
    pause: () => {
      socket.pause();
    },
    resume: () => {
      socket.resume();
    },
    end: () => {
      if (!socket.destroyed) socket.end();
    },
    destroy(reason) {
      lastError ??= reason;
      socket.destroy();
    },
  };
  const handlers = handlersFor(link);
  socket.on("data", (chunk: Buffer) => handlers.onData(chunk));
  socket.on("drain", () => handlers.onDrain?.());
  socket.on("error", (error) => {
    lastError ??= error;
  });
  // the other side has ended the stream: nothing more to read; finish writing, then close
  socket.on("end", () => socket.end());
  socket.on("close", () => handlers.onClose(lastError));
  return link;
}
