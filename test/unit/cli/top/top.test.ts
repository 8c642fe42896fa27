import { describe, expect, test } from "vitest";
import type { MetricsAnswer } from "../../../../cli/metrics/read-metrics.ts";
import { type Look, plainLook } from "../../../../cli/output/look.ts";
import { widthOf } from "../../../../cli/output/text-width.ts";
import type { ClusterKnown } from "../../../../cli/top/cluster-reader.ts";
import { Paced } from "../../../../cli/top/paced.ts";
import { brokerRows, groupRows, topicRows } from "../../../../cli/top/rows.ts";
import { footerOf, remarksOf, screenOf, wholeTable } from "../../../../cli/top/screen.ts";
import { firstState, pressed, type TopState } from "../../../../cli/top/top-state.ts";
import type { PartitionFigures } from "../../../../cli/topic/topic-figures.ts";
import { aBroker, aDirectory, aSample, aTopic, metricsRead } from "../cluster-to-order.ts";

const ends = (values: Readonly<Record<string, number>>, atMs: number) => ({
  value: new Map(Object.entries(values).map(([key, endOffset]) => [key, { endOffset } as PartitionFigures])),
  atMs,
});
const sampleAt = (atMs: number, id: number, bytes: number, cpuSeconds: number) =>
  metricsRead(aSample(id, { cpuSeconds, receivedBytes: new Map([["t", bytes]]) }), { atMs });
const groups = (atMs: number, lag: number, unknown = 0) => ({
  value: {
    groups: [{ groupId: "g", protocolType: "consumer", state: "Stable", type: "classic" as const }],
    figures: new Map([["g", { members: 2, lag: { value: lag, unknown } }]]),
  },
  atMs,
});

const replica = (topic: string, partition: number, sizeInBytes: number) => ({
  topic,
  partition,
  sizeInBytes,
  offsetLag: 0,
  isFuture: false,
});
/** Two brokers, of which the second has no metrics, and a third that is away. */
const known: ClusterKnown = {
  metadata: {
    clusterId: "c",
    controllerId: 1,
    brokers: [aBroker(1), aBroker(2)],
    topics: [aTopic("t", [{ replicas: [1, 2] }, { replicas: [2, 3], isr: [2] }]), aTopic("quiet", [{ replicas: [1], leader: -1 }])],
  },
  metrics: {
    value: new Map<number, MetricsAnswer>([
      [1, sampleAt(3000, 1, 5000, 11)],
      [2, { sample: null, why: "its metrics.listener is not set" }],
    ]),
    atMs: 3000,
  },
  metricsBefore: { value: new Map([[1, sampleAt(1000, 1, 1000, 10)]]), atMs: 1000 },
  directories: new Map([
    [1, { value: [aDirectory("/d", 0.9, { replicas: [replica("t", 0, 700), replica("quiet", 0, 5)] })], why: null }],
    [2, { value: [aDirectory("/d", 0.2, { replicas: [replica("t", 0, 600), replica("t", 1, 300)] })], why: null }],
  ]),
  ends: ends({ "t-0": 300, "t-1": 80 }, 3000),
  endsBefore: ends({ "t-0": 100, "t-1": 60 }, 1000),
  groups: groups(40_000, 600),
  groupsOldest: groups(10_000, 900),
  failures: [],
};

test("brokers: what their metrics tell, what the protocol tells, and nothing made up where nothing is told", () => {
  expect(brokerRows(known)).toMatchObject([
    { broker: 1, cpu: 0.5, inBytesPerSecond: 2000, recordsPerSecond: 100, leaders: 1, replicas: 2, sizeInBytes: 705, isController: true },
    { broker: 2, cpu: null, inBytesPerSecond: null, recordsPerSecond: 10, leaders: 1, replicas: 2, underReplicated: 1, sizeInBytes: 900 },
    { broker: 3, address: null, leaders: 0, replicas: 1, memoryBytes: null, sizeInBytes: null },
  ]);
  expect(brokerRows(known)[0]?.diskUsed).toBeCloseTo(0.9);
});

test("topics: records by their offsets, bytes by the metrics, the size of the leaders' copies", () => {
  expect(topicRows(known)).toMatchObject([
    { topic: "t", recordsPerSecond: 110, inBytesPerSecond: 2000, sizeInBytes: 1000, underReplicated: 1, offline: 0 },
    { topic: "quiet", recordsPerSecond: 0, inBytesPerSecond: 0, sizeInBytes: 0, offline: 1 },
  ]);
  expect(topicRows({ ...known, metrics: null, endsBefore: null })[0]).toMatchObject({ inBytesPerSecond: null, recordsPerSecond: null });
});

test("groups: the slope of their lag, and when they catch up", () => {
  expect(groupRows(known)).toEqual([{ group: "g", state: "Stable", members: 2, lag: 600, lagPerSecond: -10, catchesUpInMs: 60_000 }]);
  expect(groupRows({ ...known, groupsOldest: groups(10_000, 300) })[0]).toMatchObject({ lagPerSecond: 10, catchesUpInMs: null });
  expect(groupRows({ ...known, groups: groups(40_000, 0) })[0]?.catchesUpInMs).toBe(0);
  expect(groupRows({ ...known, groups: groups(40_000, 600, 1) })[0]).toMatchObject({ lag: null, lagPerSecond: null });
});

describe("keys", () => {
  const start = firstState("brokers", null, "");
  const press = (...keys: readonly string[]) =>
    keys.reduce((state: TopState, key) => pressed(state, { text: key.length === 1 ? key : "", name: key, ctrl: false }), start);

  test("views, sorting, pause, quit", () => {
    expect([press("t").view, press("tab", "tab").view, press("3").view, press("tab", "tab", "tab").view]).toEqual([
      "topics",
      "groups",
      "groups",
      "brokers",
    ]);
    expect(press(">").sorting.brokers).toEqual({ column: 1, isDescending: true });
    expect(press("<").sorting.brokers.column).toBe(12);
    expect(press(">", "r", "t").sorting).toMatchObject({ brokers: { column: 1, isDescending: false }, topics: start.sorting.topics });
    expect([press("p").isPaused, press("p", " ").isPaused, press("q").hasEnded, press("x")]).toEqual([true, false, true, start]);
    expect(pressed(start, { text: "\u0003", name: "c", ctrl: true }).hasEnded).toBe(true);
    expect([press("?").showsHelp, press("?", "t")]).toEqual([true, start]);
  });

  test("what is typed after / is the filter, and no command", () => {
    expect(press("/", "q", "t")).toMatchObject({ filter: "qt", isTyping: true, hasEnded: false, view: "brokers" });
    expect(press("/", "q", "backspace", "b", "return", "t")).toMatchObject({ filter: "b", isTyping: false, view: "topics" });
    expect(press("/", "b", "escape").filter).toBe("");
    expect(press("/", "b", "return", "escape").filter).toBe("");
    expect(pressed(press("/"), { text: "\u0003", name: "c", ctrl: true }).hasEnded).toBe(true);
  });
});

describe("the screen", () => {
  const look = (columns: number, rows = 24): Look => ({ isTerminal: true, columns, rows, hasColours: false });
  const state = (view: "brokers" | "topics" | "groups" = "brokers") => firstState(view, null, "");

  test("a wide one has it all, a narrow one what matters most, and none is wider than the window", () => {
    const wide = screenOf(known, state(), look(120), 0).split("\n");
    expect(wide.slice(1, 6)).toEqual([
      "[brokers]  topics  groups",
      "broker▲   cpu    memory     in/s  out/s  records/s  leaders  replicas  lacking   size  disk  delay",
      "      1  50 %  95.4 MiB  2.0 KiB    0 B        100        1         2        0  705 B  90 %      -  controller",
      "      2     -         -        -      -         10        1         2        1  900 B  20 %      -",
      "      3     -         -        -      -          0        0         1        0      -     -      -  missing",
    ]);
    expect(wide.at(-2)).toBe("metrics of broker 2 not known: its metrics.listener is not set");
    for (const columns of [46, 60, 80, 100])
      for (const view of ["brokers", "topics", "groups"] as const)
        for (const line of screenOf(known, state(view), look(columns), 0).split("\n"))
          expect(widthOf(line), line).toBeLessThanOrEqual(columns);
    expect(screenOf(known, state(), look(60), 0)).toMatch(/columns left out/);
    for (const columns of [20, 80, 120]) expect(widthOf(footerOf(state(), look(columns), true))).toBeLessThanOrEqual(columns);
  });

  test("it is no higher than the window, and says how many rows there are besides", () => {
    const topics = Array.from({ length: 50 }, (_, i) => aTopic(`topic-${i}`, [{}]));
    const text = screenOf({ ...known, metadata: { ...known.metadata!, topics } }, state("topics"), look(100, 12), 0);
    expect(text.trimEnd().split("\n").length).toBeLessThanOrEqual(12 - 2);
    expect(text).toMatch(/… 45 more rows\n/);
  });

  test("rows are sorted by the marked column, what is not known last, and filtered by name", () => {
    const byCpu = { ...state(), sorting: { ...state().sorting, brokers: { column: 1, isDescending: false } } };
    expect(wholeTable(known, byCpu, plainLook).match(/^ +\d/gm)?.map(Number)).toEqual([1, 2, 3]);
    const byReplicas = { ...state(), sorting: { ...state().sorting, brokers: { column: 7, isDescending: false } } };
    expect(wholeTable(known, byReplicas, plainLook).match(/^ +\d/gm)?.map(Number)).toEqual([3, 1, 2]);
    expect(wholeTable(known, { ...state("topics"), filter: "QUI" }, plainLook)).toMatch(/^topic.*\nquiet .* 1 offline\n$/);
    expect(screenOf(known, { ...state("topics"), filter: "nope" }, look(80), 0)).toContain("no topics whose name contains nope");
  });

  test("elsewhere numbers are numbers", () => {
    expect(wholeTable(known, state("groups"), plainLook)).toBe(
      "group  state   members  lag  lag/s  catches up\ng      Stable        2  600    -10       60000\n",
    );
  });

  test("names from outside are shown, not executed", () => {
    const evil = {
      ...known,
      metadata: { ...known.metadata!, clusterId: "c\u001b[2J", topics: [aTopic("t", [{}])] },
      failures: ["\u001b]0;x\u0007"],
    };
    const text = screenOf(evil, { ...state("groups"), filter: "\u001b[31m" }, look(200), 0);
    expect(/\p{Cc}/u.test(text.replaceAll("\n", ""))).toBe(false);
    expect(remarksOf(evil, "groups")).toHaveLength(1);
  });
});

test("a question waits for its turn, for its answer, and longer the larger the answer is", async () => {
  let nowMs = 0;
  const asked: number[] = [];
  let answer = (_: number) => {};
  const paced = new Paced<number>({
    ask: () => {
      asked.push(nowMs);
      return new Promise((resolve) => {
        answer = resolve;
      });
    },
    pauseMs: (value) => value,
    pauseAfterFailureMs: 10,
    monotonicMs: () => nowMs,
  });
  const first = paced.ask();
  nowMs = 50;
  const same = paced.ask(); // it is still out
  answer(1000);
  await Promise.all([first, same]);
  nowMs = 900;
  await paced.ask();
  expect([asked, paced.latest, paced.before]).toEqual([[0], { value: 1000, atMs: 50 }, null]);
  nowMs = 1000;
  const second = paced.ask();
  answer(5);
  await second;
  expect([asked, paced.before?.value, paced.oldest?.value]).toEqual([[0, 1000], 1000, 1000]);
});
