import type { Coordinator } from "../coordinator-client/coordinator.ts";
import type { Clock } from "../protocol/base/clock.ts";
import type { InvariantViolation } from "../protocol/base/invariant.ts";
import type { Logger } from "../protocol/base/logger.ts";
import type { Random } from "../protocol/base/random.ts";
import type { Transport } from "../protocol/base/transport.ts";
import type { SlabPool } from "../protocol/wire/slab-pool.ts";
import type { SettingTexts } from "./runtime/config/resolve.ts";
import type { BrokerSettings } from "./runtime/config/start-settings.ts";
import type { DescriptorShares } from "./runtime/descriptors.ts";
import type { FileSystem } from "./runtime/files.ts";
import type { MonitoringHost } from "./runtime/monitoring-host.ts";

/** Everything a broker gets from outside. */
export interface BrokerOptions {
  readonly settings: BrokerSettings;
  /** From which the settings were read. */
  readonly texts: SettingTexts;
  readonly clock: Clock;
  readonly random: Random;
  readonly transport: Transport;
  readonly files: FileSystem;
  /** The memory that this process may use: the machine's, or its container's. */
  readonly memoryBytes: number;
  /** What this process's limit of open files leaves for what. */
  readonly descriptors: DescriptorShares;
  /** For what arrives in large pieces, and for the ends of the logs. */
  readonly slabs: SlabPool;
  readonly openCoordinator: () => Coordinator;
  /** Where `metrics.listener` is opened; null: nowhere. */
  readonly monitoring: MonitoringHost | null;
  readonly log: Logger;
  /** A start waits for an operator to do something. */
  readonly onWaiting?: (words: string) => void;
  /** A bug was found: end the process. */
  readonly onFatal: (error: InvariantViolation) => void;
  /** This broker cannot continue (its id was taken by another, its log directory failed): stop it. */
  readonly onFailed: (error: Error) => void;
}
