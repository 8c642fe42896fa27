import type { Admin, BrokerMetadata } from "../../client/index.ts";
import type { Clock } from "../../protocol/base/clock.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import { type Address, formatAddress } from "../../protocol/base/transport.ts";
import { explain } from "../output/command-failed.ts";
import { type BrokerSample, brokerSample } from "./broker-sample.ts";
import { type MetricsAddress, metricsAddress } from "./metrics-address.ts";
import { type Scraped, scrape } from "./scrape.ts";

export interface MetricsRead {
  readonly sample: BrokerSample;
  readonly scraped: Omit<Scraped, "text">;
  readonly bytes: number;
  /** When the answer was there, monotonic. */
  readonly atMs: number;
  readonly why: null;
}

/** What a broker's `/metrics` say, or why they are not known. */
export type MetricsAnswer = MetricsRead | { readonly sample: null; readonly why: string };

export interface MetricsSources {
  readonly clock: Clock;
  /** What `--metrics` names; none: where the brokers' settings say. */
  readonly named: readonly Address[];
  readonly timeoutMs: number;
  readonly stop: AbortSignal;
}

/** As much as a broker tells at most. */
const bytesMax = 40 * 1024 * 1024;

/** Each broker's `metrics.listener` as an address, asked of the broker itself. One that does not answer holds up no other. */
export async function metricsAddresses(
  admin: Pick<Admin, "describeConfigs">,
  brokers: readonly BrokerMetadata[],
): Promise<ReadonlyMap<BrokerId, MetricsAddress>> {
  const found = brokers.map(async ({ id, host }): Promise<readonly [BrokerId, MetricsAddress]> => {
    try {
      const [described] = await admin.describeConfigs([{ broker: id }], { names: ["metrics.listener"] });
      if (described === undefined || described.error !== null) throw described?.error ?? new Error("no answer");
      const entry = described.configs.find(({ name }) => name === "metrics.listener");
      return [id, metricsAddress(entry === undefined ? null : (entry.value ?? ""), host)];
    } catch (error) {
      return [id, { address: null, why: `its settings cannot be read (${explain(error)})` }];
    }
  });
  return new Map(await Promise.all(found));
}

/** Of all brokers at once. */
export async function readMetrics(
  { clusterId, brokers }: { readonly clusterId: string | null; readonly brokers: readonly BrokerMetadata[] },
  addresses: ReadonlyMap<BrokerId, MetricsAddress>,
  sources: MetricsSources,
): Promise<ReadonlyMap<BrokerId, MetricsAnswer>> {
  if (sources.named.length > 0) return readNamed(clusterId, brokers, sources);
  const answers = brokers.map(async ({ id }): Promise<readonly [BrokerId, MetricsAnswer]> => {
    const found = addresses.get(id) ?? { address: null, why: "where they are is not known" };
    if (found.address === null) return [id, { sample: null, why: found.why }];
    const { address } = found;
    const answer = await readOne(address, sources);
    return [id, answer.sample === null ? answer : checked(answer, { id, clusterId, address })];
  });
  return new Map(await Promise.all(answers));
}

async function readNamed(
  clusterId: string | null,
  brokers: readonly BrokerMetadata[],
  sources: MetricsSources,
): Promise<ReadonlyMap<BrokerId, MetricsAnswer>> {
  const answers = await Promise.all(sources.named.map((address) => readOne(address, sources)));
  const failures = answers.flatMap(({ why }) => (why === null ? [] : [why]));
  const none: MetricsAnswer = { sample: null, why: `of what --metrics names nothing is its (${failures[0] ?? "others answered"})` };
  return new Map(
    brokers.map(({ id }) => {
      const own = answers.find(({ sample }) => sample?.brokerId === id && isOf(sample, clusterId));
      return [id, own ?? none];
    }),
  );
}

async function readOne(address: Address, { clock, timeoutMs, stop }: MetricsSources): Promise<MetricsAnswer> {
  try {
    const { text, ...scraped } = await scrape(address, { clock, timeoutMs, bytesMax }, stop);
    return { sample: brokerSample(text), scraped, bytes: text.length, atMs: clock.monotonicMs(), why: null };
  } catch (error) {
    return { sample: null, why: `${formatAddress(address)} ${explain(error)}` };
  }
}

/** A port may be another program's, or another broker's: 127.0.0.1 is a different machine for each. */
function checked(
  answer: MetricsRead,
  { id, clusterId, address }: { readonly id: BrokerId; readonly clusterId: string | null; readonly address: Address },
): MetricsAnswer {
  const { sample } = answer;
  if (sample.brokerId === id && isOf(sample, clusterId)) return answer;
  const who = sample.brokerId === null ? "something else" : `broker ${sample.brokerId} of cluster ${sample.clusterId ?? "-"}`;
  return { sample: null, why: `at ${formatAddress(address)}, where its metrics.listener is, ${who} answers` };
}

function isOf({ clusterId }: BrokerSample, wanted: string | null): boolean {
  return wanted === null || clusterId === null || clusterId === "" || clusterId === wanted;
}
