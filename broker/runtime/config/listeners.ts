import { type Address, formatAddress } from "../../../protocol/base/transport.ts";
import type { listeners } from "./broker-settings.ts";
import type { BrokerValues } from "./setting.ts";

/** One named listener: where it binds, and what it advertises. */
export interface DeclaredListener {
  readonly name: string;
  /** Port 0: a free one. */
  readonly bind: Address;
  /** Port 0: the port that was bound. */
  readonly advertised: Address;
}

export interface DeclaredListeners {
  /** Kafka protocol, in the order of the setting; at least one. */
  readonly client: readonly DeclaredListener[];
  /** Broker to broker. */
  readonly peer: DeclaredListener;
}

/** `hostname`: the machine's own name, advertised where a listener's host is empty. */
export type ListenerSettings = BrokerValues<typeof listeners> & { readonly hostname: string };

/** An error in the listener settings; the message names the setting and the part of it. */
export class ListenerProblem extends Error {
  override readonly name = "ListenerProblem";
  readonly setting: string;

  constructor(setting: string, reason: string) {
    super(`${setting}: ${reason}`);
    this.setting = setting;
  }
}

interface Endpoint {
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

/** The listener that brokers use among themselves when none is named. */
const defaultPeerName = "PEER";

export function resolveListeners(settings: ListenerSettings): DeclaredListeners {
  const bound = parseEndpoints("listeners", settings.listeners);
  const told = new Map(parseEndpoints("advertised.listeners", settings.advertisedListeners ?? []).map((e) => [e.name, e]));
  for (const name of told.keys())
    if (!bound.some((endpoint) => endpoint.name === name))
      throw new ListenerProblem("advertised.listeners", `${name} is not among the listeners (${bound.map((e) => e.name).join(", ")})`);
  checkProtocols(bound, settings.securityProtocolMap);
  checkPorts(bound);
  const all = bound.map((endpoint) => listener(endpoint, told.get(endpoint.name), settings.hostname));
  const peerName = settings.interBrokerListenerName ?? defaultPeerName;
  const named = all.find(({ name }) => name === peerName);
  if (named === undefined && settings.interBrokerListenerName !== null)
    throw new ListenerProblem(
      "inter.broker.listener.name",
      `${peerName} is not among the listeners (${all.map((l) => l.name).join(", ")})`,
    );
  const client = all.filter((one) => one !== named);
  const [first] = client;
  if (first === undefined) throw new ListenerProblem("listeners", `${peerName} is for brokers only; name another listener for clients`);
  return { client, peer: named ?? peerBeside(first) };
}

function peerBeside(first: DeclaredListener): DeclaredListener {
  return {
    name: defaultPeerName,
    bind: { host: first.bind.host, port: 0 },
    advertised: { host: first.advertised.host, port: 0 },
  };
}

function listener(endpoint: Endpoint, told: Endpoint | undefined, hostname: string): DeclaredListener {
  const { name, host, port } = endpoint;
  const everywhere = host === "" || isWildcard(host);
  if (told === undefined && isWildcard(host))
    throw new ListenerProblem(
      "listeners",
      `${name} listens on ${formatAddress({ host, port })}, which no client can connect to: give ${name}://HOST:PORT in advertised.listeners`,
    );
  if (told !== undefined && isWildcard(told.host))
    throw new ListenerProblem("advertised.listeners", `${name} cannot be advertised as ${told.host}: name a host that clients can reach`);
  return {
    name,
    bind: { host: host === "" ? "0.0.0.0" : host, port },
    advertised: told === undefined ? { host: everywhere ? hostname : host, port } : { host: told.host || hostname, port: told.port },
  };
}

function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || /^[0:]*:[0:]*$/.test(host);
}

function parseEndpoints(setting: string, texts: readonly string[]): Endpoint[] {
  const endpoints = texts.map((text) => parseEndpoint(setting, text));
  const names = new Set<string>();
  for (const { name } of endpoints) {
    if (names.has(name)) throw new ListenerProblem(setting, `${name} is there twice`);
    names.add(name);
  }
  return endpoints;
}

/** `NAME://host:port`; the host may be empty, or an IPv6 address in brackets. */
function parseEndpoint(setting: string, text: string): Endpoint {
  const match = /^([A-Za-z][A-Za-z0-9_-]*):\/\/(?:\[([0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|([A-Za-z0-9._-]*)):(\d{1,5})$/.exec(text);
  if (match === null)
    throw new ListenerProblem(setting, `"${text}" must be NAME://HOST:PORT (an IPv6 address in brackets; HOST may be left out)`);
  const port = Number(match[4]);
  if (port > 65535) throw new ListenerProblem(setting, `"${text}" has a port above 65535`);
  return { name: (match[1] as string).toUpperCase(), host: match[2] ?? match[3] ?? "", port };
}

/** Two listeners may share a port only on different addresses, none of which stands for all of them. */
function checkPorts(endpoints: readonly Endpoint[]): void {
  endpoints.forEach((one, i) => {
    const other = endpoints.slice(0, i).find(({ host, port }) => {
      const overlap = host === one.host || [host, one.host].some((h) => h === "" || isWildcard(h));
      return port !== 0 && port === one.port && overlap;
    });
    if (other !== undefined) throw new ListenerProblem("listeners", `${other.name} and ${one.name} both take port ${one.port}`);
  });
}

const encrypted = ["SSL", "SASL_PLAINTEXT", "SASL_SSL"];

function checkProtocols(endpoints: readonly Endpoint[], mapTexts: readonly string[]): void {
  const setting = "listener.security.protocol.map";
  const protocols = new Map(encrypted.map((name) => [name, name]));
  for (const text of mapTexts) {
    const match = /^([A-Za-z][A-Za-z0-9_-]*):([A-Za-z_]+)$/.exec(text);
    if (match === null) throw new ListenerProblem(setting, `"${text}" must be NAME:PROTOCOL`);
    const [, name, protocol] = match as unknown as [string, string, string];
    protocols.set(name.toUpperCase(), protocol.toUpperCase());
  }
  for (const { name } of endpoints) {
    const protocol = protocols.get(name) ?? "PLAINTEXT";
    if (protocol !== "PLAINTEXT") throw new ListenerProblem(setting, `${name} would need ${protocol}; only PLAINTEXT is supported`);
  }
}
