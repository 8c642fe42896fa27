/**
 * What every client counts, since it was made. Plain numbers, as of now: those that only rise are counters, the others gauges.
 * `metricDescriptions` has a name, a unit and a kind for each, as OpenTelemetry and OpenMetrics want them.
 */
export interface ClientMetrics {
  /** Open now. */
  readonly connections: number;
  readonly connectionsOpened: number;
  /** Ended, and not because the client was closed or the cluster has no such broker any more. */
  readonly connectionsLost: number;
  readonly requestsSent: number;
  /** Sent or waiting for their turn, and unanswered now. */
  readonly requestsInFlight: number;
  /** Ended without an answer. */
  readonly requestsFailed: number;
  readonly requestsAnswered: number;
  /** From sending to the answer, of all that were answered: divided by `requestsAnswered`, the mean. Milliseconds. */
  readonly requestTimeMs: number;
  /** With all of the protocol. Bytes. */
  readonly networkBytesSent: number;
  readonly networkBytesReceived: number;
  /** What failed and was tried again, as the event `retry` tells of it. */
  readonly retries: number;
  /** Answers that said so. */
  readonly throttles: number;
  /** For how long, all together. Milliseconds. */
  readonly throttleTimeMs: number;
}

export interface ProducerMetrics extends ClientMetrics {
  /** Records put into requests; one that is sent again counts again. */
  readonly recordsSent: number;
  /** Of those, the ones that were sent before. */
  readonly recordsRetried: number;
  /** As `acks` requires; with acks 0, handed over. */
  readonly recordsAcknowledged: number;
  /** Whose `send` has failed; not those that were refused at once for what is wrong with them. */
  readonly recordsFailed: number;
  readonly batchesSent: number;
  /** Batches as sent, compressed; each time. Bytes. */
  readonly bytesSent: number;
  /** The same before compression. Bytes. */
  readonly uncompressedBytesSent: number;
  /** Of batches that were acknowledged, compressed. Bytes. */
  readonly bytesAcknowledged: number;
  /** Produce requests, the failed ones included. */
  readonly produceRequests: number;
  /** What these took, from the first wish for a connection to the answer. Milliseconds. */
  readonly produceTimeMs: number;
  /** In batches, not yet acknowledged or failed. */
  readonly recordsInBuffer: number;
  /** Of `bufferBytesMax`, taken by these and by what is kept about them. Bytes. */
  readonly bufferBytes: number;
  readonly bufferBytesMax: number;
  /** Calls of `send` that had to wait, for room in the buffer or for their topic to be known. */
  readonly sendsDelayed: number;
  /** How long those that have got it have waited. Milliseconds. */
  readonly sendDelayTimeMs: number;
  /** Those that wait now. */
  readonly sendsWaiting: number;
}

export interface ConsumerMetrics extends ClientMetrics {
  /** Handed to the application. */
  readonly recordsConsumed: number;
  /** By the headers of the batches that came. */
  readonly recordsFetched: number;
  /** Record batches as stored. Bytes. */
  readonly bytesFetched: number;
  /** Fetch requests that were answered. */
  readonly fetches: number;
  readonly fetchesFailed: number;
  /** What the answered ones took, the brokers' waiting for records included. Milliseconds. */
  readonly fetchTimeMs: number;
  /** Fetched and not handed out, of `prefetchBytesMax`. Bytes. */
  readonly bufferBytes: number;
  readonly bufferBytesMax: number;
  readonly partitionsAssigned: number;
  /** Records that are in the logs and were not handed out, of all partitions where that is known. */
  readonly lag: number;
  /** The largest of one partition. */
  readonly lagMax: number;
  /** Partitions of which it is not known, so that they are in neither. */
  readonly partitionsWithoutLag: number;
  /** Positions committed, or not; automatic ones included. */
  readonly commits: number;
  readonly commitsFailed: number;
  /** All of them, attempts and pauses included. Milliseconds. */
  readonly commitTimeMs: number;
  readonly rebalances: number;
  /** As in `RebalanceEvent`. Milliseconds. */
  readonly rebalanceTimeMs: number;
  /** Partitions taken away without notice. */
  readonly partitionsLost: number;
}

/** For an exporter: see docs/clients.md. */
export interface MetricDescription {
  /** By OpenTelemetry's semantic conventions for messaging where they have one, else `ottla.client.…`. OpenMetrics has `_` for `.`. */
  readonly name: string;
  /** A counter only rises; a gauge is as of now. */
  readonly kind: "counter" | "gauge";
  /** By UCUM, as in OpenTelemetry: `By`, `ms`, `{record}`. */
  readonly unit: string;
  readonly description: string;
}

const counter = (name: string, unit: string, description: string): MetricDescription => ({ name, kind: "counter", unit, description });
const gauge = (name: string, unit: string, description: string): MetricDescription => ({ name, kind: "gauge", unit, description });

const ofAll: Readonly<Record<keyof ClientMetrics, MetricDescription>> = {
  connections: gauge("ottla.client.connections", "{connection}", "Connections open now"),
  connectionsOpened: counter("ottla.client.connections.opened", "{connection}", "Connections opened"),
  connectionsLost: counter("ottla.client.connections.lost", "{connection}", "Connections that broke or were given up"),
  requestsSent: counter("ottla.client.requests.sent", "{request}", "Requests sent"),
  requestsInFlight: gauge("ottla.client.requests.in_flight", "{request}", "Requests unanswered now"),
  requestsFailed: counter("ottla.client.requests.failed", "{request}", "Requests that ended without an answer"),
  requestsAnswered: counter("ottla.client.requests.answered", "{request}", "Requests answered"),
  requestTimeMs: counter("ottla.client.request.time", "ms", "From sending to the answer, of all answered requests together"),
  networkBytesSent: counter("ottla.client.network.sent", "By", "Bytes sent to brokers"),
  networkBytesReceived: counter("ottla.client.network.received", "By", "Bytes received from brokers"),
  retries: counter("ottla.client.retries", "{retry}", "Failures that were tried again"),
  throttles: counter("ottla.client.throttles", "{answer}", "Answers that said that a quota was exceeded"),
  throttleTimeMs: counter("ottla.client.throttle.time", "ms", "For how long brokers have throttled"),
};

const ofProducer: Readonly<Record<Exclude<keyof ProducerMetrics, keyof ClientMetrics>, MetricDescription>> = {
  recordsSent: counter("messaging.client.sent.messages", "{message}", "Records sent, each attempt counted"),
  recordsRetried: counter("ottla.client.records.retried", "{record}", "Records sent again"),
  recordsAcknowledged: counter("ottla.client.records.acknowledged", "{record}", "Records acknowledged"),
  recordsFailed: counter("ottla.client.records.failed", "{record}", "Records whose send has failed"),
  batchesSent: counter("ottla.client.batches.sent", "{batch}", "Batches sent, each attempt counted"),
  bytesSent: counter("ottla.client.batches.sent.size", "By", "Batches sent, compressed"),
  uncompressedBytesSent: counter("ottla.client.batches.sent.uncompressed_size", "By", "Batches sent, before compression"),
  bytesAcknowledged: counter("ottla.client.batches.acknowledged.size", "By", "Batches acknowledged, compressed"),
  produceRequests: counter("ottla.client.produce.requests", "{request}", "Produce requests that have ended"),
  produceTimeMs: counter("ottla.client.produce.time", "ms", "What these took, all together"),
  recordsInBuffer: gauge("ottla.client.buffer.records", "{record}", "Records not yet acknowledged or failed"),
  bufferBytes: gauge("ottla.client.buffer.usage", "By", "Room that the buffered records take"),
  bufferBytesMax: gauge("ottla.client.buffer.limit", "By", "Room that there is for them"),
  sendsDelayed: counter("ottla.client.sends.delayed", "{call}", "Calls of send that had to wait for room or for their topic"),
  sendDelayTimeMs: counter("ottla.client.sends.delay_time", "ms", "How long they have waited, all together"),
  sendsWaiting: gauge("ottla.client.sends.waiting", "{call}", "Calls of send that wait now"),
};

const ofConsumer: Readonly<Record<Exclude<keyof ConsumerMetrics, keyof ClientMetrics>, MetricDescription>> = {
  recordsConsumed: counter("messaging.client.consumed.messages", "{message}", "Records handed to the application"),
  recordsFetched: counter("ottla.client.records.fetched", "{record}", "Records fetched"),
  bytesFetched: counter("ottla.client.batches.fetched.size", "By", "Record batches fetched, as stored"),
  fetches: counter("ottla.client.fetch.requests", "{request}", "Fetch requests answered"),
  fetchesFailed: counter("ottla.client.fetch.requests.failed", "{request}", "Fetch requests that have failed"),
  fetchTimeMs: counter("ottla.client.fetch.time", "ms", "What the answered ones took, all together"),
  bufferBytes: gauge("ottla.client.buffer.usage", "By", "Fetched and not handed out"),
  bufferBytesMax: gauge("ottla.client.buffer.limit", "By", "The limit for that"),
  partitionsAssigned: gauge("ottla.client.partitions.assigned", "{partition}", "Partitions assigned"),
  lag: gauge("ottla.client.lag", "{record}", "Records in the logs and not handed out, of all partitions"),
  lagMax: gauge("ottla.client.lag.max", "{record}", "The same of the partition with most of them"),
  partitionsWithoutLag: gauge("ottla.client.partitions.lag_unknown", "{partition}", "Partitions whose lag is not known"),
  commits: counter("ottla.client.commits", "{commit}", "Commits of positions"),
  commitsFailed: counter("ottla.client.commits.failed", "{commit}", "Commits that have failed"),
  commitTimeMs: counter("ottla.client.commit.time", "ms", "What commits took, all together"),
  rebalances: counter("ottla.client.rebalances", "{rebalance}", "Rebalances of the group"),
  rebalanceTimeMs: counter("ottla.client.rebalance.time", "ms", "What they took, all together"),
  partitionsLost: counter("ottla.client.partitions.lost", "{partition}", "Partitions taken away without notice"),
};

/** Of each property of what `metrics()` returns, by the kind of client. */
export const metricDescriptions: {
  readonly producer: Readonly<Record<keyof ProducerMetrics, MetricDescription>>;
  readonly consumer: Readonly<Record<keyof ConsumerMetrics, MetricDescription>>;
  readonly admin: Readonly<Record<keyof ClientMetrics, MetricDescription>>;
} = { producer: { ...ofAll, ...ofProducer }, consumer: { ...ofAll, ...ofConsumer }, admin: ofAll };
