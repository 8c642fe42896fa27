import { type Coordinator, CoordinatorUnavailable, type WriteOperation, type WriteResult } from "../../coordinator-client/coordinator.ts";
import { type Clock, sleep } from "../../protocol/base/clock.ts";

/** This broker is not the controller any more: nothing was written, nothing may be. */
export class Deposed extends Error {
  override readonly name = "Deposed";
}

/** What a term as controller rests on. */
export interface Term {
  readonly controllerEpoch: number;
  /** Data version of `/controller_epoch` since this broker raised it. */
  readonly epochVersion: number;
  /** The coordinator session that holds `/controller`. */
  readonly sessionNumber: number;
}

export type FencedResult = Extract<WriteResult, { readonly kind: "written" | "conflict" | "unknown" }>;

/** Bounds of one transaction: ZooKeeper refuses packets above 1 MiB. */
export const transactionOperationsMax = 200;
export const transactionBytesMax = 512 * 1024;

const barrierAttemptsMax = 200;
const barrierPauseMs = 50;

/** Writes as this term's controller: every transaction holds only while nobody raised the controller epoch (I7). */
export class FencedWriter {
  readonly #coordinator: Coordinator;
  readonly #term: Term;
  readonly #epochPath: string;
  readonly #clock: Clock;
  #isRevoked = false;

  constructor(coordinator: Coordinator, term: Term, epochPath: string, clock: Clock) {
    this.#coordinator = coordinator;
    this.#term = term;
    this.#epochPath = epochPath;
    this.#clock = clock;
  }

  /** From here on nothing is begun. */
  revoke(): void {
    this.#isRevoked = true;
  }

  /** Throws Deposed when the term is over. */
  assertTerm(): void {
    if (this.#isRevoked || this.#coordinator.sessionNumber !== this.#term.sessionNumber)
      throw new Deposed(`the term with controller epoch ${this.#term.controllerEpoch} is over`);
  }

  /** `failedIndex` of a conflict counts the operations given. Rejects with Deposed when the epoch was raised by another. */
  async write(operations: readonly WriteOperation[]): Promise<FencedResult> {
    this.assertTerm();
    const check: WriteOperation = { kind: "check", path: this.#epochPath, version: this.#term.epochVersion };
    const result = await this.#coordinator.write([check, ...operations]);
    this.assertTerm();
    switch (result.kind) {
      case "written":
        return { ...result, results: result.results.slice(1) };
      case "conflict":
        if (result.failedIndex === 0) {
          this.revoke();
          throw new Deposed(`controller epoch ${this.#term.controllerEpoch} was superseded`);
        }
        return { ...result, failedIndex: result.failedIndex - 1 };
      case "unknown":
        return result;
    }
  }

  /**
   * After a conflict or a lost answer, before reading: resolves in this same session once a transaction (of the epoch check alone) has come
   * through. It comes after every earlier write in the server's one order of transactions, so a read after it sees what became of them.
   */
  async barrier(signal: AbortSignal): Promise<void> {
    for (let attempt = 0; attempt < barrierAttemptsMax; attempt++) {
      this.assertTerm();
      const ended = (cause: unknown) => new Deposed("resigned, or the session ended", { cause });
      await this.#coordinator.connected(signal).catch((error) => {
        throw ended(error);
      });
      if ((await this.write([])).kind === "written") return;
      await sleep(this.#clock, barrierPauseMs, signal).catch((error) => {
        throw ended(error);
      });
    }
    throw new CoordinatorUnavailable(`no transaction came through in ${barrierAttemptsMax} attempts`);
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
function sizeOf(operation: WriteOperation): number {
  const data = operation.kind === "create" || operation.kind === "set" ? operation.data.length : 0;
  return 100 + Buffer.byteLength(operation.path) + data;
}

/**
 * Runs over the items with at most `atOnceMax` under way; results in order. The first failure is thrown once all that were begun have
 * ended.
 */
export async function pipelined<T, R>(items: readonly T[], atOnceMax: number, run: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array(items.length);
  const failures: unknown[] = [];
  let next = 0;
  const worker = async () => {
    while (next < items.length && failures.length === 0) {
      const index = next++;
      try {
        results[index] = await run(items[index]!);
      } catch (error) {
        failures.push(error);
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnceMax, items.length) }, worker));
  if (failures.length > 0) throw failures[0];
  return results;
}
