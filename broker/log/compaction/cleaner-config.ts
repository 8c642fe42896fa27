export interface CleanerConfig {
  /** Pause before the logs are looked over again when none was worth it. */
  readonly backoffMs: number;
  /** Memory for the keys of one round, at most; a round takes what its range of offsets can need. */
  readonly mapBytesMax: number;
  readonly mapLoadFactor: number;
  readonly bytesPerSecondMax: number;
}
