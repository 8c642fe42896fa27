/** Below this a broker says that it has few. */
export const fewDescriptors = 4_096;

/** Links to other brokers and to ZooKeeper, and files that are open for a moment. */
const reserve = 64;
const clientsShare = 1 / 4;
/** Clients of the broker's own machine may have some more (`client-listener.ts`). */
const ownClients = 16;
const readFilesShare = 1 / 8;
const readFilesMax = 256;

/** The limit of open files in what Linux shows as `/proc/self/limits`; null: it is not there, or there is none. */
export function descriptorLimit(limits: string): number | null {
  const soft = /^Max open files\s+(\d+)\s/m.exec(limits)?.[1];
  return soft === undefined ? null : Number(soft);
}

export interface DescriptorShares {
  /** Connections of clients; further ones are refused. */
  readonly clientConnectionsMax: number;
  /** Files that may be held open for reading. */
  readonly readFilesMax: number;
  /** Logs, each with a file that is open for writing; further ones are not opened. */
  readonly logsMax: number;
}

/**
 * Who may have how many of the files that this process may have open: connections are files too. Otherwise clients that open connections
 * could take what the logs need, and the links to other brokers: a log whose next file cannot be opened stands still.
 */
export function descriptorShares(limit: number | null): DescriptorShares {
  const most = limit ?? Number.POSITIVE_INFINITY;
  const forClients = Math.max(1, Math.floor(most * clientsShare));
  const forReading = Math.max(1, Math.min(readFilesMax, Math.floor(most * readFilesShare)));
  const forLogs = limit === null ? most : Math.max(1, limit - forClients - ownClients - forReading - reserve);
  return { clientConnectionsMax: forClients, readFilesMax: forReading, logsMax: forLogs };
}
