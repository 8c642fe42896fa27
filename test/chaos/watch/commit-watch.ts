import { Admin } from "../../../client/index.ts";
import type { History } from "../history/history.ts";

const everyMs = 1_000;

/** Asks once a second what groups have committed. */
export class CommitWatch {
  readonly #admin: Admin;
  readonly #groups: readonly string[];
  readonly #history: History;
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
    for (const { topic, partition, offset } of await this.#admin.listGroupOffsets(group))
      if (offset >= 0) this.#history.add({ kind: "committed", group, topic, partition, offset, sentAt });
  }
}
