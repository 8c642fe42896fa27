import { Admin } from "../../client/admin/admin.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import { explain } from "../output/command-failed.ts";
import { reachCluster } from "../session/reach-cluster.ts";
import { type Health, healthOf } from "../topic/topic-health.ts";
import { isRunning } from "../up/process-identity.ts";
import type { RunningBroker, RunningCluster } from "../up/running-cluster.ts";
import { zookeeperMode } from "../zookeeper/four-letter-word.ts";

export interface ServerStatus {
  readonly address: string;
  readonly pid: number | null;
  readonly sinceMs: number | null;
  /** Null: it is as it should be. */
  readonly trouble: string | null;
}

export interface BrokerStatus extends ServerStatus {
  readonly id: BrokerId;
}

export interface ClusterStatus {
  readonly zookeeper: ServerStatus | null;
  readonly brokers: readonly BrokerStatus[];
  /** Null: no broker tells. */
  readonly health: Health | null;
}

/** How long each server may take to answer. Milliseconds. */
const answerMaxMs = 3000;

/** Asks every server of a cluster that runs on this machine. */
export async function statusOf(cluster: RunningCluster, stop: AbortSignal): Promise<ClusterStatus> {
  const [zookeeper, troubles] = await Promise.all([
    zookeeperStatus(cluster),
    Promise.all(cluster.brokers.map((broker) => brokerTrouble(broker, stop))),
  ]);
  const answering = cluster.brokers.filter((_, index) => troubles[index] === null).map(({ address }) => address);
  const { health, members } = await asTheySay(answering, stop);
  const brokers = cluster.brokers.map(({ id, address, pid, startedAtMs }, index) => {
    const isApart = troubles[index] === null && members !== null && !members.includes(id);
    const trouble = isApart ? "answers, and is not in the cluster (yet)" : (troubles[index] ?? null);
    return { id, address, pid, sinceMs: startedAtMs, trouble };
  });
  return { zookeeper, brokers, health };
}

/** Nothing is offline, every replica is in sync, every server answers. */
export function isHealthy({ zookeeper, brokers, health }: ClusterStatus): boolean {
  const areFine = brokers.length > 0 && brokers.every(({ trouble }) => trouble === null);
  return areFine && zookeeper?.trouble === null && health?.offline === 0 && health.underReplicated === 0;
}

async function zookeeperStatus({ zookeeper, startedAtMs }: RunningCluster): Promise<ServerStatus | null> {
  if (zookeeper === null) return null;
  const { connect, pid } = zookeeper;
  const servers = (connect.split("/")[0] ?? "").split(",");
  const modes = await Promise.all(servers.map(modeOf));
  const trouble = modes.some((mode) => mode !== null) ? null : `does not answer within ${answerMaxMs / 1000} s`;
  return { address: connect, pid, sinceMs: pid === null ? null : startedAtMs, trouble };
}

function modeOf(address: string): Promise<unknown> {
  const at = address.lastIndexOf(":");
  return zookeeperMode(address.slice(0, at).replaceAll(/[[\]]/g, ""), Number(address.slice(at + 1)), answerMaxMs);
}

async function brokerTrouble(broker: RunningBroker, stop: AbortSignal): Promise<string | null> {
  if (isRunning(broker) === false) return "is gone; `ottla up` says when it is started again";
  return reachCluster({ bootstrap: [broker.address], giveUpAfterMs: answerMaxMs, onLate: () => {} }, stop).then(
    () => null,
    (error) => {
      stop.throwIfAborted();
      return `does not answer (${explain(error)})`;
    },
  );
}

interface Told {
  readonly health: Health | null;
  readonly members: readonly BrokerId[] | null;
}

async function asTheySay(bootstrap: readonly string[], stop: AbortSignal): Promise<Told> {
  if (bootstrap.length === 0) return { health: null, members: null };
  await using admin = new Admin({ bootstrap, clientId: "ottla-status", signal: stop, operationTimeoutMs: answerMaxMs });
  try {
    const { brokers } = await admin.describeCluster();
    return { health: healthOf(await admin.listTopics()), members: brokers.map(({ id }) => id) };
  } catch {
    stop.throwIfAborted();
    return { health: null, members: null };
  }
}
