import type { Known } from "../topic/known.ts";
import { askZookeeper } from "../zookeeper/four-letter-word.ts";
import type { ZookeeperFacts } from "./facts.ts";

/** `host:port,…/chroot`; none where the brokers name none. They are the brokers' addresses of it: from here there may be no way to it. */
export async function zookeeperFacts(connect: string | null, timeoutMs: number): Promise<Known<readonly ZookeeperFacts[]>> {
  const servers = (connect ?? "")
    .replace(/\/.*$/, "")
    .split(",")
    .map((each) => each.trim())
    .filter((each) => each !== "");
  const answers = await Promise.all(servers.map((server) => serverFacts(server, timeoutMs)));
  const value = answers.filter((answer) => answer !== null);
  if (value.length > 0 && value.every(({ latency }) => latency === null))
    return { value: null, why: `no server at ${servers.join(", ")} answers here; only the brokers need to reach it` };
  return { value, why: null };
}

/** Null: it answers, and does not tell. */
async function serverFacts(server: string, timeoutMs: number): Promise<ZookeeperFacts | null> {
  const [, host = "", port = ""] = /^\[?(.*?)\]?(?::(\d+))?$/.exec(server) ?? [];
  const answer = await askZookeeper(host, Number(port || 2181), "srvr", timeoutMs).catch(() => "");
  if (answer === "") return { server, latency: null };
  return parseLatency(server, answer);
}

export function parseLatency(server: string, answer: string): ZookeeperFacts | null {
  const [, averageMs, maxMs] = /^Latency min\/avg\/max: [\d.]+\/([\d.]+)\/([\d.]+)$/m.exec(answer) ?? [];
  const [, outstanding = "0"] = /^Outstanding: (\d+)$/m.exec(answer) ?? [];
  if (averageMs === undefined) return null;
  return { server, latency: { averageMs: Number(averageMs), maxMs: Number(maxMs), outstanding: Number(outstanding) } };
}
