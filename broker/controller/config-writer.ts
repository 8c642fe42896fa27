import type { BrokerId } from "../../protocol/base/ids.ts";
import { sameConfig } from "../cluster/image.ts";
import type { ClusterStore, ConfigResource } from "./cluster-store.ts";
import { changedConfig, type SettingRules } from "./config-changes.ts";
import type { ConfigChange, Verdict } from "./contract.ts";
import { type Config, withBrokerConfig, withTopic } from "./controller-state.ts";
import { dirtyTopicConfig, nothingDirty } from "./dirty-set.ts";
import type { FencedWriter } from "./fenced-writer.ts";
import type { StateBook } from "./state-book.ts";

export interface ResourceRules {
  readonly topic: SettingRules;
  /** Of one broker, or (null) of all, amid what is set at run time for any: by broker id, empty for all. */
  broker(id: BrokerId | null, brokerConfigs: ReadonlyMap<string, Config>): SettingRules;
}

/** Changes of settings: into `/config/…`, with a notification as Kafka's tools leave one, and into the book. */
export class ConfigWriter {
  readonly #store: ClusterStore;
  readonly #writer: FencedWriter;
  readonly #book: StateBook;
  readonly #rules: ResourceRules;

  constructor(store: ClusterStore, writer: FencedWriter, book: StateBook, rules: ResourceRules) {
    this.#store = store;
    this.#writer = writer;
    this.#book = book;
    this.#rules = rules;
  }

  async alter(change: ConfigChange, validateOnly: boolean): Promise<Verdict> {
    const { resource } = change;
    if (resource.kind === "topic" && !this.#book.current.topics.has(resource.name))
      return { error: "UNKNOWN_TOPIC_OR_PARTITION", message: `There is no topic ${resource.name}.` };
    return this.#writer.settle<Verdict>({
      failure: () => `the settings of ${JSON.stringify(resource)} did not settle`,
      attempt: async () => {
        const stored = await this.#store.readConfig(resource);
        const changed = changedConfig(stored?.config ?? {}, change, this.#rulesFor(resource));
        if (changed.fault !== null) return { done: { error: "INVALID_CONFIG", message: changed.fault } };
        if (validateOnly) return { done: { error: "NONE", message: null } };
        const isThere = sameConfig(stored?.config ?? {}, changed.config);
        const result = isThere
          ? null
          : await this.#writer.write(this.#store.writeConfig(resource, changed.config, stored?.version ?? null));
        // changed by another tool meanwhile, or the answer was lost: every operation may be applied to its own result again
        if (result !== null && result.kind !== "written") return "unsettled";
        this.#adopt(resource, changed.config);
        return { done: { error: "NONE", message: null } };
      },
    });
  }

  /** Another tool says that it has changed them. What it says of a topic that there is not may be no name at all. */
  async reload(resource: ConfigResource): Promise<void> {
    if (resource.kind === "topic" && !this.#book.current.topics.has(resource.name)) return;
    const stored = await this.#store.readConfig(resource);
    this.#writer.assertTerm();
    this.#adopt(resource, stored?.config ?? {});
  }

  #adopt(resource: ConfigResource, config: Config): void {
    const state = this.#book.current;
    if (resource.kind === "topic") {
      const topic = state.topics.get(resource.name);
      if (topic === undefined || sameConfig(topic.config, config)) return;
      this.#book.commit(withTopic(state, { ...topic, config }), dirtyTopicConfig(topic.name));
      return;
    }
    const key = resource.id === null ? "" : String(resource.id);
    if (sameConfig(state.brokerConfigs.get(key) ?? {}, config)) return;
    this.#book.commit(withBrokerConfig(state, key, config), { ...nothingDirty, brokerConfigs: true });
  }

  #rulesFor(resource: ConfigResource): SettingRules {
    return resource.kind === "topic" ? this.#rules.topic : this.#rules.broker(resource.id, this.#book.current.brokerConfigs);
  }
}
