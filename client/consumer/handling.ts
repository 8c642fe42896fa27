import type { AssignedPartition } from "../fetch/assigned-partition.ts";
import type { Turn } from "./lanes.ts";
import type { TakenRecord } from "./record-taker.ts";
import type { BatchContext } from "./run-options.ts";
import type { TakenEntry, TakenWindow } from "./taken-window.ts";

/** A record that was taken, on its way through the handlers. */
export interface Task {
  readonly taken: TakenRecord;
  readonly window: TakenWindow;
  readonly entry: TakenEntry;
  /** How often it was handled, and failed. */
  failures: number;
}

/** One call of a handler, for one turn of a lane. */
export class Handling {
  readonly turn: Turn<Task>;
  readonly partition: AssignedPartition;
  /** Monotonic. */
  readonly sinceMs: number;
  /** Nobody waits for it any more: nothing that it does counts. */
  isVoid = false;
  #isTold = false;
  readonly #ended = Promise.withResolvers<void>();
  /** Made when it is asked for: most handlers never do. */
  #controller: AbortController | null = null;

  constructor(turn: Turn<Task>, sinceMs: number) {
    this.turn = turn;
    this.partition = (turn.tasks[0] as Task).taken.partition;
    this.sinceMs = sinceMs;
  }

  get whenEnded(): Promise<void> {
    return this.#ended.promise;
  }

  ended(): void {
    this.#ended.resolve();
  }

  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isTold) this.#controller.abort(notAwaited());
    return this.#controller.signal;
  }

  /** The handler is told. */
  abandon(): void {
    this.isVoid = true;
    this.#isTold = true;
    this.#controller?.abort(notAwaited());
  }

  /** For the handler of these tasks. */
  context(tasks: readonly Task[]): BatchContext {
    const handling = this;
    return {
      attempt: (tasks[0] as Task).failures + 1,
      get signal() {
        return handling.signal;
      },
      processed: (offset) => {
        if (handling.isVoid) return;
        for (const task of tasks) if (task.taken.record.offset <= offset) passed(task);
      },
    };
  }
}

export function passed({ window, entry }: Task): void {
  if (!entry.isProcessed) window.processed(entry);
}

function notAwaited(): Error {
  return new Error("the handler is not waited for any more: its partition was reassigned, or the run is over");
}
