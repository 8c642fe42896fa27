import { TestCluster, type TestClusterOptions } from "./cluster.ts";
import { freePorts } from "./free-ports.ts";
import { parseScrape } from "./metrics-text.ts";

/** Brokers 1, 2, 3, each in a rack of its own (`r1`, `r2`, `r3`), which send consumers to theirs. */
export class RackedCluster {
  readonly cluster: TestCluster;
  readonly #metricsPorts: readonly number[];

  private constructor(cluster: TestCluster, metricsPorts: readonly number[]) {
    this.cluster = cluster;
    this.#metricsPorts = metricsPorts;
  }

  static async start(settings: TestClusterOptions["settings"] = {}): Promise<RackedCluster> {
    const ports = await freePorts(3);
    const of = (id: number) => ({ "broker.rack": `r${id}`, "metrics.listener": `http://127.0.0.1:${ports[id - 1]}` });
    const cluster = await TestCluster.start({
      settings: {
        "replica.selector.class": "org.apache.kafka.common.replica.RackAwareReplicaSelector",
        "auto.leader.rebalance.enable": false,
        ...settings,
      },
      settingsOf: { 1: of(1), 2: of(2), 3: of(3) },
    });
    return new RackedCluster(cluster, ports);
  }

  /** Bytes of a topic that a broker has sent to clients. */
  async sentBy(broker: number, topic: string): Promise<number> {
    const answer = await fetch(`http://127.0.0.1:${this.#metricsPorts[broker - 1]}/metrics`);
    const { samples } = parseScrape(await answer.text(), "prometheus");
    return samples.find(({ name, labels }) => name === "ottla_topic_sent_bytes_total" && labels.topic === topic)?.value ?? 0;
  }
}
