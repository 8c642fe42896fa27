import type { CompressionCodec } from "../../../client/index.ts";
import type { Figure } from "../outcome.ts";
import type { Pace, Stage } from "../scenario.ts";
import type { RunningSystem } from "../systems/system.ts";
import type { Moments } from "./loads.ts";
import { type ProducerWindow, windowSeconds } from "./performance-lines.ts";

export interface FullSpeedOrder {
  readonly cluster: RunningSystem;
  readonly topic: string;
  readonly recordBytes: number;
  readonly acks: "0" | "1" | "all";
  readonly codec: CompressionCodec;
  readonly tuning: "tuned" | "default";
  readonly isLast: (windows: readonly ProducerWindow[]) => boolean;
  /** Windows of ProducerPerformance. */
  readonly discarded: number;
  /** The same for other loads, which know no windows. The stage's pace by default. */
  readonly seconds?: Pick<Pace, "discardedSeconds" | "measuredSeconds">;
}

export interface FullSpeed {
  readonly records: number;
  readonly figures: readonly Figure[];
  readonly notes: readonly string[];
}

export const batchBytes = 128 * 1024;
/** As many bytes as ProducerPerformance has in requests to one broker. */
const floorFramesUnderWay = 16;

/** Tuned for throughput, by Kafka's names. */
export const tunedProducer = { "linger.ms": 5, "batch.size": batchBytes, "buffer.memory": 64 * 1024 * 1024 };

/** How many windows a pace comes to. */
export function windowsOf({ discardedSeconds, measuredSeconds }: Pace): { readonly discarded: number; readonly measured: number } {
  return { discarded: Math.ceil(discardedSeconds / windowSeconds), measured: Math.max(1, Math.round(measuredSeconds / windowSeconds)) };
}

/**
 * Produces as fast as the cluster takes it, by Kafka's ProducerPerformance; where that cannot be had, by our own client, and the notes say
 * so; to the floor program by its own load.
 */
export async function fullSpeed(stage: Stage, order: FullSpeedOrder, moments: Moments): Promise<FullSpeed> {
  const { loads, pace } = stage;
  const { cluster, topic, recordBytes, acks, codec, tuning, isLast, discarded, seconds = pace } = order;
  if (cluster.speaks === "floor") {
    const port = Number(cluster.bootstrap[0]?.split(":")[1]);
    const ordered = { port, recordBytes, frameBytes: batchBytes, framesUnderWay: floorFramesUnderWay };
    return ownFigures(await loads.floor({ ...ordered, ...seconds }, moments), recordBytes, []);
  }
  const missing = await loads.missingTools();
  if (missing !== null) {
    const ordered = { kind: "full", bootstrap: cluster.bootstrap, topic, recordBytes, codec, lingerMs: 5, producers: 1 } as const;
    const report = await loads.full({ ...ordered, ...seconds, acks: acks === "all" ? -1 : acks === "1" ? 1 : 0 }, moments);
    return ownFigures(report, recordBytes, [`by our own client: Kafka's ProducerPerformance ${missing}`]);
  }
  const settings = { acks, "compression.type": codec, ...(tuning === "tuned" ? tunedProducer : {}) };
  const run = { bootstrap: cluster.bootstrap, topic, recordBytes, settings, isLast, discarded };
  const window = await loads.producerPerformance(run, moments);
  const latency: Figure = { name: "mean latency at full speed", unit: "ms", value: window.averageLatencyMs, better: "lower" };
  return { records: window.records, figures: [...speed(window.recordsPerSecond, recordBytes), latency], notes: [] };
}

function ownFigures(
  { records, recordsPerSecond, failed }: { records: number; recordsPerSecond: number; failed: number },
  recordBytes: number,
  notes: readonly string[],
): FullSpeed {
  return {
    records,
    figures: speed(recordsPerSecond, recordBytes),
    notes: [...notes, ...(failed > 0 ? [`${failed} records failed`] : [])],
  };
}

function speed(recordsPerSecond: number, recordBytes: number): Figure[] {
  return [
    { name: "produced", unit: "records/s", value: recordsPerSecond, better: "higher" },
    { name: "produced bytes", unit: "MB/s", value: (recordsPerSecond * recordBytes) / 1e6, better: "higher" },
  ];
}
