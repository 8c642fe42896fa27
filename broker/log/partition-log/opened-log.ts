import type { LogDirectory } from "../files/log-directory.ts";
import type { LogDamage } from "../log-contract.ts";
import type { RestoredProducers } from "../producers/producer-files.ts";
import type { SegmentIo } from "../segment/read-caches.ts";
import type { Segment } from "../segment/segment.ts";
import type { BelievedGaps } from "../segment/segment-joins.ts";
import type { LayoutState } from "../segment/segment-layout.ts";
import type { LeaderEpochs } from "./leader-epochs.ts";
import type { TailCacheBudget } from "./tail-cache.ts";

/** What is known of a log when its files were opened. */
export interface OpenedLog {
  readonly folder: string;
  readonly segments: Segment[];
  readonly layout: LayoutState;
  readonly epochs: LeaderEpochs;
  /** As of `endOffset`. */
  readonly restored: RestoredProducers;
  readonly startOffset: number;
  readonly endOffset: number;
  readonly recoveryPoint: number;
  readonly damage: LogDamage | null;
  readonly believedGaps: BelievedGaps;
  /** Its files are those of a clean stop, which has synced the folder. */
  readonly namesSynced: boolean;
}

/** The folder of a log, and what it is read with. */
export interface LogPlace {
  readonly directory: LogDirectory;
  readonly io: SegmentIo;
  readonly tails: TailCacheBudget;
}
