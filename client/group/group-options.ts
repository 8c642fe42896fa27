import type { TopicPartition } from "../../protocol/base/ids.ts";
import { positive } from "../base/client-options.ts";
import { InvalidArgument } from "../base/errors.ts";
import { kindOf } from "../base/kind-of.ts";
import type { OptionNames } from "../base/known-options.ts";
import { type AssignorName, assignorNames } from "./assignors.ts";

/** Called between records: none is handed out until the returned promise has resolved. The iteration throws what it throws. */
export type PartitionsCallback = (partitions: readonly TopicPartition[]) => void | Promise<void>;

export interface GroupOptions {
  /** Share the topics' partitions with the other members of this group (`subscribe`), and keep positions with it (`commit`). */
  readonly group?: string;
  /**
   * A name that stays the same over restarts (KIP-345): a member that rejoins under it within `sessionTimeoutMs` gets its partitions back,
   * without a rebalance.
   */
  readonly groupInstanceId?: string;
  /**
   * `consumer`: the new protocol (KIP-848), in which the coordinator assigns. All members of a group must use the same. Default "classic".
   */
  readonly groupProtocol?: "classic" | "consumer";
  /**
   * Classic protocol: the assignors, of which the first that all members support is used. With any but "cooperative-sticky" among them,
   * every rebalance stops all members for a moment.
   * Other clients' members often support "range" and "roundrobin" only. Default ["cooperative-sticky"].
   */
  readonly assignors?: readonly AssignorName[];
  /** New protocol: the coordinator's assignor, "uniform" or "range". Default: its own choice. */
  readonly serverAssignor?: string;
  /**
   * Classic protocol: a member that sends no heartbeat for this long is removed from the group. Milliseconds; default 45,000; within the
   * brokers' bounds.
   */
  readonly sessionTimeoutMs?: number;
  /** Classic protocol: the heartbeat interval. Milliseconds; default 3,000; well below `sessionTimeoutMs`. */
  readonly heartbeatIntervalMs?: number;
  /**
   * How long the application may handle one record, or batch. After that the member leaves, and rejoins when the application asks for the
   * next. Milliseconds; default 300,000.
   */
  readonly maxPollIntervalMs?: number;
  /** Commit what was processed: a record counts as processed when the next one is asked for. Default true. */
  readonly autoCommit?: boolean;
  /** Milliseconds; default 5,000. */
  readonly autoCommitIntervalMs?: number;
  /** These are ours from now on. They are read from the group's positions, or from where `seek` sets them here. */
  readonly onAssigned?: PartitionsCallback;
  /** These are reassigned. What was processed is committed already (unless `autoCommit` is false: now is the time to commit). */
  readonly onRevoked?: PartitionsCallback;
  /** These already belong to other members: nothing can be committed for them any more. */
  readonly onLost?: PartitionsCallback;
}

export const groupOptionNames: OptionNames<GroupOptions> = {
  group: true,
  groupInstanceId: true,
  groupProtocol: true,
  assignors: true,
  serverAssignor: true,
  sessionTimeoutMs: true,
  heartbeatIntervalMs: true,
  maxPollIntervalMs: true,
  autoCommit: true,
  autoCommitIntervalMs: true,
  onAssigned: true,
  onRevoked: true,
  onLost: true,
};

export interface GroupSettings {
  readonly groupId: string;
  readonly groupInstanceId: string | null;
  readonly groupProtocol: "classic" | "consumer";
  readonly assignors: readonly AssignorName[];
  readonly serverAssignor: string | null;
  readonly sessionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly maxPollIntervalMs: number;
  readonly autoCommit: boolean;
  readonly autoCommitIntervalMs: number;
  readonly onAssigned: PartitionsCallback | null;
  readonly onRevoked: PartitionsCallback | null;
  readonly onLost: PartitionsCallback | null;
}

const timerMaxMs = 2 ** 31 - 1;

/** Null: no group is configured. */
export function groupSettings(options: GroupOptions): GroupSettings | null {
  const { group, assignors = ["cooperative-sticky"], groupProtocol = "classic" } = options;
  if (group === undefined) return null;
  if (typeof group !== "string") throw new InvalidArgument(`group is ${kindOf(group)}: it is the group's name`);
  if (group === "") throw new InvalidArgument("the group's name is empty");
  const unknown = assignors.find((name) => !assignorNames.includes(name));
  if (unknown !== undefined) throw new InvalidArgument(`no assignor is called ${unknown}: ${assignorNames.join(", ")} are possible`);
  if (assignors.length === 0) throw new InvalidArgument("at least one assignor is needed");
  if (groupProtocol !== "classic" && groupProtocol !== "consumer")
    throw new InvalidArgument(`groupProtocol is ${groupProtocol}: classic and consumer are possible`);
  const settings: GroupSettings = {
    groupId: group,
    groupInstanceId: options.groupInstanceId ?? null,
    groupProtocol,
    assignors: [...new Set(assignors)],
    serverAssignor: options.serverAssignor ?? null,
    sessionTimeoutMs: positive("sessionTimeoutMs", options.sessionTimeoutMs ?? 45_000),
    heartbeatIntervalMs: positive("heartbeatIntervalMs", options.heartbeatIntervalMs ?? 3_000),
    maxPollIntervalMs: positive("maxPollIntervalMs", options.maxPollIntervalMs ?? 300_000),
    autoCommit: options.autoCommit ?? true,
    autoCommitIntervalMs: positive("autoCommitIntervalMs", options.autoCommitIntervalMs ?? 5_000),
    onAssigned: options.onAssigned ?? null,
    onRevoked: options.onRevoked ?? null,
    onLost: options.onLost ?? null,
  };
  if (settings.heartbeatIntervalMs >= settings.sessionTimeoutMs)
    throw new InvalidArgument("heartbeatIntervalMs must be below sessionTimeoutMs");
  if (settings.maxPollIntervalMs > timerMaxMs) throw new InvalidArgument(`maxPollIntervalMs is above ${timerMaxMs}`);
  return settings;
}
