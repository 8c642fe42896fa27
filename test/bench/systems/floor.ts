import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { freePorts } from "../../support/free-ports.ts";
import { makeTestFolder, removeTestFolder } from "../../support/test-folder.ts";
import { GuardedProcess } from "../processes/guarded-process.ts";
import type { RunningSystem, System } from "./system.ts";

const program = fileURLToPath(new URL("./floor-program.ts", import.meta.url));
const stopGraceMs = 2000;

/**
 * What replication costs at least, on this machine and with Node: the rest of a real system's time goes into its protocol, checks and log.
 */
export const floor: System = {
  name: "floor",
  title: `bare Node ${process.versions.node}: one process takes bytes over TCP, writes them to a file and passes them to the others, which do too`,
  speaks: "floor",
  missing: () => Promise.resolve(null),
  start: async ({ brokers }) => {
    const [folder, ports] = await Promise.all([makeTestFolder("bench-floor"), freePorts(Math.min(3, brokers))]);
    const processes: GuardedProcess[] = [];
    const stop = async () => {
      await Promise.all(processes.map((one) => one.stop(stopGraceMs)));
      await removeTestFolder(folder);
    };
    try {
      const [first = 0, ...others] = ports;
      for (const port of [...others, first]) processes.unshift(await ready(port, join(folder, `${port}`), port === first ? others : []));
    } catch (error) {
      await stop();
      throw error;
    }
    return running(ports, processes, folder, stop);
  },
};

async function ready(port: number, file: string, others: readonly number[]): Promise<GuardedProcess> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const started = new GuardedProcess(process.execPath, [program, `${port}`, file, ...others.map(String)], { onLine: () => resolve() });
  await Promise.race([promise, started.ended]);
  if (started.hasEnded) throw new Error(`the floor program did not start: ${started.words}`);
  return started;
}

function running(ports: readonly number[], processes: readonly GuardedProcess[], folder: string, stop: () => Promise<void>): RunningSystem {
  const cannot = () => Promise.reject(new Error("the floor program has no failover"));
  return {
    speaks: "floor",
    bootstrap: [`127.0.0.1:${ports[0]}`],
    processes: processes.map(({ pid }, index) => ({ name: `process ${index + 1}`, pid, role: "broker" })),
    dataDirectories: [folder],
    killBroker: cannot,
    restartBroker: cannot,
    stop,
    discard: stop,
  };
}
