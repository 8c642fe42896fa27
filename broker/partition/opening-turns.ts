import type { Clock } from "../../protocol/base/clock.ts";

/** Logs opened at a time. */
const atOnceMax = 16;
/** More logs may be opened beside those that hang, as long as there are no more of these: each holds a file, and some memory. */
const hungMax = 256;

interface Turn {
  hasPlace: boolean;
}

/**
 * When logs are opened: so many at a time. One that takes longer than a disk may is not counted any more, so that the logs of a disk that
 * hangs do not keep those of the others from being opened.
 */
export class OpeningTurns {
  readonly #clock: Clock;
  readonly #stallTimeoutMs: number;
  /** By name, in the order in which they came. */
  readonly #waiting = new Map<string, (isWanted: boolean) => void>();
  /** They hang, and keep their places: too many others do. */
  readonly #overdue = new Set<Turn>();
  #places = 0;
  #hung = 0;

  constructor(clock: Clock, stallTimeoutMs: number) {
    this.#clock = clock;
    this.#stallTimeoutMs = stallTimeoutMs;
  }

  /** Resolves when `open` has ended, or was given up before it began. One at a time has a name. */
  async run(name: string, open: () => Promise<void>): Promise<void> {
    if (this.#places < atOnceMax) this.#places++;
    else if (!(await new Promise<boolean>((resolve) => this.#waiting.set(name, resolve)))) return;
    const turn: Turn = { hasPlace: true };
    const timer = this.#clock.schedule(this.#stallTimeoutMs, () => {
      this.#overdue.add(turn);
      this.#goOn();
    });
    try {
      await open();
    } finally {
      timer.cancel();
      this.#overdue.delete(turn);
      if (turn.hasPlace) this.#places--;
      else this.#hung--;
      this.#goOn();
    }
  }

  /** True: it has not begun, and does not any more. */
  giveUp(name: string): boolean {
    const begin = this.#waiting.get(name);
    this.#waiting.delete(name);
    begin?.(false);
    return begin !== undefined;
  }

  #goOn(): void {
    for (const turn of this.#overdue) {
      if (this.#hung >= hungMax) break;
      this.#overdue.delete(turn);
      turn.hasPlace = false;
      this.#places--;
      this.#hung++;
    }
    for (const [name, begin] of this.#waiting) {
      if (this.#places >= atOnceMax) break;
      this.#waiting.delete(name);
      this.#places++;
      begin(true);
    }
  }
}
