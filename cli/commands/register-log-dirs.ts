import type { Command } from "commander";
import type { Admin } from "../../client/admin/admin.ts";
import { moveReplica, showLogDirectories } from "../cluster/show-log-dirs.ts";
import { withAdmin as withAnyAdmin } from "../session/with-admin.ts";
import type { Shown } from "../topic/topic-commands.ts";
import { type CommonOptions, collect, wholeNumber, withCommonOptions } from "./command-options.ts";
import { onceOrWatched, type WatchOptions, withWatch } from "./watch-option.ts";

const brokerId = wholeNumber(0, 2 ** 31 - 1);

interface ShowOptions extends WatchOptions {
  readonly broker: readonly number[];
  readonly topic: readonly string[];
  readonly replicas: boolean;
}

interface MoveOptions extends CommonOptions {
  readonly broker: number;
  readonly to: string;
  readonly wait: boolean;
}

/** `ottla cluster log-dirs` and `ottla cluster move-replica`. */
export function registerLogDirectories(cluster: Command): void {
  const show = cluster
    .command("log-dirs")
    .description("the brokers' log directories: sizes, space left, replicas; exit code 1 when one failed")
    .option("--broker <id>", "only of this broker; may be repeated", (text, ids: number[]) => [...ids, brokerId(text)], [])
    .option("--topic <name>", "only replicas of this topic, each in a line; may be repeated", collect, [])
    .option("--replicas", "each replica in a line", false);
  withCommonOptions(withWatch(show)).action((options: ShowOptions) => {
    const { broker: brokers, topic: topics, replicas: withReplicas } = options;
    return withAdmin(options, (admin, shown) => showLogDirectories(admin, { brokers, topics, withReplicas }, shown));
  });

  const move = cluster
    .command("move-replica")
    .description("copy a replica to another log directory of its broker, and go on there; it serves all the while")
    .argument("<topic>")
    .argument("<partition>", "its number", brokerId)
    .requiredOption("--broker <id>", "whose replica", brokerId)
    .requiredOption("--to <directory>", "as in that broker's log.dirs")
    .option("--no-wait", "do not wait until it is there");
  withCommonOptions(move).action((topic: string, partition: number, options: MoveOptions) => {
    const { broker, to: directory, wait } = options;
    return withAdmin(options, (admin, shown, stop) => moveReplica(admin, { topic, partition, broker, directory }, wait, shown, stop));
  });
}

function withAdmin(options: WatchOptions, work: (admin: Admin, shown: Shown, stop: AbortSignal) => Promise<void>): Promise<void> {
  return withAnyAdmin(options, "ottla-log-dirs", (admin, stop) => onceOrWatched(options, stop, (shown) => work(admin, shown, stop)));
}
