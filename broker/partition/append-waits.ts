import type { Outcome } from "../../protocol/errors/kafka-errors.ts";
import { type Appended, LogOffline } from "../log/log-contract.ts";
import type { AppendedRecords } from "./client-contract.ts";
import type { ReplicaLog } from "./environment.ts";
import type { AppendedState } from "./internal-topic-partitions.ts";
import type { LeaderStanding } from "./leader-reader.ts";
import { acknowledgement, replicaShortage } from "./produce-answers.ts";
import type { OffsetWaiters, WaitEnd } from "./waiters.ts";

export interface AppendWaitsParts {
  readonly replica: ReplicaLog;
  readonly waiters: OffsetWaiters;
  readonly standing: () => LeaderStanding;
  readonly onLogOffline: (error: LogOffline) => void;
}

/** From the append of records to what is said of them: how long it is waited, and for what. */
export class AppendWaits {
  readonly #parts: AppendWaitsParts;

  constructor(parts: AppendWaitsParts) {
    this.#parts = parts;
  }

  /** acks=0 and 1: this broker has them. */
  async written(appended: Appended, acks: 0 | 1): Promise<Outcome<AppendedRecords>> {
    return this.#acknowledge(await this.untilWritten(appended.endOffset), acks, appended);
  }

  /** acks=all: every in-sync replica has them, and they are enough. */
  async committed(appended: Appended, deadlineMs: number): Promise<Outcome<AppendedRecords>> {
    return this.#acknowledge(await this.#untilCommitted(appended.endOffset, deadlineMs), -1, appended);
  }

  /** As acks=all, for as long as this leadership lasts. */
  state(appended: Appended): { readonly error: null } & AppendedState {
    const { endOffset } = appended;
    const committed = this.#parts.waiters
      .wait(endOffset, Number.POSITIVE_INFINITY)
      .then((end) => this.#acknowledge(end, -1, appended).error ?? "NONE");
    return { error: null, endOffset, committed };
  }

  async untilWritten(endOffset: number): Promise<WaitEnd> {
    try {
      await this.#parts.replica.log.written(endOffset);
      return "reached";
    } catch (error) {
      if (!(error instanceof LogOffline)) throw error;
      this.#parts.onLogOffline(error);
      return "log-offline";
    }
  }

  /**
   * A request's bytes count against the broker's bound until it is answered, so one whose records still wait for the disk is not answered.
   * Else: (1) the disk stalls; (2) requests time out, their bytes no longer count, the producers send them again; (3) the log's queue grows
   * without a bound.
   */
  async #untilCommitted(endOffset: number, deadlineMs: number): Promise<WaitEnd> {
    const end = await this.#parts.waiters.wait(endOffset, deadlineMs);
    if (end !== "timed-out") return end;
    return (await this.untilWritten(endOffset)) === "reached" ? end : "log-offline";
  }

  #acknowledge(end: WaitEnd, acks: -1 | 0 | 1, appended: Appended): Outcome<AppendedRecords> {
    const { log, settings } = this.#parts.replica;
    const { state, isSessionProved, hasEnded } = this.#parts.standing();
    const shortage = replicaShortage(state, settings);
    return acknowledgement(end, acks, appended, {
      isSessionProved,
      hasEnded,
      replicaShortage: shortage,
      logStartOffset: log.startOffset,
    });
  }
}
