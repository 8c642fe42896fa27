import { type FeatureRange, featureLevelMax, featureNameMax, featuresMax, type SupportedFeatures } from "../../protocol/base/features.ts";
import type { Address } from "../../protocol/base/transport.ts";
import { encodeJson, JsonNode, MalformedZnode } from "./json.ts";

export interface RegisteredEndpoint {
  /** Upper case. */
  readonly listener: string;
  readonly securityProtocol: string;
  readonly host: string;
  readonly port: number;
}

/** What `/brokers/ids/N` says of a live broker. Kafka's version 5, and a member of our own that its tools ignore. */
export interface BrokerRegistration {
  readonly endpoints: readonly RegisteredEndpoint[];
  readonly rack: string | null;
  /** Features that it can act by. Left out: none; so do brokers that know no features. */
  readonly features?: SupportedFeatures;
  /**
   * Of the data directories: distinguishes an earlier life of this broker from another machine that was given the same id. Null for a
   * broker that is not ours.
   */
  readonly incarnation: string | null;
  /**
   * Where other brokers reach it; not among the endpoints, because it does not speak Kafka's protocol. Null for a broker that is not ours.
   */
  readonly peer: Address | null;
  /** When it registered, milliseconds since 1970. */
  readonly timestampMs: number;
  /**
   * Only of a process that started after an unclean shutdown: the registration (its epoch) under which it started; -1: this one. What was
   * in sync before that may lack records, because the machine may have lost what was not yet on its disk. A process that only lost its
   * session has everything it had.
   */
  readonly recoveredUnder?: number;
}

const version = 5;
const portMax = 65_535;
/** Characters of one address with its listener's name, and of a rack: no host name is longer than 255. */
const endpointMax = 512;
const rackMax = 1024;

export function encodeBrokerRegistration(registration: BrokerRegistration): Buffer {
  const { endpoints, rack, features, incarnation, peer, timestampMs, recoveredUnder } = registration;
  // Old tools know one plaintext endpoint and no listeners.
  const plain = endpoints.find(({ securityProtocol }) => securityProtocol === "PLAINTEXT");
  return encodeJson({
    features: Object.fromEntries([...(features ?? [])].map(([name, { min, max }]) => [name, { min_version: min, max_version: max }])),
    listener_security_protocol_map: Object.fromEntries(endpoints.map(({ listener, securityProtocol }) => [listener, securityProtocol])),
    endpoints: endpoints.map(({ listener, host, port }) => `${listener}://${host.includes(":") ? `[${host}]` : host}:${port}`),
    jmx_port: -1,
    port: plain?.port ?? -1,
    host: plain?.host ?? null,
    version,
    timestamp: String(timestampMs),
    ...(rack === null ? {} : { rack }),
    ...(incarnation === null && peer === null
      ? {}
      : { ottla: { incarnation, peer, ...(recoveredUnder === undefined ? {} : { recovered_under: recoveredUnder }) } }),
  });
}

/** Versions 2 and later (with endpoints) are accepted; the protocol map came with version 4. Throws MalformedZnode. */
export function decodeBrokerRegistration(path: string, data: Buffer): BrokerRegistration {
  const json = JsonNode.parse(path, data);
  const protocols = json.has("listener_security_protocol_map") ? json.object("listener_security_protocol_map") : null;
  const endpoints = json.texts("endpoints").map((text) => {
    const parts = /^([A-Za-z0-9_.-]+):\/\/(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
    const listener = parts?.[1];
    const port = Number(parts?.[4]);
    if (parts === null || listener === undefined || port > portMax || text.length > endpointMax)
      throw json.malformed(`the endpoint "${text.slice(0, 100)}" is no LISTENER://host:port`);
    return { listener, securityProtocol: protocols?.textOrNull(listener) ?? listener, host: parts[2] ?? parts[3] ?? "", port };
  });
  const ours = json.has("ottla") ? json.object("ottla") : null;
  const peer = ours?.has("peer") ? ours.object("peer") : null;
  const timestamp = json.textOrNull("timestamp");
  const rack = json.textOrNull("rack");
  if (rack !== null && rack.length > rackMax) throw json.malformed(`its rack has ${rack.length} characters`);
  return {
    endpoints,
    rack,
    ...supportedFeatures(json),
    incarnation: ours?.textOrNull("incarnation") ?? null,
    peer: peer === null ? null : { host: peer.text("host"), port: peer.integer("port", { min: 1, max: portMax }) },
    timestampMs: timestamp !== null && /^\d{1,15}$/.test(timestamp) ? Number(timestamp) : -1,
    ...(ours?.has("recovered_under") ? { recoveredUnder: ours.integer("recovered_under", { min: -1 }) } : {}),
  };
}

/** A broker whose features cannot be read is one like any other, of which it is not known that it supports any. */
function supportedFeatures(json: JsonNode): { readonly features?: SupportedFeatures } {
  try {
    const listed = json.has("features") ? json.object("features") : null;
    const names = listed?.names() ?? [];
    if (listed === null || names.length === 0 || names.length > featuresMax || names.some((name) => name.length > featureNameMax))
      return {};
    return { features: new Map(names.map((name) => [name, rangeOf(listed.object(name))])) };
  } catch (error) {
    if (error instanceof MalformedZnode) return {};
    throw error;
  }
}

function rangeOf(json: JsonNode): FeatureRange {
  const level = { min: 0, max: featureLevelMax };
  return { min: json.integer("min_version", level), max: json.integer("max_version", level) };
}
