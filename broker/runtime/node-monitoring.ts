import { readdir, readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { PerformanceObserver, performance } from "node:perf_hooks";
import { type Address, formatAddress } from "../../protocol/base/transport.ts";
import { descriptorLimit } from "./descriptors.ts";
import type { HttpAnswer, HttpGet, HttpListener, MonitoringHost, ProcessFigures } from "./monitoring-host.ts";

export interface HttpLimits {
  readonly connectionsMax: number;
  /** For a whole request to arrive. */
  readonly requestMaxMs: number;
  /** For a whole answer to leave: a reader that is slower is closed, and with it goes the memory of its answer. */
  readonly answerMaxMs: number;
}

const limitsByDefault: HttpLimits = {
  // a Prometheus, its twin, and people who look
  connectionsMax: 16,
  requestMaxMs: 5_000,
  answerMaxMs: 10_000,
};
const headerBytesMax = 8 * 1024;
const headersMax = 64;
/** Longer than Prometheus waits between two scrapes, as a rule. */
const keptAliveMs = 65_000;

export function nodeMonitoring(limits: HttpLimits = limitsByDefault): MonitoringHost {
  const collections = new GarbageCollections();
  return { listen: (address, answer) => listenHttp(address, answer, limits), figures: () => processFigures(collections) };
}

async function listenHttp(address: Address, answer: (request: HttpGet) => Promise<HttpAnswer>, limits: HttpLimits): Promise<HttpListener> {
  const { connectionsMax, requestMaxMs, answerMaxMs } = limits;
  const server = createServer(
    {
      maxHeaderSize: headerBytesMax,
      headersTimeout: requestMaxMs,
      requestTimeout: requestMaxMs,
      keepAliveTimeout: keptAliveMs,
      connectionsCheckingInterval: Math.min(requestMaxMs, 1_000),
    },
    (request, response) => serve(request, response, { answer, answerMaxMs }),
  );
  server.maxConnections = connectionsMax;
  server.maxHeadersCount = headersMax;
  server.on("clientError", (_error, socket) => socket.destroy());
  const links = linksOf(server);
  await listening(server, address);
  const bound = server.address() as AddressInfo;
  return {
    address: { host: address.host, port: bound.port },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const link of links) link.destroy();
      }),
  };
}

function listening(server: Server, { host, port }: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", ({ message, code }: NodeJS.ErrnoException) => {
      const why = code === "EADDRINUSE" ? "another process has that port" : message;
      reject(new Error(`metrics.listener: cannot listen on ${formatAddress({ host, port })}: ${why}`));
    });
    server.listen({ host, port }, () => {
      server.removeAllListeners("error");
      // a connection that could not be accepted, as no descriptor is free: whoever asks tries again
      server.on("error", () => {});
      resolve();
    });
  });
}

/** `maxConnections` closes what is too much, and `close` waits for those that are kept alive. */
function linksOf(server: Server): ReadonlySet<Socket> {
  const links = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    links.add(socket);
    socket.once("close", () => links.delete(socket));
  });
  return links;
}

function serve(
  request: IncomingMessage,
  response: ServerResponse,
  { answer, answerMaxMs }: { readonly answer: (request: HttpGet) => Promise<HttpAnswer>; readonly answerMaxMs: number },
): void {
  const hasBody = request.headers["transfer-encoding"] !== undefined || Number(request.headers["content-length"] ?? 0) > 0;
  if (request.method !== "GET" || hasBody) {
    response.writeHead(hasBody ? 413 : 405, { Allow: "GET", Connection: "close", "Content-Length": 0 }).end();
    response.once("close", () => request.socket.destroy());
    return;
  }
  const [path = ""] = (request.url ?? "").split("?", 1);
  // rejects with a bug only, which ends the process
  void answer({ path, accept: request.headers.accept ?? "" }).then(({ status, contentType, body }) => {
    if (response.destroyed) return;
    const late = setTimeout(() => request.socket.destroy(), answerMaxMs).unref();
    response.once("close", () => clearTimeout(late));
    response.writeHead(status, { "Content-Type": contentType, "Content-Length": body.length, "Cache-Control": "no-store" });
    response.end(body);
  });
}

async function processFigures(collections: GarbageCollections): Promise<ProcessFigures> {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
  const { active, idle } = performance.eventLoopUtilization();
  const [openFiles, openFilesMax] = await Promise.all([countOpenFiles(), readOpenFilesMax()]);
  return {
    startedAtMs: performance.timeOrigin,
    cpuUserSeconds: user / 1e6,
    cpuSystemSeconds: system / 1e6,
    residentBytes: rss,
    heapUsedBytes: heapUsed,
    heapTotalBytes: heapTotal,
    externalBytes: external,
    openFiles,
    openFilesMax,
    gcSeconds: collections.seconds,
    gcPauses: collections.count,
    loopActiveSeconds: active / 1000,
    loopIdleSeconds: idle / 1000,
  };
}

/** Elsewhere than on Linux there is no such folder, and nobody knows. */
async function countOpenFiles(): Promise<number | null> {
  return readdir("/proc/self/fd").then(
    (names) => names.length,
    () => null,
  );
}

async function readOpenFilesMax(): Promise<number | null> {
  return descriptorLimit(await readFile("/proc/self/limits", "utf8").catch(() => ""));
}

class GarbageCollections {
  count = 0;
  seconds = 0;

  constructor() {
    const observer = new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) {
        this.count++;
        this.seconds += duration / 1000;
      }
    });
    observer.observe({ entryTypes: ["gc"] });
  }
}
