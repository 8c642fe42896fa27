import { sampleValues } from "../../../cli/bench/sample-values.ts";
import { Consumer, Producer } from "../../../client/index.ts";
import { nativeModule } from "../clients/native-module.ts";
import { type ClientName, type ClientReport, clientNames, type Tally } from "../clients/orders.ts";
import { ValueTally } from "../clients/tally.ts";
import type { Figure, Outcome } from "../outcome.ts";
import type { Scenario, Stage } from "../scenario.ts";
import { withTopic } from "./topics.ts";

const shape = { partitions: 6, copies: 3 };
const sizes = { "100B": 100, "1KiB": 1024 } as const;

/** How a client is called: records in a call, calls that are not answered yet. */
const sending = {
  "produce-one": { recordsPerCall: 1, callsUnderWay: 1, what: "one record after the other, each awaited", extent: "full" },
  "produce-single": { recordsPerCall: 1, callsUnderWay: 1000, what: "a call for each record, 1,000 calls under way", extent: "standard" },
  "produce-batch": { recordsPerCall: 100, callsUnderWay: 16, what: "100 records in a call, 16 calls under way", extent: "standard" },
} as const;
const reading = {
  consume: { by: "record", what: "record by record", extent: "standard" },
  "consume-batch": { by: "batch", what: "batch by batch, where the client has that", extent: "full" },
} as const;

/** Our client against others in Node, each in a process of its own, by turns, on the same brokers. */
export const clientComparison: readonly Scenario[] = Object.entries(sizes).flatMap(([size, recordBytes]) => [
  ...Object.entries(sending).map(([name, call]) => scenario(`${name}/${size}`, call, (stage) => sendingOf(stage, recordBytes, call))),
  ...Object.entries(reading).map(([name, way]) => scenario(`${name}/${size}`, way, (stage) => readingOf(stage, recordBytes, way.by))),
]);

function scenario(name: string, { what, extent }: Pick<Scenario, "what" | "extent">, run: Scenario["run"]): Scenario {
  const title = `Node clients: values of ${name.endsWith("/100B") ? "100 B" : "1 KiB"}, 3 copies, acks=all, ${what}`;
  return { name: `client/${name}`, what: title, cluster: { brokers: 3 }, speaks: ["kafka"], extent, run };
}

type Run = (client: ClientName, nativeModule: string | null) => Promise<ClientReport>;

/** Each client in turn; rounds are the suite's. */
async function compared(run: Run): Promise<Outcome> {
  const native = await nativeModule();
  const notes = native.missing === null ? [] : [`left out: librdkafka ${native.missing}`];
  const reports = new Map<ClientName, ClientReport>();
  for (const client of clientNames) {
    if (client === "librdkafka" && native.program === null) continue;
    try {
      reports.set(client, await run(client, native.program));
    } catch (error) {
      // what another client does wrong (a record handed out twice after a rebalance) must not cost the figures of the others
      if (client === "ottla") throw error;
      notes.push(`left out: ${(error as Error).message.split("\n")[0]}`);
    }
  }
  return { figures: figuresOf(reports), notes };
}

function figuresOf(reports: ReadonlyMap<ClientName, ClientReport>): Figure[] {
  const rate = ({ records, seconds }: ClientReport) => records / seconds;
  const cost = ({ records, cpuSeconds }: ClientReport) => (cpuSeconds / records) * 1e6;
  const ours = reports.get("ottla");
  const others = [...reports].filter(([client]) => client !== "ottla").map(([, report]) => report);
  const each = [...reports].flatMap(([client, report]): Figure[] => [
    { name: client, unit: "records/s", value: rate(report), better: "higher" },
    { name: `${client}'s processor time`, unit: "µs per record", value: cost(report), better: "lower" },
  ]);
  if (ours === undefined || others.length === 0) return each;
  const ahead = rate(ours) / Math.max(...others.map(rate));
  const cheaper = Math.min(...others.map(cost)) / cost(ours);
  return [
    ...each,
    { name: "ours against the fastest other", unit: "times its rate", value: ahead, better: "higher" },
    { name: "the thriftiest other against ours", unit: "times our processor time", value: cheaper, better: "higher" },
  ];
}

function sendingOf(stage: Stage, recordBytes: number, call: { readonly recordsPerCall: number; readonly callsUnderWay: number }) {
  const { recordsPerCall, callsUnderWay } = call;
  const bootstrap = stage.cluster.bootstrap;
  const pace = { discardedSeconds: Math.min(stage.pace.discardedSeconds, 5), measuredSeconds: stage.pace.measuredSeconds };
  return compared((client, native) =>
    withTopic(stage, shape, async (topic) => {
      const order = { kind: "produce", client, nativeModule: native, bootstrap, topic, recordBytes, ...pace } as const;
      const report = await stage.loads.client({ ...order, recordsPerCall, callsUnderWay });
      mustBeSame(client, report.total, await tallyOf(bootstrap, topic, recordBytes));
      return report;
    }),
  );
}

function readingOf(stage: Stage, recordBytes: number, by: "record" | "batch"): Promise<Outcome> {
  const bootstrap = stage.cluster.bootstrap;
  const records = stage.pace.isQuick ? 200_000 : recordBytes < 1000 ? 3_000_000 : 800_000;
  return withTopic(stage, shape, async (topic) => {
    await fill(bootstrap, topic, recordBytes, records);
    const written = await tallyOf(bootstrap, topic, recordBytes);
    return compared(async (client, native) => {
      const order = { kind: "consume", client, nativeModule: native, bootstrap, topic, recordBytes, by } as const;
      const report = await stage.loads.client({ ...order, records, discardedRecords: Math.floor(records / 3) });
      mustBeSame(client, report.total, written);
      return report;
    });
  });
}

async function fill(bootstrap: readonly string[], topic: string, recordBytes: number, records: number): Promise<void> {
  const recordsPerCall = 1000;
  await using producer = new Producer({ bootstrap, lingerMs: 5 });
  const values = sampleValues(recordBytes);
  const call = Array.from({ length: recordsPerCall }, (_, i) => ({ topic, value: values[i % values.length] as Buffer }));
  const more = async (calls: number) => {
    for (let i = 0; i < calls; i++) await producer.sendMany(call);
  };
  const callers = 10;
  await Promise.all(Array.from({ length: callers }, () => more(Math.ceil(records / recordsPerCall / callers))));
}

/** What is in the topic. */
async function tallyOf(bootstrap: readonly string[], topic: string, recordBytes: number): Promise<Tally> {
  const tally = new ValueTally(recordBytes);
  await using consumer = new Consumer({ bootstrap, stopAtEnd: true });
  await consumer.assign([{ topic, from: "beginning" }]);
  for await (const { records } of consumer.batches()) for (const { value } of records) tally.add(value as Buffer);
  return tally.tally;
}

function mustBeSame(client: string, said: Tally, written: Tally): void {
  if (said.records === written.records && said.sum === written.sum) return;
  throw new Error(`${client}: ${said.records} records (sum ${said.sum}), the topic has ${written.records} (sum ${written.sum})`);
}
