import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { Admin, orThrow } from "../../../client/index.ts";
import { UsageError } from "../../support/command-line-options.ts";
import { violationsIn } from "../checks/all.ts";
import type { Limits, Violation } from "../checks/evidence.ts";
import { groupSessionTimeoutMs } from "../clients/own-member.ts";
import type { ChaosCommand } from "../command-line.ts";
import type { RunParts } from "../failover/run-failover.ts";
import { allFaults, type KnownFault } from "../faults/all.ts";
import { scheduleOf } from "../faults/schedule.ts";
import { History } from "../history/history.ts";
import { writeReport } from "../report/report.ts";
import { brokerName, Cluster } from "../stage/cluster.ts";
import { LeaderWatch } from "../watch/leader-watch.ts";
import { ProcessWatch } from "../watch/process-watch.ts";
import { ServiceWatch } from "../watch/service-watch.ts";
import { ChaosStage } from "./chaos-stage.ts";
import { Crowd, steadyWriter } from "./crowd.ts";
import { type Equipment, equip } from "./equipment.ts";
import { Rounds } from "./rounds.ts";
import { evidenceOf, lastLogs, lastViews } from "./verdict.ts";

const brokers = 3;
/** May join: see `broker-added`. */
const spares = 1;
const tickTimeMs = 1_000;
const topic = "orders";
const partitions = 6;
const warmUpMaxMs = 60_000;
const lastWholeMaxMs = 90_000;
const segmentBytes = 2 << 20;
/** A week: far more than a run and the jumps of its clocks, so that nothing of the topic may be gone at the end. */
const retentionMs = 604_800_000;

const limits: Limits = {
  residentBytesMax: 700 * 1024 * 1024,
  logLinesPerSecondMax: 20,
  groupSessionMs: groupSessionTimeoutMs,
  unreplicatedMs: 10_000,
  steadyWriter,
};

const settings = {
  "default.replication.factor": 3,
  "min.insync.replicas": 2,
  "offsets.topic.replication.factor": 3,
  "offsets.topic.num.partitions": 6,
  "auto.create.topics.enable": false,
  "leader.imbalance.check.interval.seconds": 2,
  "group.initial.rebalance.delay.ms": 500,
  "group.consumer.session.timeout.ms": groupSessionTimeoutMs,
  "group.consumer.min.session.timeout.ms": groupSessionTimeoutMs,
  "group.consumer.heartbeat.interval.ms": 2_000,
  "group.consumer.min.heartbeat.interval.ms": 2_000,
};

/** Faults by seed, clients of all kinds, and the checks at the end. Resolves with whether all of them hold. */
export async function runChaos(command: ChaosCommand, { say, signal, cannotCut }: RunParts): Promise<boolean> {
  const folder = join(command.out, `seed-${command.seed}`);
  await mkdir(join(folder, "logs"), { recursive: true });
  const history = new History(join(folder, "history.jsonl"));
  const equipped = Promise.withResolvers<Equipment>();
  let stage: ChaosStage | null = null;
  const cluster = await Cluster.start({
    brokers,
    spares,
    sessionTimeoutMs: command.sessionTimeoutMs,
    tickTimeMs,
    settings: { ...settings, ...command.settings },
    mutant: command.mutant,
    prepare: async (nodes) => {
      const equipment = await equip(nodes);
      equipped.resolve(equipment);
      return equipment.remove;
    },
    onEnd: (id, end) => history.add({ kind: "ended", process: brokerName(id), ...end, isAllowed: stage?.allows(id, end) ?? false }),
    cannotCut,
    keepsFolder: command.keepsFolder,
  });
  const leaders = new LeaderWatch(cluster.bootstrap, topic, history);
  try {
    stage = new ChaosStage({
      cluster,
      leaders,
      equipment: await equipped.promise,
      sessionTimeoutMs: command.sessionTimeoutMs,
      topic,
      say,
    });
    const run = new ChaosRun({ command, history, cluster, leaders, stage, say, signal });
    const violations = await run.conduct();
    await writeReport({ folder, seed: command.seed, history, violations, interruptions: run.interruptions, say });
    return violations.length === 0;
  } finally {
    await leaders.stop();
    await history.close();
    await Promise.all(cluster.brokers.map(({ name, logFile }) => copyFile(logFile, join(folder, "logs", `${name}.log`)).catch(() => {})));
    if (command.keepsFolder) say(`kept: ${cluster.folder}`);
    await cluster.stop();
  }
}

interface ChaosRunParts {
  readonly command: ChaosCommand;
  readonly history: History;
  readonly cluster: Cluster;
  readonly leaders: LeaderWatch;
  readonly stage: ChaosStage;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

class ChaosRun {
  readonly #parts: ChaosRunParts;
  readonly #rounds: Rounds;
  readonly #service: ServiceWatch;
  readonly #processes: ProcessWatch;

  constructor(parts: ChaosRunParts) {
    this.#parts = parts;
    const { history, cluster } = parts;
    this.#service = new ServiceWatch(history, steadyWriter, partitions);
    this.#processes = new ProcessWatch(cluster, history);
    this.#rounds = new Rounds({ ...parts, service: this.#service, partitions });
  }

  get interruptions() {
    return this.#rounds.interruptions;
  }

  async conduct(): Promise<Violation[]> {
    const { command, cluster, history, leaders, say } = this.#parts;
    const kinds = this.#kinds();
    await this.#createTopic();
    const crowd = new Crowd({ bootstrap: cluster.bootstrap, topic, partitions, history, seed: command.seed });
    for (const line of crowd.missing) say(`left out  ${line}`);
    leaders.start();
    this.#processes.start();
    await crowd.start();
    if (!(await this.#service.servedAfter(history.now(), warmUpMaxMs))) throw new Error("the clients do not get to work");
    await this.#makeFaults(kinds);
    await this.#untilWhole();
    say("stopping the clients");
    await crowd.stop();
    await this.#untilWhole();
    const views = await lastViews(cluster);
    const logs = await lastLogs(cluster);
    await this.#processes.stop();
    say("checking");
    return violationsIn(evidenceOf(history, logs, views, limits));
  }

  #kinds(): readonly KnownFault[] {
    const { command, stage, say } = this.#parts;
    const unknown = command.faults?.filter((name) => !allFaults.some((kind) => kind.name === name)) ?? [];
    if (unknown.length > 0) throw new UsageError(`--faults has ${unknown.join(", ")}: --list shows what there is`);
    const wanted = allFaults.filter(({ name }) => command.faults === null || command.faults.includes(name));
    return wanted.filter(({ name, needs }) => {
      const lack = stage.lacks(needs);
      if (lack !== null) say(`skipped  ${name}: ${lack}`);
      return lack === null;
    });
  }

  async #createTopic(): Promise<void> {
    await using admin = new Admin({ bootstrap: this.#parts.cluster.bootstrap });
    const configs = { "segment.bytes": String(segmentBytes), "retention.ms": String(retentionMs) };
    orThrow(await admin.createTopics([{ name: topic, partitions, replicationFactor: brokers, configs }]));
  }

  async #makeFaults(kinds: readonly KnownFault[]): Promise<void> {
    const { command, history, signal, stage, say } = this.#parts;
    const endAt = history.now() + command.minutes * 60_000;
    say(`seed ${command.seed}: ${command.minutes} minutes, ${kinds.length} kinds of faults, session ${command.sessionTimeoutMs} ms`);
    for (const planned of scheduleOf(command.seed, kinds, command.sessionTimeoutMs)) {
      if (signal.aborted || history.now() >= endAt) return;
      const isServed = await this.#rounds.run(planned, kinds);
      stage.allowNoEnds();
      if (!isServed) return say("service does not return: no more faults");
    }
  }

  async #untilWhole(): Promise<void> {
    const deadlineMs = performance.now() + lastWholeMaxMs;
    while (performance.now() < deadlineMs) {
      if (await this.#parts.leaders.isWhole().catch(() => false)) return;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    this.#parts.say("not all replicas get in sync");
  }
}
