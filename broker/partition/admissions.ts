import { type Clock, sleep } from "../../protocol/base/clock.ts";
import { invariant } from "../../protocol/base/invariant.ts";
import {
  type Admission,
  type AdmissionRules,
  admitAside,
  admitBatch,
  type Turn,
  type WorkAside,
} from "../../protocol/records/admit-batch.ts";
import type { CompressionCodec, ParsedBatch } from "../../protocol/records/batch-header.ts";
import { validateProducedBatches } from "../../protocol/records/validate-batches.ts";
import type { TopicSettings } from "../runtime/config/topic-settings.ts";

/**
 * Who made the batch: a producer, whose records are validated one by one, or a part of this broker, whose records are known to be sound.
 */
export type BatchOrigin = "client" | "broker";

/**
 * What all batches together may decompress to in one turn of the loop: some ten milliseconds of work. Much more than ordinary batches come
 * to.
 */
const unpackedBytesPerTurn = 16 * 1024 * 1024;

export interface AdmissionsParts {
  readonly clock: Clock;
  readonly codecs: Omit<WorkAside, "pause">;
  /** See `ottla.batch.unpacked.max.bytes`. */
  readonly plainBytesMax: number;
}

/**
 * How a broker validates what producers send. Nearly all of it is validated in the turn in which it is appended; but a batch of a few
 * kilobytes can decompress to 64 MiB of records, and everything else in the loop would wait for all of it. Such a batch is decompressed by
 * other threads and its records are validated in steps, one batch of the whole broker at a time. This bounds its memory and its share of
 * the loop.
 */
export class Admissions {
  /** Those that are validated aside, and those queued behind such a batch in their partition. */
  readonly waiting = new WaitingRecords();
  readonly #parts: AdmissionsParts;
  readonly #turn: Turn = { unpackedBytesLeft: unpackedBytesPerTurn };
  #isTurnNoted = false;
  /** Settled once the batches before are done with. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: AdmissionsParts) {
    this.#parts = parts;
  }

  /**
   * What the leader appends of a batch: the same bytes, or, where the topic keeps another codec, new ones. Nothing is waited for: the order
   * of calls is the order in the log. Null: validating it would take longer than a turn should; that is for `aside`.
   */
  now(batch: ParsedBatch, origin: BatchOrigin, settings: TopicSettings): Admission | null {
    if (origin === "broker") return { error: null, batch };
    const admission = admitBatch(batch, this.#rules(settings), this.#turn);
    if (this.#turn.unpackedBytesLeft < unpackedBytesPerTurn) this.#noteTurn();
    return admission;
  }

  /**
   * The same for a client's batch that takes longer, as `now` said. In the order of the calls; the caller keeps its place in the log.
   * `refusal`: why the batch is no longer wanted, asked when its turn comes; it is not decompressed then.
   */
  aside<R>(batch: ParsedBatch, settings: TopicSettings, refusal: () => R | null): Promise<Admission | R> {
    const { clock, codecs } = this.#parts;
    const before = this.#last;
    const work = { ...codecs, pause: () => sleep(clock, 0) };
    const looked = (async () => {
      await before;
      return refusal() ?? admitAside(batch, this.#rules(settings), work);
    })();
    this.#last = looked.catch(() => undefined);
    return looked;
  }

  #rules(settings: TopicSettings): AdmissionRules {
    const { clock, plainBytesMax } = this.#parts;
    const { messageTimestampBeforeMaxMs, messageTimestampAfterMaxMs } = settings;
    const nowMs = clock.nowMs();
    const codec = settings.compressionType === "uncompressed" ? "none" : settings.compressionType;
    return {
      keysRequired: settings.cleanupPolicy !== "delete",
      timestamps:
        settings.messageTimestampType === "LogAppendTime"
          ? null
          : { earliestMs: nowMs - messageTimestampBeforeMaxMs, latestMs: nowMs + messageTimestampAfterMaxMs },
      codec,
      level: levelOf(codec, settings),
      batchBytesMax: settings.maxMessageBytes,
      plainBytesMax,
    };
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

/**
 * A produced batch, its header and CRC checked. The only place where the header is read: from here to the log it is passed along with the
 * bytes.
 */
export function parseProduced(
  bytes: Buffer,
  settings: TopicSettings,
  origin: BatchOrigin = "client",
): { readonly error: null; readonly batch: ParsedBatch } | Refused {
  const validated = validateProducedBatches(bytes, {
    exactlyOneBatch: true,
    batchBytesMax: settings.maxMessageBytes,
    zstdAllowed: true, // that the version of the request allows it was checked where the version is known
    mayLackSequence: origin === "broker",
  });
  if (validated.error !== null) return { error: validated.error, message: validated.message ?? "", recordErrors: [] };
  const [header] = validated.batches;
  invariant(header !== undefined, "what was found sound has a batch");
  return { error: null, batch: { bytes, header } };
}

type Refused = Exclude<Admission, { readonly error: null }>;

/** The library for lz4 has no levels, snappy has none at all. */
function levelOf(codec: CompressionCodec | "producer", settings: TopicSettings): number | undefined {
  if (codec === "gzip") return settings.compressionGzipLevel;
  return codec === "zstd" ? settings.compressionZstdLevel : undefined;
}

/**
 * Of the whole broker. A request's bytes count against other bounds only while its connection is open: these keep waiting after it has
 * closed.
 */
const waitingBytesMax = 64 * 1024 * 1024;
const waitingBatchesMax = 10_000;

/** Counts the memory of batches that wait for validation: that of the whole request, of which a batch may be a small part. */
class WaitingRecords {
  /** How many batches keep each. */
  readonly #kept = new Map<ArrayBufferLike, number>();
  #batches = 0;
  #bytes = 0;

  /** Returns a function that releases them, to be called once; null: no more may wait. The first one may, whatever its size. */
  keep({ buffer }: Buffer): (() => void) | null {
    const keptBy = this.#kept.get(buffer) ?? 0;
    const bytes = keptBy === 0 ? buffer.byteLength : 0;
    if (this.#batches >= waitingBatchesMax || (this.#batches > 0 && this.#bytes + bytes > waitingBytesMax)) return null;
    this.#kept.set(buffer, keptBy + 1);
    this.#batches++;
    this.#bytes += bytes;
    return () => this.#letGo(buffer);
  }

  #letGo(buffer: ArrayBufferLike): void {
    const keptBy = this.#kept.get(buffer) ?? 0;
    this.#batches--;
    if (keptBy > 1) return void this.#kept.set(buffer, keptBy - 1);
    this.#kept.delete(buffer);
    this.#bytes -= buffer.byteLength;
  }
}
