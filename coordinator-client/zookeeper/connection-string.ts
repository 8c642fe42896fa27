import type { Address } from "../../protocol/base/transport.ts";
import { pathFault } from "../path-rules.ts";

export interface ConnectionString {
  readonly servers: readonly Address[];
  /** Empty, or an absolute path. */
  readonly chroot: string;
}

const defaultPort = 2181;

/**
 * Parses `host:port,host:port/chroot` (ports and chroot may be left out, IPv6 addresses stand in brackets). Throws an Error that says what
 * is wrong.
 */
export function parseConnectionString(text: string): ConnectionString {
  const slash = text.indexOf("/");
  const chroot = slash === -1 || slash === text.length - 1 ? "" : text.slice(slash);
  const fault = chroot === "" ? null : pathFault(chroot);
  if (fault !== null) throw new Error(`the chroot of the ZooKeeper connection string "${text}" ${fault}`);
  const servers = (slash === -1 ? text : text.slice(0, slash))
    .split(",")
    .map((server) => server.trim())
    .filter((server) => server !== "")
    .map((server) => parseServer(server, text));
  if (servers.length === 0)
    throw new Error(`the ZooKeeper connection string "${text}" names no server; expected host:port,host:port/chroot`);
  return { servers, chroot };
}

function parseServer(server: string, text: string): Address {
  const parts = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/.exec(server);
  const host = parts?.[1] ?? parts?.[2];
  const port = parts?.[3] === undefined ? defaultPort : Number(parts[3]);
  if (host === undefined) throw new Error(`"${server}" in the ZooKeeper connection string "${text}" is no host:port`);
  if (port < 1 || port > 65_535) {
    throw new Error(`"${server}" in the ZooKeeper connection string "${text}" is no host:port: a port is a number from 1 to 65535`);
  }
  return { host, port };
}
