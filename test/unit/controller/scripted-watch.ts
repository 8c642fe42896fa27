import type { ImageSource } from "../../../broker/cluster/cluster-image.ts";
import type { Suspects } from "../../../broker/cluster/suspicion.ts";

/** Suspects whom the test says. */
export class ScriptedWatch {
  readonly #listeners = new Set<() => void>();
  readonly #images: ImageSource;
  suspects: Suspects = new Map();
  readonly stallInDoubt = null;

  /** As the real one, it watches who is in the image. */
  constructor(images: ImageSource) {
    this.#images = images;
  }

  watchedEpoch(id: number): number | null {
    return this.#images.current.brokers.get(id)?.epoch ?? null;
  }

  lateAtMs(): number {
    return Number.NEGATIVE_INFINITY;
  }

  isCutOffFromUs(): boolean {
    return false;
  }

  doubt(): void {}

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
