import { expect, test } from "vitest";
import { KeptBroker } from "../../../cli/up/kept-broker.ts";
import { countShortLives, pauseBeforeRestart, type RestartPolicy, restartDefaults } from "../../../cli/up/restart-policy.ts";
import { ManualClock } from "../client/manual-clock.ts";

const policy: RestartPolicy = { pauseMs: 10_000, pauseMaxMs: 60_000, wellAfterMs: 60_000, shortLivesMax: 5 };

test("the pause doubles with each short life up to a bound, and a long life makes up for all", () => {
  expect([0, 1, 2, 3, 4, 5, 6].map((lives) => pauseBeforeRestart(lives, policy))).toEqual([
    10_000,
    10_000,
    20_000,
    40_000,
    60_000,
    60_000,
    null,
  ]);
  expect([countShortLives(4, 59_999, policy), countShortLives(4, 60_000, policy)]).toEqual([5, 0]);
});

/** A process that ends when told to. */
class FakeProcess {
  readonly pid: number;
  readonly exited: Promise<string>;
  end: (reason: string) => void = () => {};
  serve: () => void = () => {};
  readonly #ready: Promise<readonly string[]>;

  constructor(pid: number) {
    this.pid = pid;
    this.exited = new Promise((resolve) => {
      this.end = resolve;
    });
    this.#ready = new Promise((resolve, reject) => {
      this.serve = () => resolve([]);
      void this.exited.then((reason) => reject(new Error(reason)));
    });
    this.#ready.catch(() => undefined);
  }

  ready(): Promise<readonly string[]> {
    return this.#ready;
  }

  async stop(): Promise<void> {
    this.end("ended by SIGTERM");
    await this.exited;
  }
}

function kept(restarts: RestartPolicy | null) {
  const clock = new ManualClock();
  const lives: FakeProcess[] = [];
  const told: string[] = [];
  const trouble: { failure: Error | null } = { failure: null };
  const start = () => {
    if (trouble.failure !== null) throw trouble.failure;
    lives.push(new FakeProcess(100 + lives.length));
    return lives.at(-1) as FakeProcess;
  };
  const broker = new KeptBroker({
    ...{ id: 2, start, policy: restarts, clock, logFile: "/data/broker.log", startCommand: "bin/ottla broker --config F" },
    tell: (line) => told.push(line),
  });
  broker.keep();
  const end = async (reason: string) => {
    lives.at(-1)?.end(reason);
    await clock.settle();
  };
  return { clock, lives, told, broker, trouble, end };
}

test("a broker that ended is started again after the pause, with a line for either; who kills it by hand sees what the others do meanwhile", async () => {
  const { clock, lives, told, broker, end } = kept(restartDefaults);
  await end("ended by SIGKILL");
  expect(told).toEqual(["broker 2 is gone (ended by SIGKILL), its log is /data/broker.log; it is started again in 10 s"]);
  await clock.advance(9_999);
  expect(lives).toHaveLength(1);
  await clock.advance(1);
  expect(lives).toHaveLength(2);
  lives[1]?.serve();
  await clock.settle();
  expect(told.at(-1)).toBe("broker 2 is back, pid 101");
  expect(broker.pid).toBe(101);
  await clock.advance(60_000);
  await end("exit code 70");
  expect(told.at(-1)).toBe("broker 2 is gone (exit code 70), its log is /data/broker.log; it is started again in 10 s");
});

test("one that ends again and again soon after its start is left to a person", async () => {
  const { clock, lives, told, end } = kept(policy);
  for (let life = 0; life < 6; life++) {
    await end("exit code 1");
    await clock.advance(60_000);
  }
  expect(lives).toHaveLength(6);
  expect(told).toHaveLength(6);
  expect(told.at(-1)).toBe(
    "broker 2 is gone (exit code 1), its log is /data/broker.log; that was 6 times soon after its start, so it is left to you: start it again with: bin/ottla broker --config F",
  );
});

test("a start that fails at once is told and counts as a short life, and a later one that does not is as good as any", async () => {
  const { clock, lives, told, trouble, broker, end } = kept(policy);
  await clock.advance(60_000);
  trouble.failure = new Error("EMFILE: too many open files");
  await end("ended by SIGKILL");
  await clock.advance(10_000);
  const gone = "broker 2 is gone (it could not be started: EMFILE: too many open files), its log is /data/broker.log";
  expect(told.at(-1)).toBe(`${gone}; it is started again in 10 s`);
  await clock.advance(10_000);
  expect(told.at(-1)).toBe(`${gone}; it is started again in 20 s`);
  trouble.failure = null;
  await clock.advance(20_000);
  lives[1]?.serve();
  await clock.settle();
  expect(told.at(-1)).toBe("broker 2 is back, pid 101");
  expect(broker.pid).toBe(101);
});

test("starts that fail again and again are left to a person, too", async () => {
  const { clock, told, trouble, broker, end } = kept(policy);
  trouble.failure = new Error("no such directory");
  await end("exit code 1");
  await clock.advance(600_000);
  expect(told).toHaveLength(6);
  expect(told.at(-1)).toContain("that was 6 times soon after its start, so it is left to you");
  await clock.until(broker.stop(1_000));
});

test("with --no-restart it is only told how", async () => {
  const { clock, lives, told, end } = kept(null);
  await end("ended by SIGKILL");
  await clock.advance(600_000);
  expect(lives).toHaveLength(1);
  expect(told).toEqual([
    "broker 2 is gone (ended by SIGKILL), its log is /data/broker.log; start it again with: bin/ottla broker --config F",
  ]);
});

test.each([["while it runs"], ["while it waits to be started again"], ["while it starts again"]])(
  "stopped %s, nothing is started any more and nothing told",
  async (when) => {
    const { clock, lives, told, broker, end } = kept(policy);
    if (when !== "while it runs") await end("exit code 1");
    if (when === "while it starts again") await clock.advance(10_000);
    const before = { lives: lives.length, told: told.length };
    await clock.until(broker.stop(1_000));
    await clock.advance(600_000);
    expect({ lives: lives.length, told: told.length }).toEqual(before);
  },
);
