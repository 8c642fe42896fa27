import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { nodeFileSystem } from "../../broker/disk-format.ts";
import { CommandFailed } from "../output/command-failed.ts";
import { brokerProperties, type UpBroker } from "./broker-properties.ts";
import { type ClusterSize, parsedSize, usualSize } from "./cluster-size.ts";
import { lockName } from "./find-cluster.ts";
import { checkWritableDirectory } from "./preflight.ts";
import { RunningNote, readRunningCluster } from "./running-cluster.ts";

const sizeName = "cluster.json";

/**
 * Where `up` keeps a cluster: `cluster.json` with its size, `zookeeper/`, and for each broker `broker-N/` with its settings, its log and
 * its data.
 */
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

  /** Of all that there ever were. */
  async brokerIds(): Promise<readonly number[]> {
    const ids = (await readdir(this.path)).flatMap((name) => /^broker-([1-9]\d{0,3})$/.exec(name)?.[1] ?? []);
    return ids.map(Number).sort((a, b) => a - b);
  }

  /** As it was last; null: there was none yet. A folder of an earlier version says no more than which brokers there are. */
  async size(): Promise<ClusterSize | null> {
    const noted = await readFile(join(this.path, sizeName), "utf8").catch(() => "");
    const largest = (await this.brokerIds()).at(-1);
    return parsedSize(noted) ?? (largest === undefined ? null : { ...usualSize, brokers: largest });
  }

  async writeSize({ brokers, port, racks }: ClusterSize): Promise<void> {
    const file = join(this.path, sizeName);
    await writeFile(`${file}.new`, `${JSON.stringify({ brokers, port, racks })}\n`);
    await rename(`${file}.new`, file);
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
