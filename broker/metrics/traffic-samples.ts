import type { TopicTraffic } from "../api/topic-traffic.ts";
import type { Pace } from "./pace.ts";
import type { RequestTally } from "./request-tally.ts";
import type { Samples } from "./samples.ts";

export interface TrafficSources {
  readonly requests: RequestTally;
  readonly topics: Pick<TopicTraffic, "topics">;
  readonly replication: { readonly receivedBytes: number; readonly sentBytes: number };
  readonly quotas: Readonly<Record<"leader" | "follower", { readonly copiedBytes: number; readonly bytesPerSecondMax: number | null }>>;
  readonly isrChanges: { readonly shrinks: number; readonly expands: number };
  readonly connections: () => number;
  readonly waitingReads: () => number;
}

export async function collectTraffic(sources: TrafficSources, into: Samples, pace: Pace): Promise<void> {
  into.add("ottla_replication_received_bytes_total", sources.replication.receivedBytes);
  into.add("ottla_replication_sent_bytes_total", sources.replication.sentBytes);
  for (const side of ["leader", "follower"] as const) {
    const { copiedBytes, bytesPerSecondMax } = sources.quotas[side];
    into.add("ottla_replication_throttled_bytes_total", copiedBytes, { side });
    if (bytesPerSecondMax !== null) into.add("ottla_replication_throttle_limit_bytes", bytesPerSecondMax, { side });
  }
  into.add("ottla_isr_shrinks_total", sources.isrChanges.shrinks);
  into.add("ottla_isr_expands_total", sources.isrChanges.expands);
  into.add("ottla_client_connections", sources.connections());
  into.add("ottla_delayed_operations", sources.waitingReads(), { operation: "fetch" });
  collectRequests(sources.requests, into);
  for (const [topic, counts] of sources.topics.topics()) {
    into.add("ottla_topic_received_bytes_total", counts.receivedBytes, { topic });
    into.add("ottla_topic_received_records_total", counts.receivedRecords, { topic });
    into.add("ottla_topic_sent_bytes_total", counts.sentBytes, { topic });
    into.add("ottla_topic_failed_produces_total", counts.failedProduces, { topic });
    into.add("ottla_topic_failed_fetches_total", counts.failedFetches, { topic });
    if (pace.isOver) await pace.next();
  }
}

/** Those that nobody has used since the start are left out: there are some forty, each with a histogram. */
function collectRequests(requests: RequestTally, into: Samples): void {
  for (const { api, durations, failures, underWay, requestBytes, responseBytes } of requests.apis()) {
    if (durations.count === 0 && underWay === 0) continue;
    into.histogram("ottla_request_duration_seconds", durations, { api });
    into.add("ottla_request_failures_total", failures, { api });
    into.add("ottla_requests_under_way", underWay, { api });
    into.add("ottla_request_bytes_total", requestBytes, { api });
    into.add("ottla_response_bytes_total", responseBytes, { api });
  }
}
