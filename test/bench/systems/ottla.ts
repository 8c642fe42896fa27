import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { TestCluster } from "../../support/cluster.ts";
import { commonSettings, type RunningSystem, type System, sessionTimeoutMs } from "./system.ts";

const { version } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as { version: string };

/** This checkout, as processes of their own on a ZooKeeper. */
export const ottla: System = {
  name: "ottla",
  title: `Ottla ${version}, Node ${process.versions.node}, on ZooKeeper 3.8`,
  speaks: "kafka",
  missing: () => Promise.resolve(null),
  start: async (shape) => {
    const session: Record<string, number> = shape.isSessionAsShipped === true ? {} : { "zookeeper.session.timeout.ms": sessionTimeoutMs };
    const settings = { ...session, ...commonSettings(shape) };
    return running(await TestCluster.start({ brokers: shape.brokers, settings }));
  },
};

function running(cluster: TestCluster): RunningSystem {
  return {
    speaks: "kafka",
    bootstrap: cluster.bootstrap,
    suspicions: async () => {
      const logs = await Promise.all(cluster.ids.map((id) => readFile(cluster.logFile(id), "utf8")));
      return logs.reduce((sum, log) => sum + log.split("the suspected brokers changed").length - 1, 0);
    },
    get processes() {
      return [
        ...cluster.ids.map((id) => ({ name: `broker ${id}`, pid: cluster.pid(id), role: "broker" as const })),
        { name: "ZooKeeper", pid: cluster.zookeeper.pid, role: "coordinator" as const },
      ];
    },
    dataDirectories: cluster.ids.map((id) => cluster.dataDirectory(id)),
    killBroker: (id) => cluster.kill(id),
    restartBroker: (id) => cluster.startBroker(id),
    stop: () => cluster.stop(),
    discard: async () => {
      await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
      await cluster.stop();
    },
  };
}
