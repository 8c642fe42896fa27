import type { CompressionCodec } from "../../../client/index.ts";
import type { LatencyReport } from "./latencies.ts";

interface OwnOrder {
  readonly bootstrap: readonly string[];
  readonly topic: string;
  readonly recordBytes: number;
  readonly acks: -1 | 0 | 1;
  readonly codec: CompressionCodec;
  readonly lingerMs: number;
  /** Before the measured ones. */
  readonly discardedSeconds: number;
  readonly measuredSeconds: number;
}

/** Records at a constant rate, whatever becomes of those before them. */
export interface PacedOrder extends OwnOrder {
  readonly kind: "paced";
  /** Records per second. */
  readonly rate: number;
  /** Read them too, as they come. */
  readonly consumes: boolean;
}

/** As many records as are taken. */
export interface FullOrder extends OwnOrder {
  readonly kind: "full";
  readonly producers: number;
}

/** Transactions one after the other, by one producer. */
export interface TransactionsOrder extends Omit<OwnOrder, "acks" | "codec" | "lingerMs"> {
  readonly kind: "transactions";
  /** They go over these in turn. */
  readonly partitions: number;
  readonly recordsEach: number;
  /** One in so many is aborted; 0: none. */
  readonly abortedEach: number;
}

/** A topic from its beginning to its end. */
export interface ReadOrder {
  readonly kind: "read";
  readonly bootstrap: readonly string[];
  readonly topic: string;
  readonly isolation: "read_committed" | "read_uncommitted";
}

export interface TransactionsReport {
  readonly committed: number;
  readonly failed: number;
  readonly perSecond: number;
  /** From the beginning of a transaction to the answer of its end. */
  readonly latency: LatencyReport;
}

export interface ReadReport {
  readonly records: number;
  readonly recordsPerSecond: number;
}

export interface PacedReport {
  readonly recordsPerSecond: number;
  readonly acknowledged: number;
  readonly failed: number;
  /** Sent more than once. */
  readonly repeated: number;
  /** Due, and not even sent when time was up: the rate was more than could be taken. */
  readonly behind: number;
  /** From the time at which a record was due to its acknowledgement. */
  readonly produce: LatencyReport;
  /** From then to its being read. */
  readonly endToEnd: LatencyReport | null;
  /** The longest time without an acknowledgement. */
  readonly longestSilenceMs: number;
}

export interface FullReport {
  readonly records: number;
  readonly seconds: number;
  readonly recordsPerSecond: number;
  readonly failed: number;
}

/** What the program says, a line of JSON each. */
export type OwnEvent =
  | { readonly event: "measuring" }
  | { readonly event: "measured" }
  | { readonly event: "paced"; readonly report: PacedReport }
  | { readonly event: "full"; readonly report: FullReport }
  | { readonly event: "transactions"; readonly report: TransactionsReport }
  | { readonly event: "read"; readonly report: ReadReport };
