/** A ZooKeeper server's configuration. All times in milliseconds. */
export interface ZookeeperSettings {
  /** Absolute. Snapshots, transaction logs and `myid` are here. */
  readonly dataDirectory: string;
  readonly host: string;
  readonly clientPort: number;
  /** ZooKeeper's unit of time: heartbeats between servers; sessions expire at multiples of it. */
  readonly tickTimeMs: number;
  readonly sessionTimeoutMinMs: number;
  readonly sessionTimeoutMaxMs: number;
  /** Absent: a standalone server. */
  readonly ensemble?: ZookeeperEnsemble;
}

export interface ZookeeperEnsemble {
  /** This server's id among the members. */
  readonly myId: number;
  readonly members: readonly { readonly id: number; readonly host: string; readonly peerPort: number; readonly electionPort: number }[];
}

/** The contents of `zoo.cfg`. */
export function zookeeperConfigFile(settings: ZookeeperSettings): string {
  const lines = [
    `tickTime=${settings.tickTimeMs}`,
    "initLimit=10",
    "syncLimit=5",
    `dataDir=${settings.dataDirectory}`,
    `clientPort=${settings.clientPort}`,
    `clientPortAddress=${settings.host}`,
    `minSessionTimeout=${settings.sessionTimeoutMinMs}`,
    `maxSessionTimeout=${settings.sessionTimeoutMaxMs}`,
    "maxClientCnxns=0",
    // The web server on port 8080 is not wanted.
    "admin.enableServer=false",
    "4lw.commands.whitelist=*",
    "autopurge.snapRetainCount=3",
    "autopurge.purgeInterval=1",
    ...(settings.ensemble?.members ?? []).map(({ id, host, peerPort, electionPort }) => `server.${id}=${host}:${peerPort}:${electionPort}`),
  ];
  return `${lines.join("\n")}\n`;
}
