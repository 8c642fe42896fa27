/** How followers fetch, and how much leaders hand out. */
export interface ReplicationConfig {
  /**
   * `replica.fetch.wait.max.ms`: how long a leader may hold a fetch that has nothing to bring. Below `replica.lag.time.max.ms`, or
   * followers that are in sync look as if they were not.
   */
  readonly fetchWaitMaxMs: number;
  /** `replica.fetch.min.bytes`: the leader waits until it has this much, or the time is up. */
  readonly fetchMinBytes: number;
  /** `replica.fetch.max.bytes`: of one partition in one answer; a single larger batch still passes. */
  readonly fetchMaxBytes: number;
  /** `replica.fetch.response.max.bytes`: of one answer over all partitions; the first batch may exceed it. */
  readonly fetchResponseMaxBytes: number;
  /**
   * `replica.fetch.backoff.ms`: longest pause after failures in a row, of one partition or of the link. The first pause is
   * `firstBackoffMs`.
   */
  readonly fetchBackoffMs: number;
  /** `replica.socket.timeout.ms`, counted from the end of the wait: then the link is given up and opened again. */
  readonly fetchTimeoutMs: number;
}

export const replicationDefaults: ReplicationConfig = {
  fetchWaitMaxMs: 500,
  fetchMinBytes: 1,
  fetchMaxBytes: 1024 * 1024,
  fetchResponseMaxBytes: 10 * 1024 * 1024,
  fetchBackoffMs: 1000,
  fetchTimeoutMs: 10_000,
};

/** After an election the follower often knows sooner than the leader; it asks again soon. */
export const firstBackoffMs = 20;

/**
 * A high watermark that is all there is to tell waits this long for records to travel with: a produce then costs each follower one round
 * trip, not two.
 */
export const highWatermarkDelayMs = 50;
