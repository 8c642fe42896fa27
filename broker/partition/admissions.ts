import { type Clock, sleep } from "../../protocol/base/clock.ts";
import type { Admission, Turn, WorkAside } from "../../protocol/records/admit-batch.ts";
import type { TopicSettings } from "../runtime/topic-settings.ts";
import { type BatchOrigin, type ProducedBatchRules, producedBatch, producedBatchAside } from "./produced-batch.ts";
import { WaitingRecords } from "./waiting-records.ts";

/**
 * What all batches together may make by unpacking in one turn of the loop: some ten milliseconds. Much more than ordinary batches come to.
 */
const unpackedBytesPerTurn = 16 * 1024 * 1024;

export interface AdmissionsParts {
  readonly clock: Clock;
  readonly codecs: Omit<WorkAside, "pause">;
  readonly plainBytesMax: number;
}

/**
 * How a broker looks at what producers send. Nearly all of it in the turn in which it is appended; but a batch of a few kilobytes can stand
 * for 64 MiB of records, and whoever shares the loop would wait for all of it. Such a batch is unpacked by other threads and its records
 * are passed over in steps, one batch of the whole broker at a time: so are its memory and the share of the loop that it takes bounded.
 */
export class Admissions {
  /** Those that are looked at aside, and those that come behind such a one in their partition. */
  readonly waiting = new WaitingRecords();
  readonly #parts: AdmissionsParts;
  readonly #turn: Turn = { unpackedBytesLeft: unpackedBytesPerTurn };
  #isTurnNoted = false;
  /** Settled once the batches before are done with. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: AdmissionsParts) {
    this.#parts = parts;
  }

  /** Null: not in this turn. */
  now(records: Buffer, origin: BatchOrigin, settings: TopicSettings): Admission | null {
    const admission = producedBatch(records, origin, this.#rules(settings), this.#turn);
    if (this.#turn.unpackedBytesLeft < unpackedBytesPerTurn) this.#noteTurn();
    return admission;
  }

  /** In the order of the calls. `refusal`: why the batch is no longer wanted, asked when its turn comes; it is not unpacked then. */
  aside<R>(records: Buffer, settings: TopicSettings, refusal: () => R | null): Promise<Admission | R> {
    const { clock, codecs } = this.#parts;
    const before = this.#last;
    const work = { ...codecs, pause: () => sleep(clock, 0) };
    const looked = (async () => {
      await before;
      return refusal() ?? producedBatchAside(records, this.#rules(settings), work);
    })();
    this.#last = looked.catch(() => undefined);
    return looked;
  }

  #rules(settings: TopicSettings): ProducedBatchRules {
    const { clock, plainBytesMax } = this.#parts;
    return { settings, plainBytesMax, nowMs: clock.nowMs() };
  }

  #noteTurn(): void {
    if (this.#isTurnNoted) return;
    this.#isTurnNoted = true;
    this.#parts.clock.schedule(0, () => {
      this.#isTurnNoted = false;
      this.#turn.unpackedBytesLeft = unpackedBytesPerTurn;
    });
  }
}
