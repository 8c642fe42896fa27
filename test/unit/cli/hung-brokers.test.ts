import { expect, test } from "vitest";
import { HungBrokers } from "../../../cli/up/hung-brokers.ts";
import { ManualClock } from "../client/manual-clock.ts";

function watching() {
  const clock = new ManualClock();
  const told: string[] = [];
  const state = { isWell: true, asked: 0, end: (_: string) => {} };
  const answers = async () => {
    state.asked++;
    return state.isWell;
  };
  const hung = new HungBrokers({ clock, tell: (line) => told.push(line), answers });
  const exited = new Promise<string>((resolve) => {
    state.end = resolve;
  });
  const broker = { id: 2, address: "127.0.0.1:9093", logFile: "broker.log" };
  hung.watched(broker, { pid: 77, exited, ready: async () => [] });
  const look = async (isWell: boolean) => {
    const { asked } = state;
    state.isWell = isWell;
    await clock.advance(5_000);
    expect(state.asked).toBeGreaterThan(asked);
  };
  return { told, state, hung, look, clock };
}

test("a broker that hangs is told of once, and again when it hangs again", async () => {
  const { told, look } = watching();
  await look(true);
  expect(told).toEqual([]);
  for (let times = 0; times < 3; times++) await look(false);
  await look(true);
  expect(told).toEqual(["broker 2 has not answered for 3 s, and its process (77) runs: it hangs, or is very busy; its log is broker.log"]);
  await look(false);
  await look(true);
  expect(told).toHaveLength(2);
});

test("one that ended, or is being stopped, is not asked any more", async () => {
  for (const how of ["exit", "end"]) {
    const { told, state, hung, look, clock } = watching();
    await look(true);
    if (how === "exit") state.end("ended by SIGKILL");
    else hung.end();
    await clock.settle();
    const { asked } = state;
    state.isWell = false;
    await clock.advance(60_000);
    expect([how, state.asked - asked, told]).toEqual([how, 0, []]);
  }
});
