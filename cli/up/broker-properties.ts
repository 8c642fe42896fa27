export interface UpBroker {
  readonly id: number;
  readonly port: number;
  readonly host: string;
  readonly dataDirectory: string;
  /** Of its metrics, on the same host. */
  readonly metricsPort: number;
  readonly zookeeperConnect: string;
  /** How many brokers the cluster has. */
  readonly clusterSize: number;
  /** Null: racks do not matter. */
  readonly rack: string | null;
}

/** Of a topic whose creator did not say how many. */
export function copiesIn(clusterSize: number): number {
  return Math.min(3, clusterSize);
}

/** The server.properties of one of `up`'s brokers. It can be restarted by hand from this file with `ottla broker --config`. */
export function brokerProperties(broker: UpBroker): string {
  const copies = copiesIn(broker.clusterSize);
  const settings: Record<string, string | number> = {
    "broker.id": broker.id,
    listeners: `PLAINTEXT://${broker.host}:${broker.port}`,
    "log.dirs": broker.dataDirectory,
    "metrics.listener": `http://${broker.host}:${broker.metricsPort}`,
    "zookeeper.connect": broker.zookeeperConnect,
    "zookeeper.session.timeout.ms": 4000,
    "num.partitions": 6,
    "default.replication.factor": copies,
    "min.insync.replicas": Math.max(1, copies - 1),
    ...(broker.rack === null
      ? {}
      : { "broker.rack": broker.rack, "replica.selector.class": "org.apache.kafka.common.replica.RackAwareReplicaSelector" }),
    "controlled.shutdown.max.retries": 1,
    "leader.imbalance.check.interval.seconds": 5,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  return `# Written by \`ottla up\` at each start; changes here are lost.\n${lines.join("\n")}\n`;
}
