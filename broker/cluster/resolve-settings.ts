import type { BrokerId } from "../../protocol/base/ids.ts";
import { groupedSettings, type SettingLayers, type SettingTexts, topicSettings } from "../runtime/config/resolve.ts";
import type { GroupedSettings } from "../runtime/config/setting-groups.ts";
import type { TopicSettings } from "../runtime/config/topic-settings.ts";
import type { ClusterImage, ImageSource } from "./cluster-image.ts";

/** A topic's settings in force, from its own and the dynamic settings of brokers. */
export type ResolveSettings = (
  topicConfig: Readonly<Record<string, string>>,
  brokerConfigs: ClusterImage["brokerConfigs"],
) => TopicSettings;

/** What is set for this broker: at its start (`texts`) and at run time. */
export function settingLayers(brokerId: BrokerId, texts: SettingTexts, brokerConfigs: ClusterImage["brokerConfigs"]): SettingLayers {
  return { static: texts, dynamic: brokerConfigs.get(String(brokerId)) ?? {}, dynamicDefault: brokerConfigs.get("") ?? {} };
}

export function settingsResolver(brokerId: BrokerId, texts: SettingTexts): ResolveSettings {
  return (topicConfig, brokerConfigs) => topicSettings(topicConfig, settingLayers(brokerId, texts, brokerConfigs));
}

/** This broker's settings in force, which may change at run time: call it each time, do not keep the result. */
export class SettingsInForce {
  readonly #brokerId: BrokerId;
  readonly #texts: SettingTexts;
  readonly #images: Pick<ImageSource, "current">;
  #read: { readonly from: ClusterImage["brokerConfigs"]; readonly settings: GroupedSettings } | null = null;

  constructor(brokerId: BrokerId, texts: SettingTexts, images: Pick<ImageSource, "current">) {
    this.#brokerId = brokerId;
    this.#texts = texts;
    this.#images = images;
  }

  get layers(): SettingLayers {
    return settingLayers(this.#brokerId, this.#texts, this.#images.current.brokerConfigs);
  }

  /** Resolved again only after something was set. */
  get now(): GroupedSettings {
    const from = this.#images.current.brokerConfigs;
    if (this.#read?.from !== from) this.#read = { from, settings: groupedSettings(this.layers) };
    return this.#read.settings;
  }
}
