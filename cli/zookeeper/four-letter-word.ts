import { connect } from "node:net";

/** Asks a ZooKeeper server one of its four-letter words (`srvr`, `ruok`, `cons`). Rejects when it does not answer within `timeoutMs`. */
export function askZookeeper(host: string, port: number, word: string, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect({ host, port, timeout: timeoutMs });
    socket.setEncoding("utf8");
    socket.on("connect", () => socket.write(word));
    socket.on("data", (text: string) => {
      answer += text;
    });
    socket.on("timeout", () => socket.destroy(new Error(`ZooKeeper at ${host}:${port} did not answer "${word}" within ${timeoutMs} ms`)));
    socket.on("error", reject);
    socket.on("end", () => socket.end());
    socket.on("close", () => resolve(answer));
  });
}

export type ZookeeperMode = "standalone" | "leader" | "follower" | "observer";

/** The server's mode, or null when it does not serve now: not started, or without a quorum. */
export async function zookeeperMode(host: string, port: number, timeoutMs: number): Promise<ZookeeperMode | null> {
  const answer = await askZookeeper(host, port, "srvr", timeoutMs).catch(() => "");
  const mode = /^Mode: (standalone|leader|follower|observer)$/m.exec(answer)?.[1];
  return (mode as ZookeeperMode | undefined) ?? null;
}
