import type { Suspects } from "../../../broker/cluster/suspicion.ts";

/** Suspects whom the test says. */
export class ScriptedWatch {
  readonly #listeners = new Set<() => void>();
  suspects: Suspects = new Map();
  readonly stallInDoubt = null;

  /** How many want to know. */
  get listening(): number {
    return this.#listeners.size;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  suspect(suspects: Suspects): void {
    this.suspects = suspects;
    for (const listener of [...this.#listeners]) listener();
  }
}
