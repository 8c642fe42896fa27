import { invariant } from "../../protocol/base/invariant.ts";
import type { Outcome } from "../../protocol/errors/kafka-errors.ts";
import type { ParsedBatch } from "../../protocol/records/batch-header.ts";
import type { Appended } from "../log/log-contract.ts";
import { type Admissions, type BatchOrigin, parseProduced } from "./admissions.ts";
import type { AppendOptions, AppendOutcome } from "./client-contract.ts";
import type { Deadlines } from "./deadlines.ts";
import type { ReplicaLog } from "./environment.ts";

type Acks = -1 | 0 | 1;
type Guard = AppendOptions["guard"];
type Refusal = Exclude<AppendOutcome, { readonly error: null }>;
export type Taken = Refusal | ({ readonly error: null } & Appended);

/** On which terms a batch is to be appended. */
interface Wanted {
  readonly origin: BatchOrigin;
  readonly acks: Acks;
  readonly deadlineMs: number;
  readonly guard: Guard;
}

/** The batch takes longer to validate than a turn should. */
interface Later {
  readonly later: ParsedBatch;
}

export interface IntakeParts {
  readonly admissions: Admissions;
  readonly deadlines: Deadlines;
  readonly replica: ReplicaLog;
  /** Appends that may wait for one that takes long to validate; then NOT_ENOUGH_REPLICAS. */
  readonly waitingMax: number;
  /** Why nothing may be appended, as things are now; `deadlineMs`: when the request's time is over. */
  readonly refusal: (acks: Acks, deadlineMs: number) => Refusal | null;
  /** Assigns the offsets and queues the write, in this turn. */
  readonly append: (batch: ParsedBatch, guard: Guard) => Outcome<Appended>;
}

/**
 * What a leader appends, in the order in which it was asked to. Nearly always in the turn in which it is asked; but a batch that takes
 * longer to validate is appended later, and so is everything queued behind it; and all waits while another broker takes over (`hold`).
 *
 * Race: (1) a batch is validated aside; (2) the producer's next one comes, and takes no time; (3) it would be in the log first, or be
 * refused for its sequence.
 */
export class Intake {
  readonly #parts: IntakeParts;
  #waiting = 0;
  /** Ends a `hold`; null: there is none. */
  #release: (() => void) | null = null;
  /** Settled once those before are appended or refused. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: IntakeParts) {
    this.#parts = parts;
  }

  /** For batches that a part of this broker wrote: refuses, or appends in this turn. */
  takeOwn(records: Buffer, guard?: Guard): Taken {
    const taken = this.#takeNow(records, { origin: "broker", acks: -1, deadlineMs: Number.POSITIVE_INFINITY, guard });
    invariant(!("later" in taken), "what this broker wrote itself is not looked at");
    return taken;
  }

  /** A client's batch. No promise: it was appended in this turn. */
  take(records: Buffer, { acks, guard }: Pick<AppendOptions, "acks" | "guard">, deadlineMs: number): Taken | Promise<Taken> {
    const how: Wanted = { origin: "client", acks, deadlineMs, guard };
    if (this.#waiting > 0) {
      return this.#waitFor(records, async () => {
        const taken = this.#takeNow(records, how);
        return "later" in taken ? this.#takeAside(taken.later, how) : taken;
      });
    }
    const taken = this.#takeNow(records, how);
    return "later" in taken ? this.#waitFor(records, () => this.#takeAside(taken.later, how)) : taken;
  }

  /** A duplicate of what the same producer appended before is answered as if it were appended now. */
  #takeNow(records: Buffer, { origin, acks, deadlineMs, guard }: Wanted): Taken | Later {
    const { admissions, replica, refusal, append } = this.#parts;
    const refused = refusal(acks, deadlineMs);
    if (refused !== null) return refused;
    const parsed = parseProduced(records, replica.settings, origin);
    if (parsed.error !== null) return parsed;
    const admitted = admissions.now(parsed.batch, origin, replica.settings);
    if (admitted === null) return { later: parsed.batch };
    return admitted.error === null ? append(admitted.batch, guard) : admitted;
  }

  /**
   * Nothing of clients is appended until `release`, or until `untilMs` (monotonic), when `onExpired` is called before what waits is taken
   * up; what comes waits, in its order. Resolves when what came before is appended or refused.
   */
  async hold(untilMs: number, onExpired: () => void): Promise<void> {
    if (this.#release !== null) return;
    const before = this.#last;
    this.#waiting++;
    const held = new Promise<void>((resolve) => {
      const forget = this.#parts.deadlines.add(untilMs, () => {
        onExpired();
        this.release();
      });
      this.#release = () => {
        forget();
        resolve();
      };
    });
    this.#last = Promise.all([before, held]).then(() => {
      this.#waiting--;
    });
    await before;
  }

  release(): void {
    this.#release?.();
    this.#release = null;
  }

  #waitFor(records: Buffer, takeIn: () => Promise<Taken>): Taken | Promise<Taken> {
    const { waitingMax, admissions } = this.#parts;
    if (this.#waiting >= waitingMax) return { error: "NOT_ENOUGH_REPLICAS", message: "too many appends wait for those before them" };
    const letGo = admissions.waiting.keep(records);
    if (letGo === null) return { error: "NOT_ENOUGH_REPLICAS", message: "too many batches wait for those before them" };
    const before = this.#last;
    this.#waiting++;
    const taken = (async () => {
      await before;
      try {
        return await takeIn();
      } finally {
        this.#waiting--;
        letGo();
      }
    })();
    this.#last = taken.catch(() => undefined);
    return taken;
  }

  /**
   * Leadership, session, in-sync set and the request's remaining time may have changed by then. So whether anything may be appended is
   * checked again, before the work and after it. Past its deadline, the producer takes the batch for lost and retries it.
   */
  async #takeAside(batch: ParsedBatch, { acks, deadlineMs, guard }: Wanted): Promise<Taken> {
    const { admissions, replica, append } = this.#parts;
    const refusal = () => this.#parts.refusal(acks, deadlineMs);
    const admitted = await admissions.aside(batch, replica.settings, refusal);
    if (admitted.error !== null) return admitted;
    return refusal() ?? append(admitted.batch, guard);
  }
}
