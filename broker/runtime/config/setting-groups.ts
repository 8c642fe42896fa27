import { invariant } from "../../../protocol/base/invariant.ts";
import { autoRebalance } from "./auto-rebalance-settings.ts";
import {
  controller,
  coordinator,
  fetching,
  identity,
  listeners,
  logging,
  monitoring,
  network,
  replication,
  threads,
  topicCreation,
} from "./broker-settings.ts";
import { consumerGroupSettings, groupSettings } from "./group-settings.ts";
import { cleanerSettings, logSettings } from "./log-settings.ts";
import type { BrokerValues, OfTopics, Setting, Synonym } from "./setting.ts";
import { settingsWithoutEffect } from "./settings-without-effect.ts";
import { topicSettingGroups } from "./topic-settings.ts";
import { transactionSettings } from "./transaction-settings.ts";

const { topicDefaults, logs, messages, compaction, ofTopicsOnly } = topicSettingGroups;

/** Every setting that is accepted here, grouped as the reference page shows those of brokers. Names starting with `ottla.` are our own. */
export const settingGroups = {
  identity,
  coordinator,
  listeners,
  network,
  topics: { ...topicCreation, ...topicDefaults },
  log: { ...logs, ...logSettings },
  messages,
  cleaner: { ...cleanerSettings, ...compaction },
  replication,
  threads,
  controller,
  autoRebalance,
  fetching,
  groups: groupSettings,
  consumerGroups: consumerGroupSettings,
  transactions: transactionSettings,
  logging,
  monitoring,
  withoutEffect: settingsWithoutEffect,
  ofTopicsOnly,
};

export type SettingGroupName = keyof typeof settingGroups;

/** What the code reads of a broker, by group: the values of the settings in force. */
export type GroupedSettings = { readonly [G in SettingGroupName]: BrokerValues<(typeof settingGroups)[G]> };

const all = Object.values(settingGroups).flatMap((rows): Setting[] => Object.values(rows));

/** What a broker may be given, by Kafka's name. */
export const brokerSettingsByName: ReadonlyMap<string, Synonym> = byName(all.flatMap(({ broker }) => broker.map((one) => [one.name, one])));

/** What a topic may have, by Kafka's name. */
export const topicSettingsByName: ReadonlyMap<string, OfTopics> = byName(
  all.filter((setting): setting is OfTopics => setting.topic !== null).map((setting) => [setting.topic.name, setting]),
);

function byName<T>(named: readonly (readonly [name: string, T])[]): ReadonlyMap<string, T> {
  const found = new Map(named);
  invariant(found.size === named.length, "each setting is declared once", () => ({ names: named.map(([name]) => name) }));
  return found;
}
