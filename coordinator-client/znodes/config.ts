import type { BrokerId } from "../../protocol/base/ids.ts";
import { encodeJson, JsonNode } from "./json.ts";
import { defaultBrokerConfigName, numberedName } from "./paths.ts";

/** What `/config/topics/T`, `/config/brokers/N` and `/config/brokers/<default>` say: settings by Kafka's names. */
export type ConfigOverrides = Readonly<Record<string, string>>;

export function encodeConfig(config: ConfigOverrides): Buffer {
  return encodeJson({ version: 1, config });
}

/** No setting of ours has a longer name, and a larger value fits into no message. */
const nameMax = 249;
const valueBytesMax = 0x7fff;

/**
 * Throws MalformedZnode. An empty znode is one without settings. Entries that no client could set, or be sent, are left out, just as
 * unknown settings are ignored.
 */
export function decodeConfig(path: string, data: Buffer): ConfigOverrides {
  if (data.length === 0) return {};
  const config = JsonNode.parse(path, data).object("config");
  const texts = config.names().map((name) => [name, config.text(name)] as const);
  return Object.fromEntries(texts.filter(([name, value]) => name.length <= nameMax && Buffer.byteLength(value) <= valueBytesMax));
}

/**
 * Which entity's settings a notification under `/config/changes` is about; `other` is for entities that we do not have (users, clients,
 * addresses).
 */
export type ConfigEntity =
  | { readonly kind: "topic"; readonly name: string }
  /** Null: the settings for all brokers. */
  | { readonly kind: "broker"; readonly id: BrokerId | null }
  | { readonly kind: "other"; readonly entityPath: string };

export function encodeConfigChange(entity: Exclude<ConfigEntity, { kind: "other" }>): Buffer {
  const entityPath = entity.kind === "topic" ? `topics/${entity.name}` : `brokers/${entity.id ?? defaultBrokerConfigName}`;
  return encodeJson({ version: 2, entity_path: entityPath });
}

/** Version 2, and version 1 of tools older than Kafka 0.9.1. Throws MalformedZnode. */
export function decodeConfigChange(path: string, data: Buffer): ConfigEntity {
  const json = JsonNode.parse(path, data);
  const entityPath = json.has("entity_path") ? json.text("entity_path") : `${json.text("entity_type")}/${json.text("entity_name")}`;
  const [type, name, ...rest] = entityPath.split("/");
  if (type === "topics" && name && rest.length === 0) return { kind: "topic", name };
  if (type === "brokers" && name === defaultBrokerConfigName && rest.length === 0) return { kind: "broker", id: null };
  const id = type === "brokers" && name !== undefined && rest.length === 0 ? numberedName(name) : null;
  return id === null ? { kind: "other", entityPath } : { kind: "broker", id };
}
