import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { nodeFileSystem } from "../../broker/disk-format.ts";
import { CommandFailed } from "../output/command-failed.ts";
import { brokerProperties, type UpBroker } from "./broker-properties.ts";
import { lockName } from "./find-cluster.ts";
import { checkWritableDirectory } from "./preflight.ts";
import { RunningNote, readRunningCluster } from "./running-cluster.ts";

/** Where `up` keeps a cluster: `zookeeper/`, and for each broker `broker-N/` with its settings, its log and its data. */
export class ClusterDirectory {
  readonly path: string;
  /** Tells others what runs in it. */
  readonly note: RunningNote;

  private constructor(path: string) {
    this.path = path;
    this.note = new RunningNote(path, Date.now);
  }

  /** Locked for as long as this process lives: two clusters on one directory would destroy each other. */
  static async open(path: string): Promise<ClusterDirectory> {
    await checkWritableDirectory(path);
    if (!(await nodeFileSystem().lock(join(path, lockName)))) {
      const pid = readRunningCluster(path)?.owner.pid;
      throw new CommandFailed(
        `the data directory ${path} is in use by another \`ottla up\`${pid === undefined ? "" : ` (process ${pid})`}; stop that one with \`ottla down --data ${path}\`, or choose another with --data`,
      );
    }
    return new ClusterDirectory(path);
  }

  get zookeeperData(): string {
    return join(this.path, "zookeeper");
  }

  brokerData(id: number): string {
    return join(this.path, `broker-${id}`, "data");
  }

  brokerLog(id: number): string {
    return join(this.path, `broker-${id}`, "broker.log");
  }

  /** Returns the file's path. */
  async writeBrokerConfig(broker: UpBroker): Promise<string> {
    const folder = join(this.path, `broker-${broker.id}`);
    await mkdir(folder, { recursive: true });
    const file = join(folder, "server.properties");
    await writeFile(file, brokerProperties(broker));
    return file;
  }
}
