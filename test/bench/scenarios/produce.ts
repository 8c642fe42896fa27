import type { CompressionCodec } from "../../../client/index.ts";
import { type FullSpeedOrder, fullSpeed, windowsOf } from "../load/full-speed.ts";
import type { Outcome } from "../outcome.ts";
import { MeteredLoad } from "../processes/metered-load.ts";
import type { Scenario, Stage } from "../scenario.ts";
import { type TopicShape, withTopic } from "./topics.ts";

export const sizes = { "100B": 100, "1KiB": 1024, "10KiB": 10 * 1024 } as const;
const codecs: readonly CompressionCodec[] = ["none", "lz4", "zstd"];

interface ProduceCase {
  readonly size: keyof typeof sizes;
  readonly acks: "0" | "1" | "all";
  readonly copies: 1 | 2 | 3;
  readonly codec: CompressionCodec;
  readonly tuning: "tuned" | "default";
}

/** Full speed, in every combination. */
export const produceScenarios: readonly Scenario[] = [...tunedCases(), ...defaultCases()].map(produceScenario);

function tunedCases(): ProduceCase[] {
  const all: ProduceCase[] = [];
  for (const size of Object.keys(sizes) as (keyof typeof sizes)[])
    for (const acks of ["all", "1", "0"] as const)
      for (const copies of [3, 2, 1] as const) for (const codec of codecs) all.push({ size, acks, copies, codec, tuning: "tuned" });
  return all;
}

function defaultCases(): ProduceCase[] {
  const sizesInOrder = Object.keys(sizes) as (keyof typeof sizes)[];
  return sizesInOrder.map((size) => ({ size, acks: "all", copies: 3, codec: "none", tuning: "default" }));
}

function produceScenario(one: ProduceCase): Scenario {
  const { size, acks, copies, codec, tuning } = one;
  const folder = tuning === "tuned" ? "produce" : "produce-default";
  const isFloors = acks === "all" && copies === 3 && codec === "none" && tuning === "tuned";
  return {
    name: `${folder}/${size}/acks-${acks}/${copies}-copies/${codec}`,
    what: `values of ${size} as fast as they are taken, acks=${acks}, ${copies} copies, ${codec === "none" ? "uncompressed" : codec}, a producer ${tuning === "tuned" ? "tuned for throughput" : "as it comes"}`,
    cluster: { brokers: 3 },
    speaks: isFloors ? ["kafka", "floor"] : ["kafka"],
    extent: extentOf(one),
    run: (stage) => produce(stage, { partitions: 6, copies }, { recordBytes: sizes[size], acks, codec, tuning }),
  };
}

/** One thing changed at a time is what is looked at unless more is asked for. */
function extentOf({ size, acks, copies, codec, tuning }: ProduceCase): Scenario["extent"] {
  const changes = [size !== "1KiB", acks !== "all", copies !== 3, codec !== "none", tuning !== "tuned"].filter(Boolean).length;
  return changes === 0 ? "quick" : changes === 1 ? "standard" : "full";
}

/** At full speed to a fresh topic, the brokers metered. */
export async function produce(
  stage: Stage,
  shape: TopicShape,
  order: Pick<FullSpeedOrder, "recordBytes" | "acks" | "codec" | "tuning">,
): Promise<Outcome> {
  const { discarded, measured } = windowsOf(stage.pace);
  const isLast = (windows: readonly unknown[]) => windows.length >= discarded + measured;
  const run = async (topic: string) => {
    const metered = await MeteredLoad.on(stage);
    const { records, figures, notes } = await fullSpeed(
      stage,
      { cluster: stage.cluster, topic, ...order, isLast, discarded },
      metered.moments,
    );
    return { figures: [...figures, ...(await metered.figures(records))], series: metered.series(), notes };
  };
  return stage.cluster.speaks === "floor" ? run("") : withTopic(stage, shape, run);
}
