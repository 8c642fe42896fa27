import { type Coordinator, CoordinatorUnavailable, type WriteOperation, type WriteResult } from "../../coordinator-client/coordinator.ts";
import { controllerEpochPath } from "../../coordinator-client/znodes/paths.ts";
import { type Clock, sleep } from "../../protocol/base/clock.ts";

/** This broker is no longer the controller: nothing was written, and nothing may be. */
export class Deposed extends Error {
  override readonly name = "Deposed";
}

/** Other writers were first, again and again. What is there was read after the last attempt, and nothing is in flight. */
export class DidNotSettle extends CoordinatorUnavailable {}

/** What a term as controller rests on. */
export interface Term {
  readonly controllerEpoch: number;
  /** Data version of `/controller_epoch` since this broker raised it. */
  readonly epochVersion: number;
  /** The coordinator session that holds `/controller`. */
  readonly sessionNumber: number;
}

export type FencedResult = Extract<WriteResult, { readonly kind: "written" | "conflict" | "unknown" }>;

/**
 * The outcome of an attempt at a change. `again`: nothing of ours is in flight, so the next may follow at once. `unsettled`: another writer
 * was first, or our answer was lost.
 */
export type AttemptResult<T> = { readonly done: T } | "again" | "unsettled";

/** A change that is written to the coordinator: see `FencedWriter.settle`. */
export interface Change<T> {
  /** For the error, as in "the topic t did not settle". */
  readonly failure: () => string;
  /** Decides from what is known, or read first, and writes that. */
  readonly attempt: () => Promise<AttemptResult<T>>;
  /** Reads the outcome. Left out where each attempt begins with reading. */
  readonly readAgain?: () => Promise<Exclude<AttemptResult<T>, "unsettled">>;
}

/** See `FencedWriter.settleAll`. */
export interface Changes<T> {
  readonly failure: (left: readonly T[]) => string;
  /** Returns those that are not settled. */
  readonly attempt: (left: readonly T[]) => Promise<readonly T[]>;
  /** Reads the outcome of these; returns those that are to be decided again. */
  readonly readAgain: (left: readonly T[]) => Promise<readonly T[]>;
}

/** Bounds of one transaction: ZooKeeper refuses packets above 1 MiB. */
export const transactionOperationsMax = 200;
export const transactionBytesMax = 512 * 1024;

const barrierAttemptsMax = 200;
const barrierPauseMs = 50;

const attemptsMax = 25;

/** Writes as this term's controller: every transaction succeeds only as long as no other controller has raised the epoch (I7). */
export class FencedWriter {
  readonly term: Term;
  readonly #coordinator: Coordinator;
  readonly #clock: Clock;
  /** The term's: aborted when it is over. */
  readonly #signal: AbortSignal;
  #isRevoked = false;

  constructor(coordinator: Coordinator, term: Term, clock: Clock, signal: AbortSignal) {
    this.#coordinator = coordinator;
    this.term = term;
    this.#clock = clock;
    this.#signal = signal;
  }

  /** From here on nothing is started. */
  revoke(): void {
    this.#isRevoked = true;
  }

  /** Throws Deposed when the term is over. */
  assertTerm(): void {
    if (this.#isRevoked || this.#coordinator.sessionNumber !== this.term.sessionNumber)
      throw new Deposed(`the term with controller epoch ${this.term.controllerEpoch} is over`);
  }

  /** `failedIndex` of a conflict counts the operations given. Rejects with Deposed when the epoch was raised by another. */
  async write(operations: readonly WriteOperation[]): Promise<FencedResult> {
    this.assertTerm();
    const check: WriteOperation = { kind: "check", path: controllerEpochPath, version: this.term.epochVersion };
    const result = await this.#coordinator.write([check, ...operations]);
    this.assertTerm();
    switch (result.kind) {
      case "written":
        return { ...result, results: result.results.slice(1) };
      case "conflict":
        if (result.failedIndex === 0) {
          this.revoke();
          throw new Deposed(`controller epoch ${this.term.controllerEpoch} was superseded`);
        }
        return { ...result, failedIndex: result.failedIndex - 1 };
      case "unknown":
        return result;
    }
  }

  /**
   * After a conflict or a lost answer, before reading: resolves in this same session once a transaction (of the epoch check alone) has come
   * through. It follows every earlier write in the server's total order of transactions, so a read after it sees their outcome.
   */
  async barrier(): Promise<void> {
    for (let attempt = 0; attempt < barrierAttemptsMax; attempt++) {
      this.assertTerm();
      const ended = (cause: unknown) =>
        new Deposed("the controller was replaced meanwhile; part of this may be done: look at what is there, and ask again", { cause });
      await this.#coordinator.connected(this.#signal).catch((error) => {
        throw ended(error);
      });
      if ((await this.write([])).kind === "written") return;
      await sleep(this.#clock, barrierPauseMs, this.#signal).catch((error) => {
        throw ended(error);
      });
    }
    throw new CoordinatorUnavailable(`no transaction came through in ${barrierAttemptsMax} attempts`);
  }

  /**
   * Writes a change to the coordinator, and returns the outcome. The race that every change must survive, and the order that does:
   * 1. A change is decided from what was read, and written with the versions that were read.
   * 2. Written: done. Refused: another writer was first (a leader with its in-sync set, another tool), and the state we decided from is out
   *    of date.
   * 3. Or the link breaks, and the answer is lost. The write may have been carried out, or may still be in flight. A read now may show the
   *    state before it: the same would be decided once more, and our own late write be taken for another writer's.
   * 4. So a transaction of ours must come through first, in this same session (`barrier`). All of a session's transactions are carried out
   *    in the order in which they were sent: the lost one has been by now, or never will be.
   * 5. What is read after that is what there is. When the change is decided again from there, our own success shows as nothing left to do.
   *
   * Rejects with Deposed when the term ends meanwhile, with CoordinatorUnavailable, and with DidNotSettle after so many attempts. They end
   * the term, and the next one reads what was done; a caller that can leave a change undone need not end it for the last of them.
   */
  async settle<T>({ failure, attempt, readAgain }: Change<T>): Promise<T> {
    for (let attempts = 0; attempts < attemptsMax; attempts++) {
      let result = await attempt();
      if (result === "unsettled") {
        await this.barrier();
        result = readAgain === undefined ? "again" : await readAgain();
      }
      if (result !== "again") return result.done;
    }
    throw new DidNotSettle(`${failure()} in ${attemptsMax} attempts`);
  }

  /** As `settle`, for many changes together: each continues until it is done. */
  async settleAll<T>(changes: readonly T[], { failure, attempt, readAgain }: Changes<T>): Promise<void> {
    let left = changes;
    if (left.length === 0) return;
    const unlessDone = <R>(result: R) => (left.length > 0 ? result : { done: undefined });
    await this.settle({
      failure: () => failure(left),
      attempt: async () => {
        left = await attempt(left);
        return unlessDone("unsettled" as const);
      },
      readAgain: async () => {
        left = await readAgain(left);
        return unlessDone("again" as const);
      },
    });
  }
}

/**
 * Groups of operations that belong in one transaction, packed into as few transactions as the bounds allow, in order. A group larger than
 * the bounds is a transaction by itself.
 */
export function inTransactions<T>(groups: readonly T[], operationsOf: (group: T) => readonly WriteOperation[]): T[][] {
  const transactions: T[][] = [];
  let operations = 0;
  let bytes = 0;
  for (const group of groups) {
    const added = operationsOf(group);
    const addedBytes = added.reduce((sum, operation) => sum + sizeOf(operation), 0);
    const last = transactions.at(-1);
    if (last === undefined || operations + added.length > transactionOperationsMax || bytes + addedBytes > transactionBytesMax) {
      transactions.push([group]);
      operations = added.length;
      bytes = addedBytes;
    } else {
      last.push(group);
      operations += added.length;
      bytes += addedBytes;
    }
  }
  return transactions;
}

/** Path, data and what the protocol adds (at most). */
export function sizeOf(operation: WriteOperation): number {
  const data = operation.kind === "create" || operation.kind === "set" ? operation.data.length : 0;
  return 100 + Buffer.byteLength(operation.path) + data;
}
