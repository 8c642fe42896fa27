import type { BrokerId } from "../../../protocol/base/ids.ts";
import { brokerRates } from "../../metrics/broker-rates.ts";
import type { BrokerSample } from "../../metrics/broker-sample.ts";
import type { MetricsAnswer } from "../../metrics/read-metrics.ts";
import { formatCount, formatSeconds } from "../../output/units.ts";
import { brokerNames, type ClockFacts, type Facts, whyOfSome } from "../facts.ts";
import { type Checked, type Finding, finding, findingIf } from "../finding.ts";

const limits = {
  clockMs: 2_000,
  loopDelayMs: 250,
  loopBusy: 0.9,
  diskStuckSeconds: 5,
  zookeeperMs: 50,
  outstanding: 100,
  suspensions: 3,
} as const;

interface Told {
  readonly id: BrokerId;
  readonly before: BrokerSample | null;
  readonly after: MetricsAnswer & { readonly sample: BrokerSample };
}

/** What the brokers' own metrics say: clocks, event loops, sessions with ZooKeeper, disks that take nothing. */
export function checkBrokers(facts: Facts): Checked {
  const told = [...facts.metrics].flatMap(([id, { before, after }]): Told[] =>
    after.sample === null ? [] : [{ id, before, after: after as Told["after"] }],
  );
  const whys = new Map([...facts.metrics].map(([id, { after }]) => [id, after]));
  const findings = [...clocks(told), ...loops(told, facts.observedMs), ...sessions(told), ...stuckDisks(told), ...zookeeper(facts)];
  return {
    findings,
    unchecked: [
      ...whyOfSome("clock, event loop and session", whys),
      ...(facts.zookeeper.why === null ? [] : [{ what: "latency of ZooKeeper", why: facts.zookeeper.why }]),
    ],
  };
}

/**
 * The header Date has whole seconds, and was written between our question and its answer. So the broker's clock read at least that, and
 * less than a second more, while ours was between the two.
 */
export function clockFacts({
  dateMs,
  askedAtMs,
  answeredAtMs,
}: {
  readonly dateMs: number | null;
  readonly askedAtMs: number;
  readonly answeredAtMs: number;
}): ClockFacts | null {
  return dateMs === null ? null : { leastMs: dateMs - answeredAtMs, mostMs: dateMs + 1000 - askedAtMs };
}

/** By how much it is off at least. */
function offBy({ leastMs, mostMs }: ClockFacts): number {
  return leastMs > 0 ? leastMs : mostMs < 0 ? mostMs : 0;
}

function clocks(told: readonly Told[]): readonly Finding[] {
  const known = told.flatMap(({ id, after }) => {
    const clock = after.why === null ? clockFacts(after.scraped) : null;
    return clock === null ? [] : [{ id, off: offBy(clock) }];
  });
  const off = known.filter((each) => Math.abs(each.off) >= limits.clockMs);
  const isOurs = known.length > 1 && off.length === known.length && new Set(off.map((each) => Math.sign(each.off))).size === 1;
  return findingIf(
    "clocks",
    "warning",
    off.map((each) => `broker ${each.id} (${formatSeconds(Math.abs(each.off))} ${each.off > 0 ? "ahead" : "behind"}, at least)`),
    (count) => ({
      what: isOurs
        ? "the clock of this machine and those of all brokers differ"
        : `${formatCount(count, "broker")} whose clock differs from this machine's`,
      why: "retention by time, lag in seconds and searches by time go wrong by as much",
      advice: isOurs ? "the wrong one is more likely here: see `timedatectl`" : "run NTP or chrony there",
    }),
  );
}

function loops(told: readonly Told[], observedMs: number): readonly Finding[] {
  const slow = told.flatMap(({ id, before, after }) => {
    const { loopDelayMs, loopBusy } = brokerRates(before, after.sample, observedMs / 1000);
    if ((loopDelayMs ?? 0) < limits.loopDelayMs && (loopBusy ?? 0) < limits.loopBusy) return [];
    return [`broker ${id} (1 in 100 waits ${loopDelayMs ?? "-"} ms, ${Math.round((loopBusy ?? 0) * 100)} % busy)`];
  });
  return findingIf("event-loop", "warning", slow, (count) => ({
    what: `${formatCount(count, "broker")} whose event loop is late`,
    why: "everything that a broker does goes through it: requests, heartbeats, its session with ZooKeeper",
    advice: "the machine has too little CPU or memory, or the broker too much to do",
    commands: ["ottla top"],
  }));
}

function sessions(told: readonly Told[]): readonly Finding[] {
  const without = told.filter(
    ({ after: { sample } }) => (sample.sessionState ?? "connected") !== "connected" || sample.isRegistered === false,
  );
  const unsteady = told.flatMap(({ id, after: { sample } }) => {
    const count = (sample.sessionChanges.get("suspended") ?? 0) + (sample.sessionChanges.get("lost") ?? 0);
    return count >= limits.suspensions ? [`broker ${id} (${count} times since its start)`] : [];
  });
  const unready = told.filter(({ after: { sample } }) => sample.isReady === false);
  return [
    ...findingIf(
      "zookeeper",
      "error",
      without.map(({ id, after }) => `broker ${id} (${after.sample.sessionState ?? "not registered"})`),
      (count) => ({
        what: `${formatCount(count, "broker")} without a session with ZooKeeper`,
        why: "without one a broker leads nothing: what is acknowledged must be known to be its own",
        advice: "see that ZooKeeper runs and has a quorum, and that the broker reaches it",
      }),
    ),
    ...findingIf("zookeeper", "warning", unsteady, (count) => ({
      what: `${formatCount(count, "broker")} whose session with ZooKeeper was interrupted again and again`,
      why: "each time leaders may move",
      advice: "look for pauses of the broker, of ZooKeeper's disk, and of the network between them; see zookeeper.session.timeout.ms",
    })),
    ...findingIf("ready", "warning", brokerNames(unready.map(({ id }) => id)), (count) => ({
      what: `${formatCount(count, "broker")} not ready`,
      why: "it opens its logs, catches up, or does not lead what it should: restart no other one meanwhile",
      advice: "GET /readyz of its metrics.listener says what is missing",
    })),
  ];
}

function stuckDisks(told: readonly Told[]): readonly Finding[] {
  const stuck = told.filter(({ after: { sample } }) => (sample.diskStuckSeconds ?? 0) >= limits.diskStuckSeconds);
  return stuck.map(({ id, after: { sample } }) =>
    finding("disks", "error", {
      what: `a disk of broker ${id} has taken nothing for ${Math.round(sample.diskStuckSeconds ?? 0)} s`,
      where: [`broker ${id}`],
      why: "what is appended there waits",
      advice: "see the machine's log for errors of the disk",
    }),
  );
}

function zookeeper({ zookeeper: { value } }: Facts): readonly Finding[] {
  if (value === null) return [];
  const silent = value.filter(({ latency }) => latency === null);
  const slow = value.filter(
    ({ latency }) => latency !== null && (latency.averageMs >= limits.zookeeperMs || latency.outstanding >= limits.outstanding),
  );
  return [
    ...findingIf(
      "zookeeper",
      "warning",
      silent.map(({ server }) => server),
      (count) => ({
        what: `${formatCount(count, "server")} of ZooKeeper ${count === 1 ? "does" : "do"} not answer`,
        why: "others do; the ensemble serves as long as most of its servers live",
        advice: "start it again",
      }),
    ),
    ...findingIf(
      "zookeeper",
      "warning",
      slow.map(({ server, latency }) => `${server} (${latency?.averageMs} ms on average, ${latency?.outstanding} waiting)`),
      (count) => ({
        what: `${formatCount(count, "server")} of ZooKeeper slow`,
        why: "elections and changes of in-sync sets take as long, and sessions may be lost",
        advice: "give its transaction log a disk of its own",
      }),
    ),
  ];
}
