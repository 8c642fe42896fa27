import type { Logger } from "../../protocol/base/logger.ts";
import type { ClusterStore } from "./cluster-store.ts";
import type { ConfigWriter } from "./config-writer.ts";
import { type FencedWriter, inTransactions } from "./fenced-writer.ts";

/** Notifications kept for tools that want to see them; older ones are deleted. */
const notificationsKeptMax = 100;

/** Follows `/config/changes`: a sequential node per change of settings, by this controller or by another tool. */
export class ConfigNotifications {
  readonly #store: ClusterStore;
  readonly #writer: FencedWriter;
  readonly #configs: ConfigWriter;
  readonly #log: Logger;
  /** Name of the last one taken; they sort by their sequence number. */
  #last = "";

  constructor(store: ClusterStore, writer: FencedWriter, configs: ConfigWriter, log: Logger) {
    this.#store = store;
    this.#writer = writer;
    this.#configs = configs;
    this.#log = log;
  }

  /** Before everything is loaded: what is noted up to here will be seen by the loading. */
  async begin(): Promise<void> {
    this.#last = (await this.#store.configChangeNames()).at(-1) ?? "";
  }

  /** Reads the settings that changed since, and deletes notifications beyond the bound. */
  async takeNew(): Promise<void> {
    const names = await this.#store.configChangeNames();
    for (const name of names.filter((name) => name > this.#last)) {
      const resource = await this.#store.readConfigChange(name);
      if (resource === "unreadable") this.#log.warn({ name }, "a notification in /config/changes cannot be read and is passed over");
      else if (resource !== null) await this.#configs.reload(resource);
    }
    this.#last = names.at(-1) ?? this.#last;
    const old = names.slice(0, Math.max(0, names.length - notificationsKeptMax));
    for (const transaction of inTransactions(old, (name) => [this.#store.deleteConfigChange(name)])) {
      // one that somebody else deleted fails its transaction: the next change tries again
      await this.#writer.write(transaction.map((name) => this.#store.deleteConfigChange(name)));
    }
  }
}
