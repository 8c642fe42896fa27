/** The clients that are compared, the first with the others. */
export const clientNames = ["ottla", "platformatic", "kafkajs", "librdkafka"] as const;
export type ClientName = (typeof clientNames)[number];

interface ClientOrder {
  readonly client: ClientName;
  /** Where the native client was installed; null: it was not. */
  readonly nativeModule: string | null;
  readonly bootstrap: readonly string[];
  readonly topic: string;
  readonly recordBytes: number;
}

/** Calls of `send` as fast as they are answered. */
export interface ClientProduceOrder extends ClientOrder {
  readonly kind: "produce";
  readonly recordsPerCall: number;
  /** Calls that are not answered yet, always. */
  readonly callsUnderWay: number;
  /** Before the measured ones. */
  readonly discardedSeconds: number;
  readonly measuredSeconds: number;
}

/** All records of a topic, once. */
export interface ClientConsumeOrder extends ClientOrder {
  readonly kind: "consume";
  /** How they are handed out. */
  readonly by: "record" | "batch";
  readonly records: number;
  /** The first ones, which are not measured. */
  readonly discardedRecords: number;
}

/** What the process used, all its threads, for the measured records. */
export interface Measured {
  readonly records: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
}

export interface ClientReport extends Measured {
  /** In all, those before and after the measured ones too. */
  readonly total: Tally;
}

/** Which records went through: equal for equal records, in whatever order. */
export interface Tally {
  readonly records: number;
  readonly sum: number;
}
