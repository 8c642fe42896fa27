import { forgetDamage, noteDamage } from "../files/folder-notes.ts";
import type { LogHealth } from "../files/log-health.ts";
import { type LogDamage, LogOffline } from "../log-contract.ts";
import type { SegmentIo } from "../segment/read-caches.ts";

/** Places reported to the operator, of one log; further ones are only counted as damaged. */
const toldMax = 100;

/** What is known to be damaged in one log. */
export class KnownDamage {
  readonly #io: Pick<SegmentIo, "files" | "logger">;
  #health: LogHealth;
  #folder: string;
  readonly #listeners = new Set<(damage: LogDamage) => void>();
  readonly #told = new Set<string>();
  #first: LogDamage | null;
  /** The note in the folder, being written. */
  #noting: Promise<void> = Promise.resolve();

  constructor(io: Pick<SegmentIo, "files" | "logger">, health: LogHealth, folder: string, found: LogDamage | null) {
    this.#io = io;
    this.#health = health;
    this.#folder = folder;
    this.#first = found;
  }

  get first(): LogDamage | null {
    return this.#first;
  }

  onDamaged(listener: (damage: LogDamage) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Reported once for each place; the first is noted in the folder, for later starts. */
  add(damage: LogDamage): void {
    const place = `${damage.path}:${damage.position}`;
    if (!this.#told.has(place) && this.#told.size < toldMax) {
      this.#told.add(place);
      this.#io.logger.error(
        { ...damage },
        "a record batch on the disk is damaged and is not served. Where another replica is in sync, this one is copied from it again; look at the disk. " +
          "Where there is none, everything else stays readable: restore the file from a copy, or have consumers skip the batch, or delete the records up to it",
      );
    }
    if (this.#first !== null) return;
    this.#first = damage;
    this.#noting = this.#note(damage);
    for (const listener of [...this.#listeners]) listener(damage);
  }

  /** The log was emptied. */
  async forget(): Promise<void> {
    if (this.#first === null) return;
    await this.settled();
    await forgetDamage(this.#io.files, this.#folder);
    this.#first = null;
    this.#told.clear();
  }

  movedTo(health: LogHealth, folder: string): void {
    this.#health = health;
    this.#folder = folder;
  }

  async settled(): Promise<void> {
    await this.#noting;
  }

  async #note(damage: LogDamage): Promise<void> {
    try {
      await noteDamage(this.#io.files, this.#folder, damage);
    } catch (error) {
      const failure = this.#health.failed(error);
      if (!(failure instanceof LogOffline)) throw failure;
    }
  }
}
