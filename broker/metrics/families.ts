/** A family of series in `/metrics`, as Prometheus and people see it. */
export interface FamilyRow {
  readonly kind: "gauge" | "counter" | "histogram";
  /** One sentence. */
  readonly help: string;
  readonly labels: readonly string[];
  /** What it is called in Kafka's JMX, or in the client libraries of Prometheus; null: there is nothing like it. */
  readonly elsewhere: string | null;
}

const row =
  <K extends FamilyRow["kind"]>(kind: K) =>
  (help: string, elsewhere: string | null = null, labels: readonly string[] = []) => ({ kind, help, labels, elsewhere });

const gauge = row("gauge");
const counter = row("counter");
const histogram = row("histogram");

const manager = "kafka.server:type=ReplicaManager,name=";
const topics = "kafka.server:type=BrokerTopicMetrics,name=";
const controller = "kafka.controller:type=KafkaController,name=";
const ofLog = "kafka.log:type=Log,name=";
const requests = "kafka.network:type=RequestMetrics,name=";
const handlers = "kafka.server:type=KafkaRequestHandlerPool,name=RequestHandlerAvgIdlePercent";
const purgatory = "kafka.server:type=DelayedOperationPurgatory,name=PurgatorySize,delayedOperation=";
const conventional = "as in the client libraries of Prometheus";

const byTopic = ["topic"];
const byPartition = ["topic", "partition"];

/**
 * Every family, in the order of `/metrics`. Names follow the conventions of Prometheus: base units, counters end in `_total`. All begin
 * with `ottla_`, except what every process has.
 */
export const families = {
  ottla_broker_info: gauge("Always 1; the labels say which broker of which cluster this is.", "kafka.server:type=app-info", [
    "broker_id",
    "cluster_id",
  ]),
  ottla_ready: gauge("1 when /readyz answers 200, else 0.", "kafka.server:type=KafkaServer,name=BrokerState"),

  ottla_partitions: gauge("Replicas on this broker.", `${manager}PartitionCount`),
  ottla_leader_partitions: gauge("Partitions that this broker leads.", `${manager}LeaderCount`),
  ottla_under_replicated_partitions: gauge(
    "Partitions led here whose in-sync set lacks a replica; those that a reassignment adds or removes do not count.",
    `${manager}UnderReplicatedPartitions`,
  ),
  ottla_reassigning_partitions: gauge("Partitions led here whose replicas are being moved.", `${manager}ReassigningPartitions`),
  ottla_under_min_isr_partitions: gauge(
    "Partitions led here with fewer in sync than min.insync.replicas: acks=all is refused.",
    `${manager}UnderMinIsrPartitionCount`,
  ),
  ottla_at_min_isr_partitions: gauge(
    "Partitions led here with just min.insync.replicas in sync: the next loss refuses acks=all.",
    `${manager}AtMinIsrPartitionCount`,
  ),
  ottla_offline_replicas: gauge("Replicas on this broker that it cannot use.", `${manager}OfflineReplicaCount`),
  ottla_isr_shrinks_total: counter("Times that a leader here took a replica out of an in-sync set.", `${manager}IsrShrinksPerSec`),
  ottla_isr_expands_total: counter("Times that a leader here took a replica into an in-sync set.", `${manager}IsrExpandsPerSec`),
  ottla_follower_lag_records_max: gauge(
    "The most records that a follower lacks of a partition led here, of those that have fetched.",
    "kafka.server:type=ReplicaFetcherManager,name=MaxLag,clientId=Replica",
  ),
  ottla_replication_received_bytes_total: counter("Bytes of records fetched from leaders.", `${topics}ReplicationBytesInPerSec`),
  ottla_replication_sent_bytes_total: counter("Bytes of records sent to followers.", `${topics}ReplicationBytesOutPerSec`),
  ottla_replication_throttled_bytes_total: counter(
    "Bytes of records of throttled replicas that are not in sync: sent by this broker as their leader, or fetched as their follower.",
    "kafka.server:type=LeaderReplication|FollowerReplication, byte-rate",
    ["side"],
  ),
  ottla_replication_throttle_limit_bytes: gauge(
    "How many of them there may be a second; absent: as many as there are.",
    "settings (leader|follower).replication.throttled.rate",
    ["side"],
  ),

  ottla_topic_received_bytes_total: counter("Bytes of batches that clients produced here.", `${topics}BytesInPerSec`, byTopic),
  ottla_topic_received_records_total: counter("Records that clients produced here.", `${topics}MessagesInPerSec`, byTopic),
  ottla_topic_sent_bytes_total: counter("Bytes of batches sent to clients.", `${topics}BytesOutPerSec`, byTopic),
  ottla_topic_failed_produces_total: counter(
    "Partitions of Produce requests answered with an error.",
    `${topics}FailedProduceRequestsPerSec`,
    byTopic,
  ),
  ottla_topic_failed_fetches_total: counter(
    "Partitions of Fetch requests answered with an error.",
    `${topics}FailedFetchRequestsPerSec`,
    byTopic,
  ),
  ottla_topic_log_bytes: gauge("Bytes of the topic's logs on this broker, indexes aside.", `${ofLog}Size (summed)`, byTopic),
  ottla_topic_partitions: gauge("Replicas of the topic on this broker.", null, byTopic),
  ottla_topic_under_replicated_partitions: gauge(
    "Partitions of the topic led here whose in-sync set lacks a replica.",
    "kafka.cluster:type=Partition,name=UnderReplicated (summed)",
    byTopic,
  ),
  ottla_partition_log_bytes: gauge("Bytes of the log on this broker, indexes aside.", `${ofLog}Size`, byPartition),
  ottla_partition_log_start_offset: gauge("First offset of the log on this broker.", `${ofLog}LogStartOffset`, byPartition),
  ottla_partition_log_end_offset: gauge("Exclusive end of the log on this broker.", `${ofLog}LogEndOffset`, byPartition),
  ottla_partition_high_watermark: gauge("Exclusive end of what is known here to be committed.", null, byPartition),
  ottla_partition_in_sync_replicas: gauge(
    "Replicas in sync, of a partition led here.",
    "kafka.cluster:type=Partition,name=InSyncReplicasCount",
    byPartition,
  ),

  ottla_request_duration_seconds: histogram(
    "From when a request is started to when its answer is complete; what waits for records or replicas counts.",
    `${requests}TotalTimeMs`,
    ["api"],
  ),
  ottla_request_failures_total: counter("Requests whose connection was closed instead of an answer.", null, ["api"]),
  ottla_requests_under_way: gauge("Requests started and not answered yet.", null, ["api"]),
  ottla_request_bytes_total: counter("Bytes of requests, headers aside.", `${requests}RequestBytes`, ["api"]),
  ottla_response_bytes_total: counter("Bytes of answers, headers aside.", `${requests}ResponseBytes`, ["api"]),
  ottla_client_connections: gauge("Open connections of clients.", "kafka.server:type=socket-server-metrics,name=connection-count"),
  ottla_delayed_operations: gauge(
    "What waits: produce for replicas, fetch for records, group for other members or for replicas.",
    `${purgatory}Produce|Fetch|Rebalance`,
    ["operation"],
  ),

  ottla_group_shards: gauge("Partitions of __consumer_offsets whose groups this broker coordinates, loaded.", null),
  ottla_groups: gauge("Groups that this broker coordinates.", "kafka.coordinator.group:type=GroupMetadataManager,name=NumGroups*", [
    "state",
  ]),
  ottla_group_topic_lag_records: gauge(
    "Committed records of a topic that a group coordinated here has not committed as consumed, over its partitions.",
    "kafka.consumer:type=consumer-fetch-manager-metrics,name=records-lag (at the consumer)",
    ["group", "topic"],
  ),
  ottla_group_topic_lag_unknown_partitions: gauge(
    "Partitions that the lag of a group leaves out, as their leader did not tell where they end.",
    null,
    ["group", "topic"],
  ),
  ottla_group_partition_lag_records: gauge(
    "The same of one partition.",
    "kafka.consumer:type=consumer-fetch-manager-metrics,name=records-lag (at the consumer)",
    ["group", "topic", "partition"],
  ),

  ottla_controller_active: gauge("1 on the broker that is the controller, else 0.", `${controller}ActiveControllerCount`),
  ottla_controller_known: gauge("1 when this broker's metadata names a controller that lives, else 0.", null),
  ottla_controller_epoch: gauge("The newest controller epoch that this broker has metadata of.", null),
  ottla_cluster_brokers: gauge("Live brokers; only at the controller.", `${controller}ActiveBrokerCount`),
  ottla_cluster_topics: gauge("Topics; only at the controller.", `${controller}GlobalTopicCount`),
  ottla_cluster_partitions: gauge("Partitions; only at the controller.", `${controller}GlobalPartitionCount`),
  ottla_offline_partitions: gauge("Partitions without a leader; only at the controller.", `${controller}OfflinePartitionsCount`),
  ottla_preferred_replica_imbalance: gauge(
    "Partitions led by another than their first replica; only at the controller.",
    `${controller}PreferredReplicaImbalanceCount`,
  ),

  ottla_registered: gauge("1 while this broker is registered in ZooKeeper, else 0.", null),
  ottla_zookeeper_session_state: gauge(
    "1 for the state that the session is in, 0 for the others.",
    "kafka.server:type=SessionExpireListener,name=SessionState",
    ["state"],
  ),
  ottla_zookeeper_session_changes_total: counter(
    "How often the session came into a state.",
    "kafka.server:type=SessionExpireListener,name=ZooKeeper*PerSec",
    ["state"],
  ),

  ottla_log_directory_online: gauge("1 when the log directory can be used, else 0.", "kafka.log:type=LogManager,name=LogDirectoryOffline", [
    "directory",
  ]),
  ottla_log_directory_size_bytes: gauge("Size of the directory's file system.", "DescribeLogDirs, TotalBytes", ["directory"]),
  ottla_log_directory_available_bytes: gauge("What the broker may still write there.", "DescribeLogDirs, UsableBytes", ["directory"]),
  ottla_disk_stuck_seconds: gauge("For how long a disk has taken nothing of what appends wait for.", null),

  ottla_memory_bytes: gauge("Memory in use, by what for.", null, ["user"]),
  ottla_memory_limit_bytes: gauge("How much that may become.", null, ["user"]),

  ottla_event_loop_active_seconds_total: counter("Time in which the event loop worked.", `${handlers} (1 less its rate)`),
  ottla_event_loop_idle_seconds_total: counter("Time in which the event loop waited for something to do.", `${handlers} (its rate)`),
  ottla_event_loop_delay_seconds: histogram(
    "How much later than due a timer is called, looked at ten times a second.",
    `${requests}RequestQueueTimeMs`,
  ),

  process_cpu_user_seconds_total: counter("CPU time spent in the program.", conventional),
  process_cpu_system_seconds_total: counter("CPU time spent in the kernel for it.", conventional),
  process_cpu_seconds_total: counter("Both together.", conventional),
  process_start_time_seconds: gauge("When the process started, since 1970.", conventional),
  process_resident_memory_bytes: gauge("Resident memory.", conventional),
  process_open_fds: gauge("Open files, connections among them.", conventional),
  process_max_fds: gauge("How many there may be.", conventional),
  nodejs_heap_size_used_bytes: gauge("Used of the heap.", conventional),
  nodejs_heap_size_total_bytes: gauge("Size of the heap.", conventional),
  nodejs_external_memory_bytes: gauge("Memory outside of the heap that its objects hold.", conventional),
  nodejs_gc_seconds_total: counter("Time spent on collecting garbage.", "java.lang:type=GarbageCollector, CollectionTime"),
  nodejs_gc_pauses_total: counter("Times that garbage was collected.", "java.lang:type=GarbageCollector, CollectionCount"),

  ottla_metrics_collection_seconds: gauge("How long it took to collect these figures.", null),
  ottla_metrics_dropped_series: gauge("Series that were left out, as there were too many or their names were too long.", null),
} as const satisfies Record<string, FamilyRow>;

export type FamilyName = keyof typeof families;
export type NamesOf<Kind extends FamilyRow["kind"]> = {
  [N in FamilyName]: (typeof families)[N]["kind"] extends Kind ? N : never;
}[FamilyName];
