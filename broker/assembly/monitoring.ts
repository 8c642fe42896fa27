import type { Coordinator } from "../../coordinator-client/coordinator.ts";
import { type Address, formatAddress } from "../../protocol/base/transport.ts";
import type { BrokerOptions } from "../broker-options.ts";
import { collectCluster, SessionChanges } from "../metrics/cluster-samples.ts";
import { collectGroups, type GroupSources } from "../metrics/group-samples.ts";
import { LoopDelay } from "../metrics/loop-delay.ts";
import { type Collector, Monitor } from "../metrics/monitor.ts";
import { collectPartitions } from "../metrics/partition-samples.ts";
import { collectMemory, collectProcess, DiskSamples, type MemoryUse } from "../metrics/process-samples.ts";
import type { ReadinessSources } from "../metrics/readiness.ts";
import { collectTraffic } from "../metrics/traffic-samples.ts";
import { askCommittedEnds } from "../peer-api/committed-ends.ts";
import type { HttpListener, MonitoringHost } from "../runtime/monitoring-host.ts";
import type { Assemblies } from "./life-cycle.ts";
import type { Recorders } from "./recorders.ts";

type Needed = Pick<BrokerOptions, "settings" | "clock" | "log" | "slabs">;

/** A composed broker, as it is looked at. */
export interface Monitored extends Omit<Assemblies, "serving"> {
  readonly clients: Assemblies["serving"]["clients"];
  readonly coordinator: Coordinator;
  readonly recorders: Recorders;
  readonly stopping: AbortSignal;
}

/** Serves what `metrics.listener` promises, from before a broker starts until after it has stopped. */
export class Monitoring {
  readonly #options: Needed;
  readonly #monitor: Monitor;
  readonly #delay: LoopDelay;
  #listener: HttpListener | null = null;

  private constructor(options: Needed, host: MonitoringHost) {
    const { clock, log } = options;
    this.#options = options;
    const delay = new LoopDelay(clock);
    this.#delay = delay;
    this.#monitor = new Monitor({ clock, log: log.child({ part: "metrics" }), collectors: [(into) => collectProcess(host, delay, into)] });
  }

  /** Rejects when the address cannot be used. */
  static async open(options: Needed, host: MonitoringHost, address: Address): Promise<Monitoring> {
    const opened = new Monitoring(options, host);
    opened.#listener = await host.listen(address, (request) => opened.#monitor.answer(request));
    opened.#delay.start();
    options.log.info({ metrics: opened.url }, "serving metrics");
    return opened;
  }

  /** Of `/metrics`. */
  get url(): string {
    const { host = "", port = 0 } = this.#listener?.address ?? {};
    return `http://${formatAddress({ host, port })}/metrics`;
  }

  composed(monitored: Monitored): void {
    this.#monitor.composed({ readiness: this.#readiness(monitored), collectors: this.#collectors(monitored) });
  }

  async close(): Promise<void> {
    this.#delay.stop();
    await this.#listener?.close();
  }

  #readiness({ storage, membership, partitions, stopping }: Monitored): ReadinessSources {
    return {
      brokerId: this.#options.settings.brokerId,
      image: () => storage.images.current,
      brokerEpoch: () => membership.membership.epoch,
      isStopping: () => stopping.aborted,
      leads: (topic, { partition, leaderEpoch }) => {
        const leader = partitions.table.leader({ topic, partition });
        return typeof leader !== "string" && leader.state.epoch === leaderEpoch;
      },
    };
  }

  #collectors(monitored: Monitored): readonly Collector[] {
    const { storage, membership, partitions, clients, coordinator, recorders } = monitored;
    const { settings, clock } = this.#options;
    const { brokerId } = settings;
    const { table } = partitions;
    const { images, inForce, logs, quotas } = storage;
    const tellsPartitions = () => inForce.now.monitoring.partitionsEnabled;
    const disks = new DiskSamples(logs, settings.logDirectories, clock);
    const cluster = {
      brokerId,
      image: () => images.current,
      isController: () => membership.controller.isController,
      isRegistered: () => membership.membership.epoch >= 0,
      session: coordinator,
      sessionChanges: new SessionChanges(coordinator),
    };
    const traffic = { ...recorders, quotas, connections: () => clients.connectionCount, waitingReads: () => table.waitingReads.size };
    const replicas = {
      partitions: () => table.all(),
      offlineReplicas: () => images.current.offlineReplicas.get(brokerId)?.size ?? 0,
      tellsPartitions,
    };
    const groups = this.#groupSources(monitored, tellsPartitions);
    return [
      (into, pace) => collectCluster(cluster, into, pace),
      (into) => disks.collect(into),
      (into) => collectMemory(this.#memory(monitored), into),
      (into, pace) => collectTraffic(traffic, into, pace),
      (into, pace) => collectPartitions(replicas, into, pace),
      // last: when there are too many series, it is these that are left out
      (into, pace) => collectGroups(groups, into, pace),
    ];
  }

  #groupSources({ storage, membership, partitions }: Monitored, tellsPartitions: () => boolean): GroupSources {
    const { images } = storage;
    const { brokerId } = this.#options.settings;
    const image = () => images.current;
    return {
      groups: partitions.groups,
      exists: ({ topic, partition }) => image().topics.get(topic)?.partitions[partition] !== undefined,
      localEnd: (ref) => {
        const replica = partitions.table.find(ref);
        return replica?.role === "leading" || replica?.role === "following" ? replica.highWatermark : null;
      },
      remoteEnds: (wanted) => askCommittedEnds({ brokerId, image, peers: membership.peers }, wanted),
      tellsPartitions,
    };
  }

  #memory({ storage, partitions, clients }: Monitored): readonly MemoryUse[] {
    const { tails, indexes } = storage.logs.caches;
    const { memberMemory, pendingMemory } = partitions.groups;
    return [
      { user: "clients", bytes: clients.heldBytes, limitBytes: clients.heldBytesMax },
      { user: "log_tails", bytes: tails.sizeInBytes, limitBytes: tails.bytesMax },
      { user: "log_indexes", bytes: indexes.sizeInBytes, limitBytes: indexes.bytesMax },
      { user: "group_members", bytes: memberMemory.usedBytes, limitBytes: memberMemory.maxBytes },
      { user: "group_pending", bytes: pendingMemory.usedBytes, limitBytes: pendingMemory.maxBytes },
      { user: "free_slabs", bytes: this.#options.slabs.keptBytes, limitBytes: null },
    ];
  }
}
