import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { waitUntil } from "../wait-until.ts";
import type { Program } from "./program-client.ts";

/** A transaction of the Java client that is open until it is told to be committed. */
export class HeldTransaction {
  readonly #process: ChildProcessWithoutNullStreams;
  #printed = "";

  private constructor(process: ChildProcessWithoutNullStreams) {
    this.#process = process;
    process.stdout.setEncoding("utf8").on("data", (text: string) => {
      this.#printed += text;
    });
    process.stderr.resume();
  }

  /** Resolves when its record, in partition 0, is acknowledged. */
  static async open(program: Program, bootstrap: readonly string[], id: string, topic: string): Promise<HeldTransaction> {
    const held = new HeldTransaction(program.start(bootstrap, ["hold", id, topic]));
    await waitUntil("a transaction to be open", async () => held.#printed.includes("open\t"));
    return held;
  }

  /** Where its record is. */
  get startOffset(): number {
    return Number(/^open\t(\d+)$/m.exec(this.#printed)?.[1] ?? -1);
  }

  /** What its client makes of committing it: the name of what it threw, or `none`. */
  async commit(): Promise<string> {
    const gone = once(this.#process, "close");
    this.#process.stdin.end();
    await gone;
    return /^commit\t(.+)$/m.exec(this.#printed)?.[1] ?? "nothing";
  }
}
