import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { CommandFailed } from "../output/command-failed.ts";

export interface ZookeeperCommand {
  readonly command: string;
  readonly args: readonly string[];
}

export interface ZookeeperCommandOptions {
  readonly configFile: string;
  /** The JVM's heap. Mebibytes. */
  readonly heapMaxMib: number;
  /** False: transactions are not forced to disk before they are acknowledged. For tests. */
  readonly syncToDisk: boolean;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Folder of the jars; Debian's by default. */
  readonly jarDirectory?: string;
}

const debianJarDirectory = "/usr/share/java";

/** Without a binding SLF4J logs nothing at all, not even why a server did not start. */
const loggingJar = "slf4j-simple.jar";

/** The command line of a ZooKeeper server. Throws CommandFailed that says what to install when Java or ZooKeeper is missing. */
export async function zookeeperCommand(options: ZookeeperCommandOptions): Promise<ZookeeperCommand> {
  const { environment, jarDirectory = debianJarDirectory } = options;
  const java = await findJava(environment);
  const jar = join(jarDirectory, "zookeeper.jar");
  const missing = [...(java === null ? ["Java"] : []), ...((await isReadable(jar)) ? [] : [`ZooKeeper (${jar})`])];
  if (java === null || missing.length > 0) {
    throw new CommandFailed(
      `${missing.join(" and ")} not found: install Debian's packages with "apt-get install zookeeper default-jre-headless", or name a running ZooKeeper with --zookeeper HOST:PORT`,
    );
  }
  const logging = join(jarDirectory, loggingJar);
  const classPath = (await isReadable(logging)) ? `${jar}:${logging}` : jar;
  const args = [
    // A small, short-lived server: a quick start matters more than peak speed.
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-Xshare:auto",
    `-Xmx${options.heapMaxMib}m`,
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.net.preferIPv4Stack=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
    ...(options.syncToDisk ? [] : ["-Dzookeeper.forceSync=no"]),
    "-cp",
    classPath,
    "org.apache.zookeeper.server.quorum.QuorumPeerMain",
    options.configFile,
  ];
  return { command: java, args };
}

async function findJava(environment: Readonly<Record<string, string | undefined>>): Promise<string | null> {
  const { JAVA_HOME, PATH } = environment;
  const folders = [...(JAVA_HOME ? [join(JAVA_HOME, "bin")] : []), ...(PATH ?? "").split(delimiter).filter((folder) => folder !== "")];
  for (const folder of folders) {
    const java = join(folder, "java");
    if (await isExecutable(java)) return java;
  }
  return null;
}

function isReadable(file: string): Promise<boolean> {
  return access(file, constants.R_OK).then(
    () => true,
    () => false,
  );
}

function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}
