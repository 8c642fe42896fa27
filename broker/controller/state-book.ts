import type { ControllerState } from "./controller-state.ts";
import { emptyState } from "./controller-state.ts";
import type { DirtySet } from "./dirty-set.ts";

/** The state in force during a term, and the one place where it is replaced: what changed is told to the brokers in the same step. */
export class StateBook {
  readonly #tell: (dirty: DirtySet) => number;
  #current: ControllerState = emptyState;
  #changeNumber = 0;

  /** `tell` marks what every live broker has to learn and numbers the change. */
  constructor(tell: (dirty: DirtySet) => number) {
    this.#tell = tell;
  }

  get current(): ControllerState {
    return this.#current;
  }

  /** Of the last change. */
  get changeNumber(): number {
    return this.#changeNumber;
  }

  /** `dirty` null: nothing that brokers are told of. */
  commit(next: ControllerState, dirty: DirtySet | null): void {
    this.#current = next;
    if (dirty !== null) this.#changeNumber = this.#tell(dirty);
  }
}
