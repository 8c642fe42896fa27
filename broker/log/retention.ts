/** What of a segment decides whether it is kept. */
export interface RetainedSegment {
  readonly baseOffset: number;
  readonly sizeInBytes: number;
}

/** Segments by base offset, the last one growing; and where the log ends, exclusive. */
export interface RetainedLog {
  readonly segments: readonly RetainedSegment[];
  readonly endOffset: number;
}

// Segments go from the oldest on, and only whole ones: all answers are how many of the first ones.

/** Those that may go at all: wholly committed. The last one counts if it has records; it is closed before it goes. */
export function committedSegments({ segments, endOffset }: RetainedLog, highWatermark: number): number {
  const kept = segments.findIndex((_, i) => (segments[i + 1]?.baseOffset ?? endOffset) > highWatermark);
  if (kept >= 0) return kept;
  return segments.at(-1)!.sizeInBytes > 0 ? segments.length : segments.length - 1;
}

/** Those that lie wholly below the log's start. Never the last one. */
export function segmentsBelow(segments: readonly RetainedSegment[], startOffset: number): number {
  let count = 0;
  while (count + 1 < segments.length && segments[count + 1]!.baseOffset <= startOffset) count++;
  return count;
}

/** `retention.bytes`, -1 for no limit: segments go as long as what stays is not below it. */
export function segmentsOverSize(segments: readonly RetainedSegment[], retentionBytes: number): number {
  if (retentionBytes < 0) return 0;
  let excess = segments.reduce((sum, { sizeInBytes }) => sum + sizeInBytes, 0) - retentionBytes;
  let count = 0;
  while (count < segments.length && excess >= segments[count]!.sizeInBytes) excess -= segments[count++]!.sizeInBytes;
  return count;
}

/** `retention.ms`, -1 for ever: a segment is as old as its newest record. */
export function isExpired(newestMs: number, retentionMs: number, nowMs: number): boolean {
  return retentionMs >= 0 && nowMs - newestMs > retentionMs;
}
