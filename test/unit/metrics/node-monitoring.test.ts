import { connect } from "node:net";
import { afterEach, expect, test } from "vitest";
import type { HttpAnswer, HttpGet, HttpListener } from "../../../broker/runtime/monitoring-host.ts";
import { type HttpLimits, nodeMonitoring } from "../../../broker/runtime/node-monitoring.ts";

const limits: HttpLimits = { connectionsMax: 4, requestMaxMs: 300, answerMaxMs: 300 };
const opened: HttpListener[] = [];

afterEach(async () => {
  for (const listener of opened.splice(0)) await listener.close();
});

const small = async ({ path }: HttpGet): Promise<HttpAnswer> => ({ status: 200, contentType: "text/plain", body: Buffer.from(path) });

async function listening(answer: (request: HttpGet) => Promise<HttpAnswer> = small): Promise<HttpListener> {
  const listener = await nodeMonitoring(limits).listen({ host: "127.0.0.1", port: 0 }, answer);
  opened.push(listener);
  return listener;
}

/** All that comes back until the other end closes. */
function exchange({ address }: HttpListener, sent: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(address.port, "127.0.0.1", () => socket.write(sent));
    let received = "";
    socket.on("data", (chunk) => {
      received += chunk;
    });
    socket.on("error", () => {});
    socket.on("close", () => resolve(received));
  });
}

const closing = "Host: x\r\nConnection: close\r\n\r\n";

test("a GET is answered, on a port that was free", async () => {
  const listener = await listening();
  expect(listener.address.port).toBeGreaterThan(0);
  const response = await fetch(`http://127.0.0.1:${listener.address.port}/metrics?name=up`);
  expect([response.status, await response.text(), response.headers.get("cache-control")]).toEqual([200, "/metrics", "no-store"]);
});

test.each(["POST", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE"])("%s is refused, and its connection closed", async (method) => {
  expect(await exchange(await listening(), `${method} /metrics HTTP/1.1\r\nHost: x\r\n\r\n`)).toMatch(/^HTTP\/1\.1 405 /);
});

test("a GET with a body is refused, whatever comes of it", async () => {
  const listener = await listening();
  expect(await exchange(listener, "GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc")).toMatch(/^HTTP\/1\.1 413 /);
  expect(await exchange(listener, "GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")).toMatch(/^HTTP\/1\.1 413 /);
});

test("headers that are too long, and what is not HTTP, close the connection", async () => {
  const listener = await listening();
  expect(await exchange(listener, `GET / HTTP/1.1\r\nX: ${"x".repeat(10_000)}\r\n${closing}`)).not.toContain(" 200 ");
  expect(await exchange(listener, "\0\0\0\x10 not http at all\r\n\r\n")).not.toContain(" 200 ");
  expect(await exchange(listener, `GET / HTTP/1.1\r\n${closing}`)).toContain(" 200 ");
});

test("who never ends its request is closed", async () => {
  expect(await exchange(await listening(), "GET / HTTP/1.1\r\nX: y\r\n")).not.toContain(" 200 ");
});

test("who does not read its answer is closed, and makes room for others", async () => {
  const large = Buffer.alloc(32 * 1024 * 1024);
  const listener = await listening(async ({ path }) => ({
    status: 200,
    contentType: "text/plain",
    body: path === "/large" ? large : Buffer.alloc(0),
  }));
  const startedMs = performance.now();
  const idle = Array.from({ length: limits.connectionsMax }, () => {
    const socket = connect(listener.address.port, "127.0.0.1", () => socket.write("GET /large HTTP/1.1\r\nHost: x\r\n\r\n"));
    return socket.pause().on("error", () => {});
  });
  await expect.poll(() => exchange(listener, `GET / HTTP/1.1\r\n${closing}`)).toContain(" 200 ");
  expect(performance.now() - startedMs).toBeGreaterThan(limits.answerMaxMs - 50);
  for (const socket of idle) socket.destroy();
});

test("more connections than allowed are closed, and room is made when one ends", async () => {
  const held: (() => void)[] = [];
  const listener = await listening(async (request) => {
    await new Promise<void>((resolve) => held.push(resolve));
    return small(request);
  });
  const asked = Array.from({ length: 4 }, () => exchange(listener, `GET / HTTP/1.1\r\n${closing}`));
  await expect.poll(() => held.length).toBe(4);
  expect(await exchange(listener, `GET / HTTP/1.1\r\n${closing}`)).toBe("");
  for (const end of held) end();
  for (const answer of await Promise.all(asked)) expect(answer).toContain(" 200 ");
});

test("an address in use is an error that says so", async () => {
  const { address } = await listening();
  await expect(nodeMonitoring(limits).listen(address, small)).rejects.toThrow(
    `metrics.listener: cannot listen on 127.0.0.1:${address.port}: another process has that port`,
  );
});

test("it tells of its process", async () => {
  const figures = await nodeMonitoring().figures();
  expect(figures.residentBytes).toBeGreaterThan(1_000_000);
  expect(figures.cpuUserSeconds).toBeGreaterThan(0);
  expect(figures.openFiles).toBeGreaterThan(3);
  expect(figures.openFilesMax).toBeGreaterThan(figures.openFiles ?? 0);
});
