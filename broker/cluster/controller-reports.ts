import type { Clock } from "../../protocol/base/clock.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import { loop } from "../../protocol/base/loop.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { IsrChangedRequest, ReplicaName, ReplicasOfflineRequest } from "../../protocol/peer/messages.ts";
import type { ReplicaHealth, ReplicaHealthReporter } from "../partition/cluster-contract.ts";
import type { ImageSource } from "./cluster-image.ts";
import type { ControllerRequester } from "./controller-link.ts";

/** What a report needs: who sends it, and how the controller is reached. */
export interface ReporterParts {
  readonly brokerId: BrokerId;
  readonly membership: { readonly epoch: number };
  readonly controller: ControllerRequester;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

const requestTimeoutMs = 10_000;

export type IsrReport = IsrChangedRequest["partitions"][number];

const partitionsPerReportMax = 2_000;

/**
 * The sets are in force already, and nobody waits for a report of them. When a broker is gone and thousands change, its successors are to
 * be elected first.
 */
const isrDelayMs = 50;

/**
 * Reports in-sync sets that this broker has written to the controller, until it acknowledges them. Holds the newest per partition, so no
 * more than there are partitions led here; all of it is dropped with the session, since a new controller, and the loss of a registration,
 * make the controller read or write the states itself.
 */
export class IsrReporter {
  readonly #parts: ReporterParts;
  readonly #signal: AbortSignal;
  readonly #waiting = new Map<string, IsrReport>();
  readonly #loop: ReportLoop;

  constructor(parts: ReporterParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
    const report = {
      name: "report of in-sync sets",
      delayMs: isrDelayMs,
      isDue: () => this.#waiting.size > 0,
      send: () => this.#sendOnce(),
    };
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

interface OfflineReplica extends ReplicaName {
  readonly reason: string;
}

/** The recipient of a report: a controller's term, which knows one registration of ours. */
interface Listener {
  readonly controllerEpoch: number;
  readonly brokerEpoch: number;
}

/** A reason is a system error and a path; longer ones are cut. */
const reasonLengthMax = 2_000;

/**
 * Reports to the controller which replicas on this broker cannot be used, until it acknowledges that. The report is repeated to each new
 * controller and under each new registration, as the controller keeps it in memory only. Each report has all of them, so no more than there
 * are replicas here.
 */
export class ReplicaReporter implements ReplicaHealthReporter {
  readonly #parts: ReporterParts & { readonly images: ImageSource };
  readonly #signal: AbortSignal;
  readonly #loop: ReportLoop;
  readonly #offline = new Map<string, OfflineReplica>();
  /** Rises with each change. */
  #version = 0;
  #sequence = 0;
  #told: (Listener & { readonly version: number }) | null = null;

  constructor(parts: ReporterParts & { readonly images: ImageSource }, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
    const report = { name: "report of unusable replicas", delayMs: 0, isDue: () => this.#isDue(), send: () => this.#sendOnce() };
    this.#loop = new ReportLoop(report, parts, signal);
    parts.images.onChange(() => this.#loop.wake());
  }

  report({ topicId, partition }: ReplicaName, health: ReplicaHealth): void {
    const key = `${topicId}:${partition}`;
    const known = this.#offline.get(key);
    if (health.kind === "usable" ? known === undefined : known?.reason === health.reason) return;
    if (health.kind === "usable") this.#offline.delete(key);
    else this.#offline.set(key, { topicId, partition, reason: health.reason });
    this.#version++;
    this.#loop.wake();
  }

  #listener(): Listener | null {
    const { membership, images } = this.#parts;
    const { controllerEpoch } = images.current;
    return membership.epoch < 0 || controllerEpoch < 0 ? null : { controllerEpoch, brokerEpoch: membership.epoch };
  }

  #isDue(): boolean {
    const listener = this.#listener();
    if (listener === null) return false;
    const told = this.#told;
    const isSame = told?.controllerEpoch === listener.controllerEpoch && told.brokerEpoch === listener.brokerEpoch;
    // a controller without a report takes all for usable
    return isSame ? told.version < this.#version : this.#offline.size > 0;
  }

  async #sendOnce(): Promise<void> {
    const listener = this.#listener();
    if (listener === null) return;
    const { brokerId, controller } = this.#parts;
    const version = this.#version;
    const request = { brokerId, ...listener, sequence: this.#sequence++, offline: this.#byReason() };
    const options = { timeoutMs: requestTimeoutMs, lane: "control", signal: this.#signal } as const;
    const { body } = await controller.request("replicas-offline", request, options);
    if (body.error !== "NONE") throw new Error(`the controller refused it: ${body.error} ${body.message}`);
    this.#told = { ...listener, version };
  }

  #byReason(): ReplicasOfflineRequest["offline"] {
    const groups = Map.groupBy(this.#offline.values(), ({ reason }) => reason.slice(0, reasonLengthMax));
    return [...groups].map(([reason, replicas]) => ({
      reason,
      replicas: replicas.map(({ topicId, partition }) => ({ topicId, partition })),
    }));
  }
}

interface Report {
  /** For the log. */
  readonly name: string;
  /** What changes within this time is reported together; 0: in one turn of the loop. */
  readonly delayMs: number;
  /** There is something to report that has not been acknowledged. */
  readonly isDue: () => boolean;
  /** Sends it once; rejects when that failed. */
  readonly send: () => Promise<void>;
}

/** Between attempts. */
const pauseMinMs = 20;
const pauseMaxMs = 1_000;

/** Reports something to the controller until it acknowledges it: one message in flight, repeated with growing pauses. */
class ReportLoop {
  readonly #report: Report;
  readonly #parts: Pick<ReporterParts, "clock" | "random" | "log">;
  readonly #signal: AbortSignal;
  #isSending = false;

  constructor(report: Report, parts: Pick<ReporterParts, "clock" | "random" | "log">, signal: AbortSignal) {
    this.#report = report;
    this.#parts = parts;
    this.#signal = signal;
  }

  /** To be called whenever a report may have become due. */
  wake(): void {
    if (this.#isSending || this.#signal.aborted || !this.#report.isDue()) return;
    this.#isSending = true;
    this.#parts.clock.schedule(this.#report.delayMs, () => void this.#sendAll());
  }

  async #sendAll(): Promise<void> {
    const { name, isDue, send } = this.#report;
    const done = new AbortController();
    const signal = AbortSignal.any([this.#signal, done.signal]);
    const step = async () => {
      if (isDue()) await send();
      else done.abort();
    };
    const { clock, random, log } = this.#parts;
    await loop(name, step, { clock, random, log, signal, pauseMinMs, pauseMaxMs });
    this.#isSending = false;
    this.wake();
  }
}
