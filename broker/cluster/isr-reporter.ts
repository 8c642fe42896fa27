import type { Clock } from "../../protocol/base/clock.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { IsrChangedRequest } from "../../protocol/peer/messages.ts";
import type { ControllerRequester } from "./controller-link.ts";
import { ReportLoop } from "./report-loop.ts";

export type IsrReport = IsrChangedRequest["partitions"][number];

export interface IsrReporterParts {
  readonly brokerId: BrokerId;
  readonly membership: { readonly epoch: number };
  readonly controller: ControllerRequester;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

const partitionsPerReportMax = 2_000;
const requestTimeoutMs = 10_000;

/**
 * Tells the controller of in-sync sets that this broker has written, until it acknowledges them. Holds the newest per partition, so no more
 * than there are partitions led here; all of it is dropped with the session, since a new controller, and the loss of a registration, make
 * the controller read or write the states itself.
 */
export class IsrReporter {
  readonly #parts: IsrReporterParts;
  readonly #signal: AbortSignal;
  readonly #waiting = new Map<string, IsrReport>();
  readonly #loop: ReportLoop;

  constructor(parts: IsrReporterParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
    const report = { name: "report of in-sync sets", isDue: () => this.#waiting.size > 0, send: () => this.#sendOnce() };
    this.#loop = new ReportLoop(report, parts, signal);
  }

  report(change: IsrReport): void {
    const key = `${change.topicId}:${change.partition}`;
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined && waiting.stateVersion >= change.stateVersion) return;
    this.#waiting.set(key, change);
    this.#loop.wake();
  }

  /** The session is lost. */
  drop(): void {
    this.#waiting.clear();
  }

  async #sendOnce(): Promise<void> {
    const { brokerId, membership, controller } = this.#parts;
    const sent = [...this.#waiting].slice(0, partitionsPerReportMax);
    const request = { brokerId, brokerEpoch: membership.epoch, partitions: sent.map(([, report]) => report) };
    const options = { timeoutMs: requestTimeoutMs, lane: "control", signal: this.#signal } as const;
    const { body } = await controller.request("isr-changed", request, options);
    if (body.error !== "NONE") throw new Error(`the controller refused it: ${body.error} ${body.message}`);
    // a newer report of the same partition stays
    for (const [key, report] of sent) if (this.#waiting.get(key) === report) this.#waiting.delete(key);
  }
}
