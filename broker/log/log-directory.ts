import type { Clock } from "../../protocol/base/clock.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { Random } from "../../protocol/base/random.ts";
import type { FileSystem } from "../runtime/files.ts";
import type { LogHealth } from "./log-health.ts";
import type { ProducerBudget } from "./producers/producer-budget.ts";
import type { IndexCache } from "./segment/index-cache.ts";
import type { LookupTurns } from "./segment/lookup-turns.ts";
import type { OpenFiles } from "./segment/open-files.ts";
import type { RemovedFiles } from "./segment/removed-files.ts";
import type { TailCacheBudget } from "./tail-cache.ts";

/** What all logs of one directory share. */
export interface LogDirectory {
  readonly files: FileSystem;
  readonly openFiles: OpenFiles;
  readonly indexes: IndexCache;
  readonly tails: TailCacheBudget;
  readonly lookups: LookupTurns;
  readonly producers: ProducerBudget;
  readonly health: LogHealth;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly checkpoints: Checkpoints;
  readonly removedFiles: RemovedFiles;
}

/** The directory's checkpoint files hold the recovery points and start offsets of all of its logs. */
export interface Checkpoints {
  /** Writes them now; resolves when they are durable. Needed before anything below a recovery point is given up. */
  write(): Promise<void>;
  /** A recovery point rose: to be written some time, as a low one only costs time at recovery. */
  due(): void;
}
