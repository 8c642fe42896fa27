import type { TopicPartition } from "../../protocol/base/ids.ts";
import { positive } from "../base/client-options.ts";
import { InvalidArgument } from "../base/errors.ts";
import { type AssignorName, assignorNames } from "./assignors.ts";

/** Called between records: none is handed out until what it returns has resolved. What it throws is thrown by the iteration. */
export type PartitionsCallback = (partitions: readonly TopicPartition[]) => void | Promise<void>;

export interface GroupOptions {
  /** Share the topics' partitions with the other members of this group (`subscribe`), and keep positions with it (`commit`). */
  readonly group?: string;
  /**
   * A name that stays over restarts (KIP-345): who comes back under it within `sessionTimeoutMs` gets its partitions back, and nobody else
   * notices.
   */
  readonly groupInstanceId?: string;
  /** `consumer`: the new protocol (KIP-848), in which the coordinator assigns. All members of a group use the same. Default "classic". */
  readonly groupProtocol?: "classic" | "consumer";
  /**
   * Classic protocol: how partitions are shared out, the first that all members know. With any but "cooperative-sticky" among them, every
   * rebalance stops all members for a moment.
   * Members of other clients often know "range" and "roundrobin" only. Default ["cooperative-sticky"].
   */
  readonly assignors?: readonly AssignorName[];
  /** New protocol: the coordinator's assignor, "uniform" or "range". Default: its own choice. */
  readonly serverAssignor?: string;
  /**
   * Classic protocol: a member not heard of for this long is taken out of the group. Milliseconds; default 45,000; within the brokers'
   * bounds.
   */
  readonly sessionTimeoutMs?: number;
  /** Classic protocol: a sign of life so often. Milliseconds; default 3,000; well below `sessionTimeoutMs`. */
  readonly heartbeatIntervalMs?: number;
  /**
   * How long the application may handle one record, or batch. Then the member leaves, and joins again when the application asks for the
   * next. Milliseconds; default 300,000.
   */
  readonly maxPollIntervalMs?: number;
  /** Commit what was processed: a record counts as processed when the next one is asked for. Default true. */
  readonly autoCommit?: boolean;
  /** Milliseconds; default 5,000. */
  readonly autoCommitIntervalMs?: number;
  /** These are ours from now on. They are read from where the group is, or from where `seek` says here. */
  readonly onAssigned?: PartitionsCallback;
  /** These go to others. What was processed is committed already (unless `autoCommit` is false: this is the time to). */
  readonly onRevoked?: PartitionsCallback;
  /** These are others' already: nothing can be committed for them any more. */
  readonly onLost?: PartitionsCallback;
}

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

/** Null: no group is named. */
export function groupSettings(options: GroupOptions): GroupSettings | null {
  const { group, assignors = ["cooperative-sticky"], groupProtocol = "classic" } = options;
  if (group === undefined) return null;
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
