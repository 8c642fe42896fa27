/** How followers fetch, and how much leaders hand out. */
export interface ReplicationConfig {
  /**
   * `replica.fetch.wait.max.ms`: how long a leader may hold a fetch for which there is nothing new. Below `replica.lag.time.max.ms`, or
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
   * much shorter.
   */
  readonly fetchBackoffMs: number;
  /** `replica.socket.timeout.ms`, counted from the end of the wait: then the link is closed and opened again. */
  readonly fetchTimeoutMs: number;
}
