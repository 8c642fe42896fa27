/** What is known of a log when it is decided whether to compact it. */
export interface LogFacts {
  /** Rising; the last one is being written. */
  readonly segments: readonly { readonly baseOffset: number; readonly sizeInBytes: number }[];
  readonly startOffset: number;
  readonly endOffset: number;
  /** Up to where the last cleaning came. */
  readonly cleanedEndOffset: number;
  /** What may be compacted ends there at the latest: it is committed, on the disk, old enough. */
  readonly limitOffset: number;
}

export interface CleaningPlan {
  readonly firstDirtyOffset: number;
  /** A segment's base: everything from there on stays as it is. */
  readonly endOffset: number;
  readonly cleanBytes: number;
  readonly dirtyBytes: number;
  /** Behind `endOffset`: too young, not committed, or being written. */
  readonly uncleanableBytes: number;
}

/** What a cleaning of this log would have before it. Only whole segments are cleaned, and never the one that is written. */
export function planCleaning({ segments, startOffset, endOffset, cleanedEndOffset, limitOffset }: LogFacts): CleaningPlan {
  // a checkpoint may be older than a truncation, or than a deletion of old segments
  const isInLog = cleanedEndOffset >= startOffset && cleanedEndOffset <= endOffset;
  const firstDirtyOffset = isInLog ? cleanedEndOffset : startOffset;
  const within = segments.findLastIndex(({ baseOffset }) => baseOffset <= limitOffset);
  const end = Math.max(Math.min(within, segments.length - 1), 0);
  const dirty = Math.min(
    Math.max(
      segments.findLastIndex(({ baseOffset }) => baseOffset <= firstDirtyOffset),
      0,
    ),
    end,
  );
  return {
    firstDirtyOffset,
    endOffset: segments[end]!.baseOffset,
    cleanBytes: bytesOf(segments.slice(0, dirty)),
    dirtyBytes: segments[end]!.baseOffset > firstDirtyOffset ? bytesOf(segments.slice(dirty, end)) : 0,
    uncleanableBytes: bytesOf(segments.slice(end)),
  };
}

/** The share of what could be cleaned that never was. */
export function dirtyRatio({ cleanBytes, dirtyBytes }: CleaningPlan): number {
  return dirtyBytes === 0 ? 0 : dirtyBytes / (cleanBytes + dirtyBytes);
}

function bytesOf(segments: readonly { readonly sizeInBytes: number }[]): number {
  return segments.reduce((sum, { sizeInBytes }) => sum + sizeInBytes, 0);
}

export interface GroupLimits {
  readonly segmentBytes: number;
  readonly segmentIndexBytes: number;
  /** How far a segment's last offset may be from its base. */
  readonly offsetsMax: number;
  /** Reads wait while a group's files are renamed, so they must not be too many. */
  readonly segmentsMax: number;
}

export interface GroupedSegment {
  readonly baseOffset: number;
  /** Exclusive. */
  readonly endOffset: number;
  readonly sizeInBytes: number;
  readonly indexBytes: number;
  readonly timeIndexBytes: number;
}

/** Neighbours whose cleaned rest fits into one segment whatever is left of them. */
export function groupSegments<S extends GroupedSegment>(segments: readonly S[], limits: GroupLimits): readonly (readonly S[])[] {
  const groups: S[][] = [];
  for (const segment of segments) {
    const group = groups.at(-1);
    if (group !== undefined && fits([...group, segment], limits)) group.push(segment);
    else groups.push([segment]);
  }
  return groups;
}

function fits(group: readonly GroupedSegment[], { segmentBytes, segmentIndexBytes, offsetsMax, segmentsMax }: GroupLimits): boolean {
  const sum = (of: (segment: GroupedSegment) => number) => group.reduce((total, segment) => total + of(segment), 0);
  return (
    group.length <= segmentsMax &&
    sum((segment) => segment.sizeInBytes) <= segmentBytes &&
    sum((segment) => segment.indexBytes) <= segmentIndexBytes &&
    sum((segment) => segment.timeIndexBytes) <= segmentIndexBytes &&
    group.at(-1)!.endOffset - 1 - group[0]!.baseOffset <= offsetsMax
  );
}
