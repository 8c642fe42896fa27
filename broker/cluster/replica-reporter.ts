import type { Clock } from "../../protocol/base/clock.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { ReplicaName, ReplicasOfflineRequest } from "../../protocol/peer/messages.ts";
import type { ReplicaHealth, ReplicaHealthReporter } from "../partition/cluster-contract.ts";
import type { ImageSource } from "./contract.ts";
import type { ControllerRequester } from "./controller-link.ts";
import { ReportLoop } from "./report-loop.ts";

export interface ReplicaReporterParts {
  readonly brokerId: BrokerId;
  readonly membership: { readonly epoch: number };
  readonly images: ImageSource;
  readonly controller: ControllerRequester;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

interface OfflineReplica extends ReplicaName {
  readonly reason: string;
}

/** To whom something was told: a controller's term, which knows of one registration of ours. */
interface Listener {
  readonly controllerEpoch: number;
  readonly brokerEpoch: number;
}

const requestTimeoutMs = 10_000;
/** A reason is a system's error and a path; what is longer is cut. */
const reasonLengthMax = 2_000;

/**
 * Tells the controller which replicas on this broker cannot be used, until it acknowledges it, and again each controller that comes after
 * it, and again under each new registration: the controller keeps it in memory only. Each report has all of them, so no more than there are
 * replicas here.
 */
export class ReplicaReporter implements ReplicaHealthReporter {
  readonly #parts: ReplicaReporterParts;
  readonly #signal: AbortSignal;
  readonly #loop: ReportLoop;
  readonly #offline = new Map<string, OfflineReplica>();
  /** Rises with each change. */
  #version = 0;
  #sequence = 0;
  #told: (Listener & { readonly version: number }) | null = null;

  constructor(parts: ReplicaReporterParts, signal: AbortSignal) {
    this.#parts = parts;
    this.#signal = signal;
    const report = { name: "report of unusable replicas", isDue: () => this.#isDue(), send: () => this.#sendOnce() };
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
    // a controller that was told nothing takes all for usable
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
