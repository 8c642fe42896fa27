import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { GroupOptions } from "../../../client/index.ts";
import type { HandedOutRecords } from "./handed-out.ts";

export interface MemberOrder {
  readonly bootstrap: readonly string[];
  readonly topic: string;
  /** What each record takes; 0: as fast as they come. */
  readonly handlingMs: number;
  readonly options: Omit<GroupOptions, "onAssigned" | "onRevoked" | "onLost">;
}

export type MemberEvent =
  | { readonly kind: "assigned" | "revoked" | "lost"; readonly partitions: readonly number[]; readonly atMs: number }
  | { readonly kind: "record"; readonly partition: number; readonly offset: number; readonly value: string; readonly atMs: number };

const program = fileURLToPath(new URL("./member-program.ts", import.meta.url));

/** Our client as a member of a group, in a process of its own. The records that it gets go into `records`. */
export class MemberProcess {
  readonly name: string;
  /** Assignments and revocations; not the records. */
  readonly events: MemberEvent[] = [];
  /** What it wrote to standard error. */
  complaints = "";
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  readonly #owned = new Set<number>();

  constructor(name: string, order: MemberOrder, records: HandedOutRecords) {
    this.name = name;
    this.#child = spawn(process.execPath, [program, JSON.stringify(order)], { stdio: ["ignore", "pipe", "pipe"] });
    this.#ended = once(this.#child, "close");
    this.#child.stderr?.on("data", (chunk) => {
      this.complaints += String(chunk);
    });
    createInterface({ input: this.#child.stdout! }).on("line", (line) => this.#take(line, records));
  }

  /** Partitions, as it knows them. */
  get owned(): number[] {
    return [...this.#owned].sort((a, b) => a - b);
  }

  #take(line: string, records: HandedOutRecords): void {
    if (!line.endsWith("}")) return; // cut off by its death
    const event = JSON.parse(line) as MemberEvent;
    if (event.kind === "record") return records.take({ ...event, member: this.name });
    this.events.push(event);
    for (const partition of event.partitions)
      if (event.kind === "assigned") this.#owned.add(partition);
      else this.#owned.delete(partition);
  }

  /** It commits and leaves the group. */
  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    await this.#ended;
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#ended;
  }
}
