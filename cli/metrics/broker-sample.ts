import { byLabel, parseMetrics, type Samples, sumOf } from "./metrics-text.ts";

/** What a broker tells of itself at one moment; what it does not tell is null. Counters count since it started. */
export interface BrokerSample {
  /** Null: whoever answered is no broker of Ottla's. */
  readonly brokerId: number | null;
  readonly clusterId: string | null;
  readonly startedAtSeconds: number | null;
  readonly cpuSeconds: number | null;
  readonly memoryBytes: number | null;
  /** By topic, of clients. */
  readonly receivedBytes: ReadonlyMap<string, number>;
  readonly sentBytes: ReadonlyMap<string, number>;
  readonly replicationReceivedBytes: number | null;
  readonly replicationSentBytes: number | null;
  readonly loop: LoopSample | null;
  readonly isReady: boolean | null;
  readonly isRegistered: boolean | null;
  /** The state that the session with ZooKeeper is in. */
  readonly sessionState: string | null;
  /** How often it came into each state. */
  readonly sessionChanges: ReadonlyMap<string, number>;
  readonly diskStuckSeconds: number | null;
}

/** Of the event loop. */
export interface LoopSample {
  readonly activeSeconds: number;
  readonly idleSeconds: number;
  /** How many delays were at most so long, in seconds, ascending. */
  readonly delays: readonly { readonly boundSeconds: number; readonly count: number }[];
}

const names = {
  info: "ottla_broker_info",
  started: "process_start_time_seconds",
  cpu: "process_cpu_seconds_total",
  memory: "process_resident_memory_bytes",
  received: "ottla_topic_received_bytes_total",
  sent: "ottla_topic_sent_bytes_total",
  replicationReceived: "ottla_replication_received_bytes_total",
  replicationSent: "ottla_replication_sent_bytes_total",
  active: "ottla_event_loop_active_seconds_total",
  idle: "ottla_event_loop_idle_seconds_total",
  delay: "ottla_event_loop_delay_seconds_bucket",
  ready: "ottla_ready",
  registered: "ottla_registered",
  session: "ottla_zookeeper_session_state",
  sessionChanges: "ottla_zookeeper_session_changes_total",
  stuck: "ottla_disk_stuck_seconds",
} as const;

/** The series that are read, of all that there are. */
export const readSeries: ReadonlySet<string> = new Set(Object.values(names));

export function brokerSample(text: string): BrokerSample {
  const samples = parseMetrics(text, readSeries);
  const [info] = samples.get(names.info) ?? [];
  const id = Number(info?.labels.broker_id ?? "none");
  const flag = (name: string) => {
    const value = sumOf(samples, name);
    return value === null ? null : value === 1;
  };
  return {
    brokerId: Number.isInteger(id) ? id : null,
    clusterId: info?.labels.cluster_id ?? null,
    startedAtSeconds: sumOf(samples, names.started),
    cpuSeconds: sumOf(samples, names.cpu),
    memoryBytes: sumOf(samples, names.memory),
    receivedBytes: byLabel(samples, names.received, "topic"),
    sentBytes: byLabel(samples, names.sent, "topic"),
    replicationReceivedBytes: sumOf(samples, names.replicationReceived),
    replicationSentBytes: sumOf(samples, names.replicationSent),
    loop: loopSample(samples),
    isReady: flag(names.ready),
    isRegistered: flag(names.registered),
    sessionState: samples.get(names.session)?.find(({ value }) => value === 1)?.labels.state ?? null,
    sessionChanges: byLabel(samples, names.sessionChanges, "state"),
    diskStuckSeconds: sumOf(samples, names.stuck),
  };
}

function loopSample(samples: Samples): LoopSample | null {
  const [activeSeconds, idleSeconds] = [sumOf(samples, names.active), sumOf(samples, names.idle)];
  if (activeSeconds === null || idleSeconds === null) return null;
  const delays = [...byLabel(samples, names.delay, "le")]
    .map(([bound, count]) => ({ boundSeconds: bound === "+Inf" ? Number.POSITIVE_INFINITY : Number(bound), count }))
    .sort((a, b) => a.boundSeconds - b.boundSeconds);
  return { activeSeconds, idleSeconds, delays };
}
