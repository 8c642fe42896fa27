import type { DiskTrouble } from "../machine/fickle-machine.ts";
import { type FaultKind, type Ongoing, othersGoOnMs, type Plan, pick, type Stage, soon } from "./fault.ts";
import { startAgain } from "./processes.ts";

const secondMs = 1_000;
const hourMs = 3_600_000;
const mebibyte = 1024 * 1024;
/** Above what the broker uses as the limit is set. */
const spareMebibytes = [1, 32] as const;
/** A good disk takes a hundredth. */
const slowMs = [3, 30] as const;
/** Of a sync, in reads and writes. */
const syncShare = 10;

/** As many small ones as large ones. */
function spread([least, most]: readonly [number, number], choice: number): number {
  return least * (most / least) ** choice;
}

/**
 * Everything that waits goes by the monotonic clock; records, retention and the expiry of offsets and producers go by the wall clock, and
 * are counted in days. The run's topics are kept for a week. A broker that finds its clock set forward takes it for sleep, and does without
 * the proof of its session until the next answer.
 */
async function clockJump(stage: Stage, { picks }: Plan): Promise<Ongoing> {
  const victim = pick(stage.cluster.brokers, picks[0]);
  const machine = stage.machineOf(victim);
  const jumpMs = spread([secondMs, hourMs], picks[1]) * (picks[2] < 0.5 ? -1 : 1);
  await machine.setClock(jumpMs);
  const end = async () => {
    if (picks[3] < 0.5) await machine.setClock(0);
  };
  return { targets: [victim.name], end };
}

/** The kernel takes back what it can, and ends the broker when that is not enough. */
async function memoryLimit(stage: Stage, { picks }: Plan): Promise<Ongoing> {
  const victim = pick(stage.cluster.brokers, picks[0]);
  const memory = stage.memoryOf(victim);
  stage.allowEnd(victim);
  await memory.set((await memory.usedBytes()) + spread(spareMebibytes, picks[1]) * mebibyte);
  const end = async () => {
    await memory.set(null);
    await startAgain(victim);
  };
  return { targets: [victim.name], end };
}

function diskTrouble(of: (plan: Plan) => DiskTrouble): FaultKind["begin"] {
  return async (stage, plan) => {
    const victim = pick(stage.cluster.brokers, plan.picks[0]);
    const machine = stage.machineOf(victim);
    const trouble = of(plan);
    if (trouble.hangs) stage.allowLateStop(victim);
    await machine.setDisk(trouble);
    return { targets: [victim.name], end: () => machine.setDisk({}) };
  };
}

const slow = ({ picks }: Plan): DiskTrouble => {
  const delayMs = spread(slowMs, picks[1]);
  return { delayMs, syncDelayMs: delayMs * syncShare };
};

const failing = ({ picks }: Plan): DiskTrouble => ({
  failing: pick([["writes"], ["syncs"], ["reads"], ["reads", "writes", "syncs"]] as const, picks[1]),
});

/** When its only directory fails, the broker has to end; one that did not come to notice goes on as if nothing had been. */
async function failingDisk(stage: Stage, plan: Plan): Promise<Ongoing> {
  const { targets, end: mend } = await diskTrouble(failing)(stage, plan);
  const victim = stage.cluster.brokers.find(({ name }) => name === targets[0]);
  if (victim === undefined) throw new Error(`no ${targets[0]}`);
  stage.allowEnd(victim);
  const end = async () => {
    await mend();
    await victim.kill(); // one that did not end may have its directory offline until it is restarted
    await startAgain(victim);
  };
  return { targets, end };
}

export const machineFaults: readonly FaultKind[] = [
  {
    name: "clock-jump",
    what: "a broker's wall clock jumps, up to an hour forward or back, and may jump back or stay",
    needs: "fickle machines",
    durationMs: [1_000, 10_000],
    silenceMaxMs: othersGoOnMs,
    boundMs: soon,
    begin: clockJump,
  },
  {
    name: "memory-limit",
    what: "a broker may use hardly more memory than it does",
    needs: "memory limits",
    durationMs: [3_000, 12_000],
    silenceMaxMs: othersGoOnMs,
    boundMs: soon,
    begin: memoryLimit,
  },
  {
    name: "slow-disk",
    what: "a broker's disk takes a hundred times as long",
    needs: "fickle machines",
    durationMs: [3_000, 12_000],
    boundMs: soon,
    begin: diskTrouble(slow),
  },
  {
    name: "hung-disk",
    mayOutlastSession: true,
    what: "nothing that a broker asks of its disk comes back, for a while",
    needs: "fickle machines",
    durationMs: [1_000, 10_000],
    silenceMaxMs: othersGoOnMs,
    boundMs: soon,
    begin: diskTrouble(() => ({ hangs: true })),
  },
  {
    name: "failing-disk",
    what: "writes, syncs or reads of a broker's disk fail, or all of them",
    needs: "fickle machines",
    isAlone: true,
    durationMs: [2_000, 10_000],
    silenceMaxMs: othersGoOnMs,
    boundMs: soon,
    begin: failingDisk,
  },
];
