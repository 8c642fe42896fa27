import type { AssignedPartition, Place } from "../fetch/assigned-partition.ts";
import type { Turn } from "./lanes.ts";
import type { TakenRecord } from "./record-taker.ts";
import type { BatchContext, HandlingContext } from "./run-options.ts";
import type { TakenEntry, TakenWindow } from "./taken-window.ts";

/** A record that was taken, on its way through the handlers, and its entry in the window of its partition. */
export class Task implements TakenEntry {
  readonly taken: TakenRecord;
  readonly window: TakenWindow;
  readonly bytes: number;
  isProcessed = false;
  /** How often it was handled, and failed. */
  failures = 0;

  constructor(taken: TakenRecord, window: TakenWindow, bytes: number) {
    this.taken = taken;
    this.window = window;
    this.bytes = bytes;
  }

  get before(): Place {
    return this.taken.before;
  }

  get offset(): number {
    return this.taken.record.offset;
  }

  processed(): void {
    if (!this.isProcessed) this.window.processed(this);
  }
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
  /** Made when it is asked for: most handlers never do. */
  #controller: AbortController | null = null;

  constructor(turn: Turn<Task>, sinceMs: number) {
    this.turn = turn;
    this.partition = (turn.tasks[0] as Task).taken.partition;
    this.sinceMs = sinceMs;
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
}

/** What the handler of a record is told beside it. */
export class RecordContext implements HandlingContext {
  readonly attempt: number;
  readonly #handling: Handling;

  constructor(handling: Handling, tasks: readonly Task[]) {
    this.#handling = handling;
    this.attempt = (tasks[0] as Task).failures + 1;
  }

  get signal(): AbortSignal {
    return this.#handling.signal;
  }
}

/** What the handler of a batch is told. */
export class BatchHandlingContext extends RecordContext implements BatchContext {
  /** A function of its own, for it is taken out of the context. */
  readonly processed: (offset: number) => void;

  constructor(handling: Handling, tasks: readonly Task[]) {
    super(handling, tasks);
    this.processed = (offset) => {
      if (handling.isVoid) return;
      for (const task of tasks) if (task.offset <= offset) task.processed();
    };
  }
}

function notAwaited(): Error {
  return new Error("the handler is not waited for any more: its partition was reassigned, or the run is over");
}
