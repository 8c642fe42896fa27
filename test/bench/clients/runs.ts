import { setTimeout as sleep } from "node:timers/promises";
import { sampleValues } from "../../../cli/bench/sample-values.ts";
import type { BenchClient } from "./client.ts";
import type { ClientConsumeOrder, ClientName, ClientProduceOrder, ClientReport, Measured } from "./orders.ts";
import { fingerprint, ValueTally } from "./tally.ts";

/** Only what is measured is loaded. */
async function clientNamed(name: ClientName): Promise<BenchClient> {
  switch (name) {
    case "ottla":
      return (await import("./ottla-bench-client.ts")).ottlaBenchClient;
    case "platformatic":
      return (await import("./platformatic-bench-client.ts")).platformaticBenchClient;
    case "kafkajs":
      return (await import("./kafkajs-bench-client.ts")).kafkajsBenchClient;
    case "librdkafka":
      return (await import("./native-bench-client.ts")).nativeBenchClient;
  }
}

/** What was used since, when so many records had gone through then. */
function stopwatch(recordsThen: number): (recordsNow: number) => Measured {
  const startedMs = performance.now();
  const before = process.cpuUsage();
  return (recordsNow) => {
    const { user, system } = process.cpuUsage(before);
    return { records: recordsNow - recordsThen, seconds: (performance.now() - startedMs) / 1000, cpuSeconds: (user + system) / 1e6 };
  };
}

export async function produceRun(order: ClientProduceOrder): Promise<ClientReport> {
  const { client, recordBytes, recordsPerCall, callsUnderWay, discardedSeconds, measuredSeconds } = order;
  const values = sampleValues(recordBytes);
  const calls = values.map((_, from) => Array.from({ length: recordsPerCall }, (_, i) => values[(from + i) % values.length] as Buffer));
  const sums = calls.map((call) => call.reduce((sum, value) => sum + fingerprint(value), 0));
  const producer = await (await clientNamed(client)).producer(order);
  const state = { isEnding: false, records: 0, sum: 0 };
  const caller = async (first: number) => {
    for (let i = first; !state.isEnding; i++) {
      const at = i % calls.length;
      await producer.send(calls[at] as Buffer[]);
      state.records += recordsPerCall;
      state.sum += sums[at] as number;
    }
  };
  const callers = Promise.all(Array.from({ length: callsUnderWay }, (_, i) => caller(i)));
  await Promise.race([callers, sleep(discardedSeconds * 1000)]);
  const since = stopwatch(state.records);
  await Promise.race([callers, sleep(measuredSeconds * 1000)]);
  const measured = since(state.records);
  state.isEnding = true;
  await callers;
  await producer.close();
  return { ...measured, total: { records: state.records, sum: state.sum } };
}

export async function consumeRun(order: ClientConsumeOrder): Promise<ClientReport> {
  const { client, recordBytes, records, discardedRecords } = order;
  const tally = new ValueTally(recordBytes);
  let since = stopwatch(0);
  let measured: Measured | null = null;
  await (await clientNamed(client)).consume(order, (value) => {
    tally.add(value);
    if (tally.records === discardedRecords) since = stopwatch(discardedRecords);
    if (tally.records < records) return false;
    measured ??= since(records);
    return true;
  });
  if (measured === null) throw new Error(`only ${tally.records} of ${records} records came`);
  return { ...(measured as Measured), total: tally.tally };
}
