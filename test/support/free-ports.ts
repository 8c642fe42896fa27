import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";

const host = "127.0.0.1";
/**
 * Below the range (32768 and up on Linux) from which the system takes the near ends of outgoing connections. A port of that range is not
 * ours while its server is down: any connection may be given it, and then the server cannot restart; even the server's own client, which,
 * trying to reach it, would be connected to itself.
 */
const firstPort = 12_000;
const lastPort = 32_000;
const attemptsMax = 1_000;

/** Ports that were free a moment ago, all different, in a range. With `adjacent`, each one more than the one before. */
export async function freePorts(count: number, { adjacent = false, first = firstPort, last = lastPort } = {}): Promise<number[]> {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    const ports = adjacent ? adjacentPorts(count, first, last) : differentPorts(count, first, last);
    const servers = await Promise.all(ports.map(listenOn));
    await Promise.all(servers.map((server) => server && new Promise((resolve) => server.close(resolve))));
    if (!servers.includes(null)) return ports;
  }
  throw new Error(`no ${count} free ports found between ${first} and ${last}`);
}

function adjacentPorts(count: number, first: number, last: number): number[] {
  const lowest = randomInt(first, last - count);
  return Array.from({ length: count }, (_, i) => lowest + i);
}

function differentPorts(count: number, first: number, last: number): number[] {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(randomInt(first, last));
  return [...ports];
}

/** Null when the port is in use. */
export function listenOn(port: number): Promise<Server | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(null));
    server.listen({ host, port }, () => resolve(server));
  });
}
