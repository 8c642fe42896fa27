import { copyingMs } from "../../placement/plan.ts";
import type { BrokerLoad, Measure, Plan } from "../../placement/plan-contract.ts";
import type { Look } from "../output/look.ts";
import { type Cell, quantity, table } from "../output/table.ts";
import { formatAge, formatBytes, formatCount } from "../output/units.ts";
import { formatLimit } from "./rate.ts";

export interface PlanShown {
  readonly by: Measure;
  /** What a broker receives or sends at most; null: as much as it can, and how long it takes is not known. */
  readonly bytesPerSecond: number | null;
}

/** Its JSON. */
export function planFields(plan: Plan, { by, bytesPerSecond }: PlanShown): object {
  const { moves, copying, bytes, leaderless, overfull } = plan;
  const brokers = brokersOf(plan).map(({ before, after, receivesBytes, sendsBytes }) => {
    const { broker, rack } = before;
    return { broker, rack, before: figuresOf(before, by), after: figuresOf(after, by), receivesBytes, sendsBytes };
  });
  const expectedMs = bytesPerSecond === null ? null : copyingMs(copying, bytesPerSecond);
  return { by, brokers, moves, bytes, throttle: bytesPerSecond, expectedMs, leaderless, overfull };
}

function figuresOf({ leaders, replicas, bytes, traffic }: BrokerLoad, by: Measure): object {
  return { leaders, replicas, bytes, ...(by === "traffic" ? { bytesPerSecond: Math.round(traffic) } : {}) };
}

/** Each broker, with what the plan does to it. One that is away, and gives away all it has, is not there afterwards. */
function brokersOf({ before, after, copying }: Plan) {
  const loads = new Map(after.map((load) => [load.broker, load]));
  const costs = new Map(copying.map((cost) => [cost.broker, cost]));
  return before.map((load) => {
    const { broker, rack } = load;
    const nothing: BrokerLoad = { broker, rack, leaders: 0, replicas: 0, bytes: 0, traffic: 0 };
    const { receivesBytes = 0, sendsBytes = 0 } = costs.get(broker) ?? {};
    return { before: load, after: loads.get(broker) ?? nothing, receivesBytes, sendsBytes };
  });
}

/** The moves, each broker before and after, and what it costs. */
export function planAsText(plan: Plan, { by, bytesPerSecond }: PlanShown, look: Look): string {
  const isByTraffic = by === "traffic";
  const bytes = (value: number) => quantity(value, formatBytes, look);
  const rate = (value: number) => quantity(Math.round(value), (each) => `${formatBytes(each)}/s`, look);
  const moves = plan.moves.map(({ topic, partition, from, to, bytes: copied }): Cell[] => [
    topic,
    partition,
    from.join(","),
    to.join(","),
    bytes(copied),
  ]);
  const brokers = brokersOf(plan).map(({ before: load, after: then, receivesBytes, sendsBytes }): Cell[] => {
    return [
      load.broker,
      load.rack ?? "-",
      ...[load.leaders, then.leaders, load.replicas, then.replicas, bytes(load.bytes), bytes(then.bytes)],
      ...[bytes(receivesBytes), bytes(sendsBytes)],
      ...(isByTraffic ? [rate(load.traffic), rate(then.traffic)] : []),
    ];
  });
  const head = ["broker", "rack", "leaders", "then", "replicas", "then", "size", "then", "receives", "sends"];
  const tables = [
    table(["topic", "partition", "from", "to", "copied"], moves, look),
    table([...head, ...(isByTraffic ? ["written/s", "then"] : [])], brokers, look),
  ];
  return `${tables.join("\n")}\n${costOf(plan, bytesPerSecond)}\n`;
}

function costOf({ moves, bytes, copying }: Plan, bytesPerSecond: number | null): string {
  const copies = moves.reduce((sum, { adding }) => sum + adding.length, 0);
  const leaders = moves.filter(({ from, to }) => from[0] !== to[0]).length;
  const parts = [
    ...(copies > 0 ? [`${formatCount(copies, "copy", "copies")} to make, ${formatBytes(bytes)}`] : []),
    ...(leaders > 0 ? [`${formatCount(leaders, "preferred leader")} to change`] : []),
  ];
  if (copies === 0 || bytesPerSecond === null) return parts.join("; ");
  const atLeast = formatAge(Math.max(1000, copyingMs(copying, bytesPerSecond)));
  return [...parts, `${atLeast} at least, at ${formatLimit(bytesPerSecond)} for each broker`].join("; ");
}
