import type { BrokerId } from "../../protocol/base/ids.ts";
import { sameConfig } from "../cluster/cluster-image.ts";
import type { ConfigResource } from "./cluster-store.ts";
import { changedConfig, type SettingRules } from "./config-changes.ts";
import type { ConfigChange, Verdict } from "./controller-service.ts";
import { type Config, withBrokerConfig, withTopic } from "./controller-state.ts";
import { dirtyTopicConfig, nothingDirty } from "./dirty-set.ts";
import { inTransactions } from "./fenced-writer.ts";
import type { TermContext } from "./term-context.ts";

export interface ResourceRules {
  readonly topic: SettingRules;
  /** Of one broker, or (null) the default of all, out of all dynamic broker settings: by broker id, empty for the default. */
  broker(id: BrokerId | null, brokerConfigs: ReadonlyMap<string, Config>): SettingRules;
}

/** Notifications kept for tools that want to see them; older ones are deleted. */
const notificationsKeptMax = 100;

/**
 * Changes of settings: into `/config/…`, with a notification as Kafka's tools leave one, and into the book. Those of other tools are found
 * by their notifications: `/config/changes` has a sequential node per change, by this controller or by another tool.
 */
export class ConfigWriter {
  readonly #context: TermContext;
  readonly #rules: ResourceRules;
  /** Name of the last notification taken; they sort by their sequence number. */
  #lastTaken = "";

  constructor(context: TermContext, rules: ResourceRules) {
    this.#context = context;
    this.#rules = rules;
  }

  async alter(change: ConfigChange, validateOnly: boolean): Promise<Verdict> {
    const { store, writer, book } = this.#context;
    const { resource } = change;
    if (resource.kind === "topic" && !book.current.topics.has(resource.name))
      return { error: "UNKNOWN_TOPIC_OR_PARTITION", message: `There is no topic ${resource.name}.` };
    return writer.settle<Verdict>({
      failure: () => `the settings of ${JSON.stringify(resource)} did not settle`,
      attempt: async () => {
        const stored = await store.readConfig(resource);
        const changed = changedConfig(stored?.config ?? {}, change, this.#rulesFor(resource));
        if (changed.fault !== null) return { done: { error: "INVALID_CONFIG", message: changed.fault } };
        if (validateOnly) return { done: { error: "NONE", message: null } };
        const isThere = sameConfig(stored?.config ?? {}, changed.config);
        const result = isThere ? null : await writer.write(store.writeConfig(resource, changed.config, stored?.version ?? null));
        // changed by another tool meanwhile, or the answer was lost: every operation may be applied to its own result again
        if (result !== null && result.kind !== "written") return "unsettled";
        this.#adopt(resource, changed.config);
        return { done: { error: "NONE", message: null } };
      },
    });
  }

  /** Before everything is loaded: the loading will see all changes notified up to here. */
  async startFollowing(): Promise<void> {
    const { store } = this.#context;
    this.#lastTaken = (await store.configChangeNames()).at(-1) ?? "";
  }

  /** Reads the settings that changed since, and deletes notifications beyond the bound. */
  async takeChanges(): Promise<void> {
    const { store, writer, log } = this.#context;
    const names = await store.configChangeNames();
    for (const name of names.filter((name) => name > this.#lastTaken)) {
      const resource = await store.readConfigChange(name);
      if (resource === "unreadable") log.warn({ name }, "a notification in /config/changes cannot be read and is passed over");
      else if (resource !== null) await this.#reload(resource);
    }
    this.#lastTaken = names.at(-1) ?? this.#lastTaken;
    const old = names.slice(0, Math.max(0, names.length - notificationsKeptMax));
    for (const transaction of inTransactions(old, (name) => [store.deleteConfigChange(name)])) {
      // a notification that was deleted by another tool fails its transaction: the next change tries again
      await writer.write(transaction.map((name) => store.deleteConfigChange(name)));
    }
  }

  /** Another tool says that it has changed them. The topic that it names may not exist, or may not be a valid name at all. */
  async #reload(resource: ConfigResource): Promise<void> {
    const { store, writer, book } = this.#context;
    if (resource.kind === "topic" && !book.current.topics.has(resource.name)) return;
    const stored = await store.readConfig(resource);
    writer.assertTerm();
    this.#adopt(resource, stored?.config ?? {});
  }

  #adopt(resource: ConfigResource, config: Config): void {
    const { book } = this.#context;
    const state = book.current;
    if (resource.kind === "topic") {
      const topic = state.topics.get(resource.name);
      if (topic === undefined || sameConfig(topic.config, config)) return;
      book.commit(withTopic(state, { ...topic, config }), dirtyTopicConfig(topic.name));
      return;
    }
    const key = resource.id === null ? "" : String(resource.id);
    if (sameConfig(state.brokerConfigs.get(key) ?? {}, config)) return;
    book.commit(withBrokerConfig(state, key, config), { ...nothingDirty, brokerConfigs: true });
  }

  #rulesFor(resource: ConfigResource): SettingRules {
    return resource.kind === "topic" ? this.#rules.topic : this.#rules.broker(resource.id, this.#context.book.current.brokerConfigs);
  }
}
