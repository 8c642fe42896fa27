import { Admin } from "../../client/index.ts";
import { checkProcessed, type ReadRecord } from "../support/transaction-checker.ts";
import { outputOf, TransactionWorker, type TransactionWorkerParts } from "./transaction-worker.ts";

const ids = ["clerk1", "clerk2"];
export const exactlyOnceClients: readonly string[] = ids;
const lookEveryMs = 200;

/** Workers that turn one topic into another, exactly once, however often they are killed. */
export class ExactlyOnce {
  readonly #parts: TransactionWorkerParts;
  readonly #partitions: number;
  readonly #present = new Map<string, TransactionWorker>();
  #isSettled = false;
  #isOver = false;

  constructor(parts: TransactionWorkerParts, partitions: number) {
    this.#parts = parts;
    this.#partitions = partitions;
  }

  start(): void {
    for (const id of ids) void this.#succeedEachOther(id);
  }

  /** From now on nothing happens to the workers. */
  settle(): void {
    this.#isSettled = true;
    for (const worker of this.#present.values()) worker.spare();
  }

  /** Resolves when the group has processed everything up to these offsets; the workers end then. */
  async finish(inputs: ReadonlyMap<number, readonly ReadRecord[]>): Promise<void> {
    const { bootstrap, runtime, group, from, trace } = this.#parts;
    const places = Array.from({ length: this.#partitions }, (_, partition) => ({ topic: from, partition }));
    await using admin = new Admin({ bootstrap, operationTimeoutMs: 3000, requestTimeoutMs: 1500, runtime: runtime("manager") });
    for (;;) {
      try {
        const committed = await admin.listGroupOffsets(group, places);
        const isDone = ({ partition }: { readonly partition: number }) => {
          const last = inputs.get(partition)?.at(-1)?.offset ?? -1;
          return last < (committed.find((one) => one.partition === partition)?.offset ?? -1) || last === -1;
        };
        if (places.every(isDone)) break;
      } catch (error) {
        trace.line(`positions of ${group}: ${(error as Error).message}`, true);
      }
      await this.#sleep(lookEveryMs);
    }
    this.#isOver = true;
    for (const worker of this.#present.values()) worker.stop();
  }

  /** What is wrong, in sentences. */
  check(inputs: ReadonlyMap<number, readonly ReadRecord[]>, outputs: ReadonlyMap<number, readonly ReadRecord[]>): string[] {
    return [...inputs].flatMap(([partition, records]) => {
      const values = (outputs.get(partition) ?? []).map(({ value }) => value);
      return checkProcessed(records, Number.POSITIVE_INFINITY, values, outputOf).map((wrong) => `partition ${partition}: ${wrong}`);
    });
  }

  async #succeedEachOther(id: string): Promise<void> {
    for (let number = 1; !this.#isOver; number++) {
      const worker = new TransactionWorker(this.#parts, id, number);
      this.#present.set(id, worker);
      if (this.#isSettled) worker.spare();
      worker.start();
      await worker.whenGone;
      await this.#sleep(100 + this.#parts.random.next() * 400);
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#parts.clock.schedule("transactions", ms, resolve));
  }
}
