import { setTimeout as sleep } from "node:timers/promises";
import { sampleValues } from "../../../cli/bench/sample-values.ts";
import { Producer } from "../../../client/index.ts";
import type { FullOrder, FullReport } from "./own-orders.ts";

/** In flight, of all producers together; and at least so many records of each. */
const underWayBytes = 4 * 1024 * 1024;
const underWayMin = 10;

/** Producers of our own in one process, each of which always has records under way. */
export async function fullLoad(order: FullOrder, said: (event: "measuring" | "measured") => void): Promise<FullReport> {
  const { bootstrap, topic, acks, codec, lingerMs, producers: count, discardedSeconds, measuredSeconds, recordBytes } = order;
  const values = sampleValues(recordBytes);
  const producers = Array.from({ length: count }, () => new Producer({ bootstrap, acks, compression: codec, lingerMs }));
  const underWay = Math.max(underWayMin, Math.floor(underWayBytes / recordBytes / count));
  const state = { isEnding: false, acknowledged: 0, failed: 0 };
  const send = async (producer: Producer, from: number) => {
    for (let i = from; !state.isEnding; i++) {
      await producer.send({ topic, value: values[i % values.length] as Buffer }).then(
        () => state.acknowledged++,
        () => state.failed++,
      );
    }
  };
  await Promise.all(producers.map((producer) => producer.partitionsOf(topic)));
  const loops = producers.flatMap((producer) => Array.from({ length: underWay }, (_, i) => send(producer, i)));
  await sleep(discardedSeconds * 1000);
  said("measuring");
  const [before, startedMs] = [state.acknowledged, performance.now()];
  await sleep(measuredSeconds * 1000);
  const [records, seconds] = [state.acknowledged - before, (performance.now() - startedMs) / 1000];
  said("measured");
  state.isEnding = true;
  await Promise.all(loops);
  await Promise.all(producers.map((producer) => producer.close()));
  return { records, seconds, recordsPerSecond: records / seconds, failed: state.failed };
}
