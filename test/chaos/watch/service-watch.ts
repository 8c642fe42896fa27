import { setTimeout as sleep } from "node:timers/promises";
import { longestGap } from "../failover/gaps.ts";
import type { Event } from "../history/events.ts";
import type { History } from "../history/history.ts";

interface Acknowledged {
  readonly at: number[];
  lastSentAt: number;
}

const checkEveryMs = 20;

/** When each partition acknowledged records of the steadiest writer: what the length of an interruption is measured by. */
export class ServiceWatch {
  readonly #history: History;
  readonly #partitions: Acknowledged[];

  constructor(history: History, writer: string, partitions: number) {
    this.#history = history;
    this.#partitions = Array.from({ length: partitions }, () => ({ at: [], lastSentAt: -1 }));
    history.listen((event) => this.#hear(event, writer));
  }

  /** True once every partition has acknowledged a record that was sent after this moment; false when the time is over. */
  async servedAfter(moment: number, withinMs: number): Promise<boolean> {
    for (;;) {
      if (this.#partitions.every(({ lastSentAt }) => lastSentAt >= moment)) return true;
      if (this.#history.now() - moment > withinMs) return false;
      await sleep(checkEveryMs);
    }
  }

  /** The longest time without acknowledgement that ended between two moments; null when nothing was acknowledged in them. */
  gapOf(partition: number, from: number, to: number): number | null {
    return longestGap(this.#partitions[partition]?.at ?? [], from, to);
  }

  #hear(event: Event, writer: string): void {
    if (event.kind !== "write" || event.writer !== writer || event.outcome !== "acknowledged") return;
    const partition = this.#partitions[event.partition];
    if (partition === undefined) return;
    partition.at.push(event.at);
    partition.lastSentAt = Math.max(partition.lastSentAt, event.sentAt);
  }
}
