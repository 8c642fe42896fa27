import { Admin } from "../../../client/index.ts";
import type { History } from "../history/history.ts";

const everyMs = 1_000;
/** Of a partition that had one: it has expired, say. */
const noPosition = -1;

/** Asks once a second what groups have committed. */
export class CommitWatch {
  readonly #admin: Admin;
  readonly #groups: readonly string[];
  readonly #history: History;
  /** By group: partitions of which a position has been told. */
  readonly #known = new Map<string, ReadonlyMap<string, { readonly topic: string; readonly partition: number }>>();
  #isStopped = false;
  #running: Promise<void> = Promise.resolve();

  constructor(bootstrap: readonly string[], groups: readonly string[], history: History) {
    this.#admin = new Admin({ bootstrap, clientId: "commit-watch", requestTimeoutMs: 5_000, operationTimeoutMs: 5_000 });
    this.#groups = groups;
    this.#history = history;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
    await this.lookOnce();
    await this.#admin.close();
  }

  async lookOnce(): Promise<void> {
    await Promise.all(this.#groups.map((group) => this.#look(group).catch(() => {})));
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      await this.lookOnce();
      await new Promise((resolve) => setTimeout(resolve, everyMs));
    }
  }

  async #look(group: string): Promise<void> {
    const sentAt = this.#history.now();
    const told = (await this.#admin.listGroupOffsets(group)).filter(({ offset }) => offset >= 0);
    const missing = new Map(this.#known.get(group));
    for (const { topic, partition, offset } of told) {
      this.#history.add({ kind: "committed", group, topic, partition, offset, sentAt });
      missing.delete(`${topic}-${partition}`);
    }
    for (const place of missing.values()) this.#history.add({ kind: "committed", group, ...place, offset: noPosition, sentAt });
    const places = told.map(({ topic, partition }) => [`${topic}-${partition}`, { topic, partition }] as const);
    this.#known.set(group, new Map([...(this.#known.get(group) ?? []), ...places]));
  }
}
