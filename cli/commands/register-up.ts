import { type Command, InvalidArgumentError } from "commander";
import { Output } from "../output/output.ts";
import { reachCluster } from "../session/reach-cluster.ts";
import { usualFolder } from "../up/local-cluster.ts";
import { isUnderNohup } from "../up/nohup.ts";
import { restartDefaults } from "../up/restart-policy.ts";
import { up } from "../up/up-command.ts";
import { namesAnotherCluster, wholeNumber } from "./command-options.ts";
import { parseZookeeper } from "./zookeeper-option.ts";

interface Options {
  readonly brokers: number;
  readonly racks?: readonly string[];
  readonly port: number;
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
    .option("--brokers <count>", "how many brokers", wholeNumber(1, 50), 3)
    .option("--racks <name,...>", "racks that the brokers stand in, in turn; consumers of one read from the copy there", parseRacks)
    .option("--port <port>", "port of the first broker; the others follow", wholeNumber(1, 65_535), 9092)
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
        brokers,
        racks: racks ?? [],
        port,
        data,
        zookeeper: zookeeper ?? null,
        restarts,
        json,
        answers,
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
