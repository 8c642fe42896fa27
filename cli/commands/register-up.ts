import { type Command, InvalidArgumentError } from "commander";
import { replicaCounts } from "../../coordinator-client/replica-counts.ts";
import { openZookeeper } from "../../coordinator-client/zookeeper-coordinator.ts";
import { silentLogger } from "../../protocol/base/logger.ts";
import { nodeClientClock } from "../../protocol/node/node-clock.ts";
import { nodeRandom } from "../../protocol/node/node-random.ts";
import { CommandFailed, explain } from "../output/command-failed.ts";
import { Output } from "../output/output.ts";
import { reachCluster } from "../session/reach-cluster.ts";
import { usualFolder } from "../up/local-cluster.ts";
import { isUnderNohup } from "../up/nohup.ts";
import { restartDefaults } from "../up/restart-policy.ts";
import { up } from "../up/up-command.ts";
import { namesAnotherCluster, wholeNumber } from "./command-options.ts";
import { parseZookeeper } from "./zookeeper-option.ts";

const sessionTimeoutMs = 10_000;
const connectMaxMs = 15_000;

interface Options {
  readonly brokers?: number;
  readonly racks?: readonly string[];
  readonly port?: number;
  readonly data: string;
  readonly zookeeper?: string;
  readonly restart: boolean;
  readonly restartAfter: number;
  readonly json: boolean;
}

export function register(program: Command): void {
  program
    .command("up")
    .description("run a whole cluster on this machine: a private ZooKeeper and several brokers; Ctrl-C stops it, the data stays")
    .option("--brokers <count>", "how many brokers; as many as there were, at first 3", wholeNumber(1, 50))
    .option("--racks <name,...>", "racks that the brokers stand in, in turn; consumers of one read from the copy there", parseRacks)
    .option("--port <port>", "port of the first broker, the others follow; as it was, at first 9092", wholeNumber(1, 65_535))
    .option("--data <directory>", "where everything is kept", usualFolder)
    .option("--zookeeper <host:port,...>", "use this ZooKeeper instead of a private one", parseZookeeper)
    .option(
      "--restart-after <seconds>",
      "start a broker that ended again after so long, and later if it ends again soon",
      wholeNumber(0, 3_600),
      restartDefaults.pauseMs / 1000,
    )
    .option("--no-restart", "say that a broker ended and how to start it, no more")
    .option("--json", "print JSON, for programs", false)
    .action(async ({ brokers, racks, port, data, zookeeper, restart, restartAfter, json }: Options) => {
      const pauseMs = restartAfter * 1000;
      const restarts = restart ? { ...restartDefaults, pauseMs, pauseMaxMs: Math.max(pauseMs, restartDefaults.pauseMaxMs) } : null;
      const options = {
        brokers: brokers ?? null,
        racks: racks ?? null,
        port: port ?? null,
        data,
        zookeeper: zookeeper ?? null,
        restarts,
        json,
        answers,
        copiesOn,
        othersGoElsewhere: namesAnotherCluster(process.env),
      };
      process.exitCode = await up(options, new Output(process.stdout), stopSignal());
      // the directory's lock and idle sockets would keep the process alive for nothing
      process.exit();
    });
}

function parseRacks(text: string): readonly string[] {
  const racks = text.split(",").map((name) => name.trim());
  if (racks.some((name) => !/^[\w.-]{1,100}$/.test(name)))
    throw new InvalidArgumentError("names of letters, digits, dots, dashes and underscores.");
  return racks;
}

function answers(address: string, withinMs: number): Promise<boolean> {
  return reachCluster({ bootstrap: [address], giveUpAfterMs: withinMs, onLate: () => {} }, new AbortController().signal).then(
    () => true,
    () => false,
  );
}

async function copiesOn(zookeeper: string, brokers: readonly number[]): Promise<ReadonlyMap<number, number>> {
  const parts = { clock: nodeClientClock, random: nodeRandom, log: silentLogger };
  const coordinator = openZookeeper({ connectionString: zookeeper, sessionTimeoutMs, ...parts });
  try {
    await coordinator.connected(AbortSignal.timeout(connectMaxMs));
    return await replicaCounts(coordinator, brokers);
  } catch (error) {
    throw new CommandFailed(`ZooKeeper (${zookeeper}) does not say whether brokers that are not started have copies: ${explain(error)}`);
  } finally {
    await coordinator.close();
  }
}

/** Resolves at the first signal that asks us to stop. */
function stopSignal(): Promise<void> {
  const staysWithoutTerminal = isUnderNohup();
  return new Promise((resolve) => {
    let asked = false;
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(signal, () => {
        if (signal === "SIGHUP" && staysWithoutTerminal) return;
        if (asked) return; // npm forwards the signal that the terminal has already sent
        asked = true;
        resolve();
      });
    }
  });
}
