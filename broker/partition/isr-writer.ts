import { sleep } from "../../protocol/base/clock.ts";
import { InvariantViolation } from "../../protocol/base/invariant.ts";
import type { IsrWriteResult } from "./cluster-contract.ts";
import type { PartitionEnvironment, ReplicaIdentity } from "./environment.ts";
import { type IsrProposal, type IsrVerdict, judgeIsrWrite, type LeaderState, proposal } from "./leader-state.ts";

export interface IsrWriterParts {
  readonly identity: ReplicaIdentity;
  readonly environment: PartitionEnvironment;
  /** The leader's state as it now is. */
  readonly current: () => LeaderState;
  readonly apply: (verdict: Exclude<IsrVerdict, { kind: "ask-again" }>, proposed: IsrProposal) => void;
}

/** Between attempts of a write whose outcome is unknown: doubled each time up to the maximum, with jitter. */
const retryMinMs = 50;
const retryMaxMs = 2_000;

/** Brings proposals of the in-sync set to the coordinator: one write in flight, retried until its outcome is known. */
export class IsrWriter {
  readonly #parts: IsrWriterParts;
  readonly #ended = new AbortController();
  #inFlight = false;

  constructor(parts: IsrWriterParts) {
    this.#parts = parts;
  }

  /** To be called whenever the state changed. */
  wake(): void {
    if (this.#inFlight || this.#ended.signal.aborted || proposal(this.#parts.current()) === null) return;
    this.#inFlight = true;
    void this.#writeAll();
  }

  /** Leadership is over: an answer still in flight is not applied. */
  end(): void {
    this.#ended.abort();
  }

  async #writeAll(): Promise<void> {
    const { environment, current, apply } = this.#parts;
    let pauseMs = retryMinMs;
    for (;;) {
      const state = current();
      const proposed = proposal(state);
      if (proposed === null || this.#ended.signal.aborted) break;
      const result = await this.#write(state, proposed);
      // Race: (1) written under epoch 5; (2) while on its way, the controller raises the epoch to 6, perhaps for us again; (3) the answer
      // arrives.
      // It says nothing about epoch 6: what is in force there came with the assignment.
      if (this.#ended.signal.aborted) break;
      if (current().epoch !== state.epoch) continue;
      const verdict = judgeIsrWrite(current(), proposed, result);
      if (verdict.kind !== "ask-again") {
        pauseMs = retryMinMs;
        apply(verdict, proposed);
        continue;
      }
      await sleep(environment.clock, pauseMs * (0.5 + environment.random.next()), this.#ended.signal).catch(() => undefined);
      pauseMs = Math.min(pauseMs * 2, retryMaxMs);
    }
    this.#inFlight = false;
  }

  async #write(state: LeaderState, { isr, isrEpochs, expectedVersion }: IsrProposal): Promise<IsrWriteResult> {
    const { identity, environment, current } = this.#parts;
    const { topic, topicId, partition } = identity;
    try {
      const from = { leader: state.self, leaderEpoch: state.epoch, formerSize: state.isr.size };
      const change = { topic, topicId, partition, ...from, isr, isrEpochs, expectedVersion };
      return await environment.isrStore.writeIsr(change, () => current().highWatermark < current().logEndOffset);
    } catch (error) {
      if (error instanceof InvariantViolation) throw error;
      environment.logger.warn({ err: error, partition: identity.key }, "writing the in-sync set failed; its result is unknown");
      return { kind: "unknown" };
    }
  }
}
