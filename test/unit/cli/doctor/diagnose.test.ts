import { describe, expect, test } from "vitest";
import { parseLatency } from "../../../../cli/doctor/ask-zookeeper.ts";
import { clockFacts } from "../../../../cli/doctor/checks/brokers.ts";
import { diagnose } from "../../../../cli/doctor/diagnose.ts";
import type { Facts } from "../../../../cli/doctor/facts.ts";
import type { Finding } from "../../../../cli/doctor/finding.ts";
import { KafkaProtocolError } from "../../../../client/base/errors.ts";
import { aBroker, aDirectory, aSample, aTopic, metricsRead, nowMs } from "../cluster-to-order.ts";
import { aGroup, aLag, copiesOf, probe, settings, sound, soundTopic } from "./facts-to-order.ts";

function found(more: Partial<Facts>): readonly Finding[] {
  return diagnose(sound(more)).findings;
}

/** Of one finding only, what people are told of it. */
function theOne(more: Partial<Facts>): Pick<Finding, "check" | "severity" | "what" | "where" | "commands"> {
  const findings = found(more);
  expect(findings.map(({ what }) => what)).toHaveLength(1);
  const { check, severity, what, where, commands } = findings[0]!;
  return { check, severity, what, where, commands };
}

test("a cluster with nothing wrong has no findings, and everything was checked", () => {
  expect(diagnose(sound())).toEqual({ findings: [], unchecked: [] });
});

describe("addresses", () => {
  test("one that does not answer here is named, with its listener", () => {
    const probes = new Map([1, 2, 3].map((id) => [id, probe(id, id === 2 ? { trouble: "does not resolve", versions: null } : {})]));
    expect(theOne({ probes })).toMatchObject({
      check: "addresses",
      severity: "error",
      what: "1 broker cannot be reached from here at the advertised address (listener PLAINTEXT)",
      where: ["broker 2 (b2:9092 does not resolve)"],
    });
  });

  test("two brokers at one address, and a broker that answers for another", () => {
    const brokers = [aBroker(1), { ...aBroker(2), host: "b1" }, aBroker(3)];
    expect(theOne({ brokers }).where).toEqual(["b1:9092 (brokers 1, 2)"]);
    const why = 'INVALID_REQUEST: This is broker 3; it can tell its own settings and the default of all brokers, not those of "2".';
    const others = new Map([...sound().settings, [2, { value: null, why }] as const]);
    expect(found({ settings: others }).map(({ what }) => what)).toEqual(["at the address of broker 2 broker 3 answers"]);
  });
});

describe("partitions", () => {
  test("those without a leader, below the minimum, under-replicated, and who is away", () => {
    const brokers = [aBroker(1), aBroker(2)];
    const topics = [aTopic("t", [{ isr: [1, 2] }, { isr: [1], leader: 1 }, { leader: -1, isr: [3], replicas: [3, 1, 2] }])];
    const findings = found({ brokers, topics, copies: copiesOf(brokers, topics) });
    expect(findings.map(({ severity, what, where }) => [severity, what, where])).toEqual([
      ["error", "1 broker with replicas is away", ["broker 3"]],
      ["error", "1 partition without a leader", ["t-2"]],
      ["error", "1 partition with fewer copies in sync than min.insync.replicas", ["t-1"]],
      ["warning", "2 partitions under-replicated", ["t-0", "t-1"]],
    ]);
    expect(findings[0]?.commands).toEqual(["ottla cluster drain 3 --dry-run"]);
  });

  test("no controller", () => {
    expect(theOne({ controllerId: -1 }).what).toBe("there is no controller");
    expect(theOne({ controllerId: 9 }).what).toBe("the controller, broker 9, is not there");
  });
});

describe("disks", () => {
  const on = (directory: ReturnType<typeof aDirectory>) => ({
    directories: new Map([...sound().directories, [2, { value: [directory], why: null }] as const]),
  });
  test("filling, nearly full, failed", () => {
    expect(found(on(aDirectory("/d", 0.79)))).toEqual([]);
    expect(theOne(on(aDirectory("/d", 0.81)))).toMatchObject({ severity: "warning", where: ["broker 2 /d (81 % of 1000 B)"] });
    expect(theOne(on(aDirectory("/d", 0.96)))).toMatchObject({ severity: "error", what: "1 disk nearly full" });
    const failed = aDirectory("/d", 0, { error: new KafkaProtocolError("KAFKA_STORAGE_ERROR", "/d"), totalBytes: -1, usableBytes: -1 });
    expect(theOne(on(failed))).toMatchObject({ severity: "error", where: ["broker 2 /d"] });
    expect(found(on(aDirectory("/d", 0, { totalBytes: -1, usableBytes: -1 })))).toEqual([]);
  });

  test("what is kept for ever matters while a disk fills, and is no matter otherwise", () => {
    const endless = { ...soundTopic, "retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete" };
    const topicSettings = { value: new Map([["t", settings(endless)]]), why: null };
    expect(found({ topicSettings })).toEqual([]);
    expect(found({ topicSettings, ...on(aDirectory("/d", 0.85)) }).map(({ commands }) => commands[0])).toEqual([
      "ottla cluster log-dirs",
      "ottla topic alter t --config retention.ms=604800000",
    ]);
  });
});

describe("what the brokers' metrics say", () => {
  test("a clock that is off, by what the whole seconds of a header can tell", () => {
    const off = (aheadMs: number) => ({
      metrics: new Map([...sound().metrics, [3, { before: null, after: metricsRead(aSample(3), { aheadMs }) }] as const]),
    });
    expect(found(off(1_900))).toEqual([]);
    expect(found(off(-1_900))).toEqual([]);
    expect(theOne(off(7_000)).where).toEqual(["broker 3 (7.00 s ahead, at least)"]);
    expect(theOne(off(-60_000)).where).toEqual(["broker 3 (59.0 s behind, at least)"]);
    expect(clockFacts({ dateMs: 10_000, askedAtMs: 10_200, answeredAtMs: 10_300 })).toEqual({ leastMs: -300, mostMs: 800 });
  });

  test("where all differ alike, this machine's is the suspect", () => {
    const metrics = new Map([1, 2, 3].map((id) => [id, { before: null, after: metricsRead(aSample(id), { aheadMs: 60_000 }) }]));
    expect(theOne({ metrics }).what).toBe("the clock of this machine and those of all brokers differ");
  });

  test("a late event loop, a session that is gone or unsteady, a broker that is not ready, a disk that takes nothing", () => {
    const loop = (active: number, counts: readonly [number, number]) => ({
      activeSeconds: active,
      idleSeconds: 0,
      delays: [
        { boundSeconds: 0.1, count: counts[0] },
        { boundSeconds: 0.5, count: counts[1] },
        { boundSeconds: Number.POSITIVE_INFINITY, count: counts[1] },
      ],
    });
    const metrics: Facts["metrics"] = new Map([
      [1, { before: aSample(1, { loop: loop(0, [0, 0]) }), after: metricsRead(aSample(1, { loop: loop(5, [10, 50]) })) }],
      [2, { before: null, after: metricsRead(aSample(2, { sessionState: "suspended", isReady: false, diskStuckSeconds: 12 })) }],
      [
        3,
        {
          before: null,
          after: metricsRead(
            aSample(3, {
              sessionChanges: new Map([
                ["suspended", 4],
                ["connected", 4],
              ]),
            }),
          ),
        },
      ],
    ]);
    expect(found({ metrics }).map(({ check, severity, where }) => [check, severity, where])).toEqual([
      ["zookeeper", "error", ["broker 2 (suspended)"]],
      ["disks", "error", ["broker 2"]],
      ["event-loop", "warning", ["broker 1 (1 in 100 waits 500 ms, 100 % busy)"]],
      ["zookeeper", "warning", ["broker 3 (4 times since its start)"]],
      ["ready", "warning", ["broker 2"]],
    ]);
  });

  test("without metrics the checks say why they were not made", () => {
    const after = { sample: null, why: "its metrics.listener is not set" };
    const metrics = new Map([1, 2, 3].map((id) => [id, { before: null, after }]));
    expect(diagnose(sound({ metrics })).unchecked).toEqual([
      { what: "clock, event loop and session of brokers 1, 2, 3", why: "its metrics.listener is not set" },
    ]);
  });

  test("ZooKeeper that is slow, or of which a server is silent", () => {
    const answer = "Zookeeper version: 3.8\nLatency min/avg/max: 0/61.5/900\nOutstanding: 3\nMode: leader\n";
    expect(parseLatency("z:1", answer)).toEqual({ server: "z:1", latency: { averageMs: 61.5, maxMs: 900, outstanding: 3 } });
    expect(parseLatency("z:1", "srvr is not executed because it is not in the whitelist.\n")).toBeNull();
    const zookeeper = { value: [parseLatency("z:1", answer)!, { server: "z:2", latency: null }], why: null };
    expect(found({ zookeeper }).map(({ where }) => where)).toEqual([["z:2"], ["z:1 (61.5 ms on average, 3 waiting)"]]);
  });
});

describe("reassignments and throttles", () => {
  const move = (partition: number, bytesLeft: number | null, adding = [3]) => ({ topic: "t", partition, adding, removing: [], bytesLeft });
  const moves = (before: ReturnType<typeof move>[], after: ReturnType<typeof move>[]) => ({
    moves: { value: { before, after }, why: null },
    copies: copiesOf(sound().brokers, sound().topics, 1000, after.length),
  });

  test("those that get on are well, and those that wait for them", () => {
    expect(found(moves([move(0, 100), move(1, 50)], [move(0, 60), move(1, 50)]))).toEqual([]);
    expect(found(moves([move(0, 100), move(1, 50)], [move(1, 50)]))).toEqual([]);
  });

  test("when none gets on they stand still, and a broker that is away is why", () => {
    const { what, where, commands } = theOne(moves([move(0, 100), move(1, null)], [move(0, 100), move(1, null)]));
    expect([what, where]).toEqual(["2 reassignments under way, none of which got on in 5.00 s", ["t-0 (100 B left)", "t-1"]]);
    expect(commands).toEqual(["ottla cluster rebalance --watch", "ottla cluster rebalance --cancel"]);
    expect(found(moves([move(0, 100, [9])], [move(0, 100, [9])]))[0]?.why).toBe("broker 9, which is to get copies, is away");
  });

  test("throttles are left behind when nothing moves, and in use while something does", () => {
    const leader = "leader.replication.throttled.replicas";
    const rate = "follower.replication.throttled.rate";
    const left = {
      topicSettings: { value: new Map([["t", settings({ ...soundTopic, [leader]: ["0:1", "topic"] })]]), why: null },
      settings: new Map([
        ...sound().settings,
        [2, { value: settings({ [rate]: ["1000", "dynamic-broker"] }), why: null }] as const,
        [3, { value: settings({ [rate]: ["9", "dynamic-default"] }), why: null }] as const,
      ]),
    };
    expect(theOne(left)).toMatchObject({
      check: "throttles",
      where: ["topic t (leader)", "broker 2 (follower)", "all brokers (follower)"],
      commands: [
        `ottla topic alter t --delete-config ${leader}`,
        `ottla cluster alter --broker 2 --delete-config ${rate}`,
        `ottla cluster alter --delete-config ${rate}`,
      ],
    });
    expect(found({ ...left, ...moves([move(0, 100)], [move(0, 10)]) })).toEqual([]);
  });
});

describe("balance", () => {
  const brokers = [aBroker(1), aBroker(2), aBroker(3)];
  const topics = (count: number, replicas: readonly number[]) => [
    aTopic(
      "t",
      Array.from({ length: count }, () => ({ replicas })),
    ),
  ];
  const of = (some: ReturnType<typeof topics>, bytes = 1000, at = brokers) => ({
    brokers: at,
    topics: some,
    copies: copiesOf(at, some, bytes),
  });

  test("a broker with nothing on it, and others that have too much", () => {
    const findings = found(of(topics(18, [1, 2]))).filter(({ check }) => check === "balance");
    expect(findings.map(({ severity, what }) => [severity, what])).toEqual([
      ["warning", "preferred leaders are uneven: one broker has 200 % more than the mean of 6"],
      ["note", "1 broker with nothing on it"],
      ["note", "copies are uneven: one broker has 50 % more than the mean of 12"],
    ]);
    expect(findings.map(({ commands }) => commands)).toEqual(findings.map(() => ["ottla cluster rebalance --dry-run"]));
  });

  test("a broker that was drained is meant to have nothing: a rebalance would fill it again", () => {
    const drained = { value: settings({ "ottla.auto.rebalance.excluded.brokers": "3" }), why: null };
    const facts = { ...of(topics(18, [1, 2])), settings: new Map(brokers.map(({ id }) => [id, drained])) };
    const told = found(facts).filter(({ check }) => check === "balance");
    expect(told.map(({ what }) => what)).toEqual(["preferred leaders are uneven: one broker has 100 % more than the mean of 9"]);
  });

  test("one partition that is larger than all others is no imbalance: no plan would make it smaller", () => {
    const large = of(topics(1, [1]), 2 ** 40);
    expect(found(large).map(({ what }) => what)).not.toContainEqual(expect.stringContaining("uneven"));
    const many = of(topics(9, [1]), 2 ** 30);
    expect(found(many).map(({ what }) => what)).toContainEqual(expect.stringMatching(/^bytes are uneven: .* 200 % .* of 3\.0 GiB$/));
  });

  test("racks that have several copies, and brokers without a rack among others", () => {
    const racked = [aBroker(1, "a"), aBroker(2, "a"), aBroker(3, "b")];
    const some = [aTopic("t", [{ replicas: [1, 2] }, { replicas: [2, 3] }])];
    const [crowded, ...others] = found(of(some, 0, racked)).filter(({ check }) => check === "racks");
    expect([crowded?.where, others]).toEqual([["t-0"], []]);
    const half = [aBroker(1, "a"), aBroker(2, "b"), aBroker(3)];
    expect(theOne(of([aTopic("t", [{}])], 0, half))).toMatchObject({ check: "racks", where: ["broker 3"] });
  });

  test("leaders that are not the preferred ones", () => {
    const some = [aTopic("t", [{ leader: 2 }, { replicas: [2, 3, 1] }, { replicas: [3, 1, 2] }])];
    expect(theOne(of(some))).toMatchObject({ severity: "note", where: ["t-0"], commands: ["ottla topic elect-leaders"] });
  });

  test("too many copies on one broker", () => {
    const some = [
      aTopic(
        "t",
        Array.from({ length: 4_001 }, (_, i) => ({ replicas: [1 + (i % 3), 1 + ((i + 1) % 3), 1 + ((i + 2) % 3)] })),
      ),
    ];
    expect(theOne(of(some, 0)).where[0]).toBe("broker 1 (4,001)");
  });
});

describe("groups", () => {
  const of = (...groups: ReturnType<typeof aGroup>[]) => ({ groups: { value: groups, why: null }, groupsCount: groups.length });

  test("one that keeps up is well, however many records it has left at the moment", () => {
    const fast = { lagMs: 4_000 };
    expect(found(of(aGroup("g", 1, [aLag(0, 5_000, fast)], [aLag(0, 90_000, { ...fast, position: 100 })])))).toEqual([]);
  });

  test("one that commits nothing is stuck, one whose lag grows is slow, one that gets smaller catches up", () => {
    const stuck = aGroup("it's", 1, [aLag(0, 100)], [aLag(0, 120)]);
    expect(theOne(of(stuck))).toMatchObject({
      severity: "warning",
      what: "1 group with members that commit nothing while records wait",
      where: ["it's (120 records, 2m behind)"],
      commands: ["ottla group describe 'it'\\''s'"],
    });
    const slow = aGroup("g", 1, [aLag(0, 100)], [aLag(0, 120, { position: 150 })]);
    expect(theOne(of(slow)).what).toBe("1 group whose lag grows");
    expect(found(of(aGroup("g", 1, [aLag(0, 100)], [aLag(0, 80, { position: 150 })])))).toEqual([]);
  });

  test("one without members is a note; to delete it is no command to be typed as it is: a program may be away for a night", () => {
    expect(theOne(of(aGroup("g", 0, [aLag(0, 100)], [aLag(0, 100)])))).toMatchObject({
      severity: "note",
      commands: ["ottla group describe g"],
    });
  });

  test("positions outside of the log, rebalances without an end, members without partitions", () => {
    const outside = aGroup("g", 0, [], [aLag(0, 0, { outOfRange: "before-start" })]);
    expect(theOne(of(outside)).where).toEqual(["g (t-0)"]);
    const whole = aGroup("g", 2, [], []);
    const rebalance = { sinceMs: nowMs - 90_000, awaited: ["m1"], newcomers: 0 };
    const long = { ...whole, description: { ...whole.description, state: "PreparingRebalance", rebalance } };
    expect(theOne(of(long)).where[0]).toMatch(/^g: rebalancing since .* \(1m30s\), waiting for 1 of 2 members: m1/);
    const idle = {
      ...whole,
      description: { ...whole.description, members: whole.description.members.map((each) => ({ ...each, partitions: [] })) },
    };
    expect(theOne(of(idle)).where).toEqual(["g (2 of 2)"]);
  });

  test("groups that did not answer were not checked", () => {
    const { unchecked } = diagnose(sound({ groupsCount: 3 }));
    expect(unchecked.map(({ what }) => what)).toEqual(["lag of 3 groups"]);
  });
});

describe("settings", () => {
  const topic = (replicas: readonly number[], more: Readonly<Record<string, string>>) => {
    const topics = [
      aTopic(
        "t",
        replicas.map((first) => ({ replicas: replicas.map((_, i) => replicas[(replicas.indexOf(first) + i) % replicas.length]!) })),
      ),
    ];
    return {
      topics,
      copies: copiesOf(sound().brokers, topics),
      topicSettings: { value: new Map([["t", settings({ ...soundTopic, ...more })]]), why: null },
    };
  };

  test("of topics, each with the command that mends it", () => {
    expect(theOne(topic([1, 2, 3], { "min.insync.replicas": "1" }))).toMatchObject({
      where: ["t (1 of 3)"],
      commands: ["ottla topic alter t --config min.insync.replicas=2"],
    });
    expect(theOne(topic([1, 2, 3], { "min.insync.replicas": "4" })).what).toBe(
      "1 topic with min.insync.replicas above the number of copies",
    );
    expect(theOne(topic([1, 2, 3], { "min.insync.replicas": "3" })).what).toBe("1 topic whose copies must all be in sync");
    expect(theOne(topic([1, 2, 3], { "unclean.leader.election.enable": "true" })).commands).toEqual([
      "ottla topic alter t --config unclean.leader.election.enable=false",
    ]);
    const single = [aTopic("t", [{ replicas: [1] }, { replicas: [2] }, { replicas: [3] }])];
    expect(theOne({ topics: single, copies: copiesOf(sound().brokers, single) }).commands).toEqual([
      "ottla topic alter t --replication-factor 3",
    ]);
  });

  test("one broker alone cannot have more copies", () => {
    const [brokers, topics] = [[aBroker(1)], [aTopic("t", [{ replicas: [1] }])]];
    expect(found({ brokers, topics, copies: copiesOf(brokers, topics) })).toEqual([]);
  });

  test("of brokers: data below /tmp, topics on their first mention, what differs", () => {
    const of = (id: number, more: Readonly<Record<string, string>>) =>
      ({ settings: new Map([...sound().settings, [id, { value: settings(more), why: null }] as const]) }) satisfies Partial<Facts>;
    expect(theOne(of(2, { "log.dirs": "/data,/tmp/kafka-logs" })).where).toEqual(["broker 2 (/tmp/kafka-logs)"]);
    expect(found(of(2, { "log.dirs": "/tmpfiles/a" }))).toEqual([]);
    expect(theOne(of(2, { "auto.create.topics.enable": "true" }))).toMatchObject({ severity: "note", where: ["broker 2"] });
    const differing = new Map(
      [1, 2, 3].map((id) => [id, { value: settings({ "num.partitions": id === 3 ? "1" : "6", "broker.rack": `r${id}` }), why: null }]),
    );
    expect(theOne({ settings: differing }).where).toEqual(["num.partitions (6 on 1, 2; 1 on 3)"]);
  });

  test("brokers of different versions", () => {
    const probes = new Map([1, 2, 3].map((id) => [id, probe(id, id === 2 ? { versions: ["0:3-8", "1:4-11"] } : {})]));
    expect(theOne({ probes })).toMatchObject({ check: "versions", where: ["broker 2"] });
  });
});
