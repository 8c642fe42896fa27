import { setTimeout as sleep } from "node:timers/promises";
import { viewsAgree } from "../checks/cluster.ts";
import type { Evidence, Limits, StateView } from "../checks/evidence.ts";
import { brokerView, coordinatorView } from "../end/state-views.ts";
import { readStoredLogs, type StoredLog } from "../end/stored-log.ts";
import type { History } from "../history/history.ts";
import type { Cluster } from "../stage/cluster.ts";

const viewsAgreeMaxMs = 30_000;
/** Each broker compacts its own copy by itself. */
const isCompacted = (topic: string) => topic.startsWith("__");

/** What ZooKeeper and every broker say, once they say the same, or the time is over. */
export async function lastViews(cluster: Cluster): Promise<readonly StateView[]> {
  const deadlineMs = performance.now() + viewsAgreeMaxMs;
  for (;;) {
    const connection = cluster.zookeepers.map(({ address }) => address).join(",");
    // a broker that does not run any more says nothing; that it should is another check's
    const told = await Promise.all(cluster.brokers.map(({ id, address }) => brokerView(id, address).catch(() => null)));
    const views = [await coordinatorView(connection, "/chaos"), ...told.filter((view) => view !== null)];
    const disagreement = viewsAgree({ events: [], logs: [], views, limits: noLimits });
    if (disagreement.length === 0 || performance.now() > deadlineMs) return views;
    await sleep(500);
  }
}

const noLimits: Limits = { residentBytesMax: 0, logLinesPerSecondMax: 0, groupSessionMs: 0, unreplicatedMs: 0 };

/** Stops the brokers, and reads what they leave. */
export async function lastLogs(cluster: Cluster): Promise<readonly StoredLog[]> {
  for (const broker of cluster.brokers) await broker.shutDown();
  const logs = await Promise.all(
    cluster.brokers.map(({ id, dataDirectory }) => readStoredLogs(id, dataDirectory, (topic) => !isCompacted(topic))),
  );
  return logs.flat().filter(({ topic }) => !isCompacted(topic));
}

export function evidenceOf(history: History, logs: readonly StoredLog[], views: readonly StateView[], limits: Limits): Evidence {
  return { events: history.events, logs, views, limits };
}
