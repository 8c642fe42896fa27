import { expect, test } from "vitest";
import { EventQueue, EventRefused } from "../../../broker/controller/event-queue.ts";
import { settled } from "../network/manual-clock.ts";

/** A queue in which something runs until the test lets it end. */
function busy(waitingMax = 100) {
  const failures: string[] = [];
  const ran: string[] = [];
  const queue = new EventQueue({ waitingMax, onFailure: (key, error) => failures.push(`${key}: ${error}`) });
  const { promise, resolve: end } = Promise.withResolvers<void>();
  queue.signal("busy", () => promise);
  const run = (name: string) => async () => {
    ran.push(name);
  };
  return { queue, ran, failures, run, end };
}

test("what is urgent overtakes all that waits and is not, in the order of its own arrival, and not what runs", async () => {
  const { queue, ran, run, end } = busy();
  const asked = [queue.ask(run("first request")), queue.ask(run("second request"))];
  queue.signal("slow", run("signal"));
  queue.signal("brokers", run("urgent 1"), true);
  void queue.ask(run("third request"));
  queue.signal("suspects", run("urgent 2"), true);
  await settled();
  expect(ran).toEqual([]);
  end();
  await Promise.all(asked);
  await settled();
  expect(ran).toEqual(["urgent 1", "urgent 2", "first request", "second request", "signal", "third request"]);
});

test("the same signal again is one event, with the newest of its runs, where the first of it waits", async () => {
  const { queue, ran, run, end } = busy();
  queue.signal("suspects", run("old"), true);
  queue.signal("brokers", run("brokers"), true);
  queue.signal("suspects", run("new"), true);
  end();
  await settled();
  expect(ran).toEqual(["new", "brokers"]);
});

test("a signal is taken though the queue is full of requests, and is not lost when one before it fails", async () => {
  const { queue, ran, failures, run, end } = busy(1);
  const waiting = queue.ask(run("request"));
  await expect(queue.ask(run("too many"))).rejects.toEqual(new EventRefused("full"));
  queue.signal("broken", () => Promise.reject(new Error("no")), true);
  queue.signal("suspects", run("urgent"), true);
  end();
  await waiting;
  expect(ran).toEqual(["urgent", "request"]);
  expect(failures).toEqual(["broken: Error: no"]);
});

test("nothing that waits, urgent or not, runs once it is closed", async () => {
  const { queue, ran, run, end } = busy();
  const refused = expect(queue.ask(run("request"))).rejects.toEqual(new EventRefused("closed"));
  queue.signal("suspects", run("urgent"), true);
  queue.close();
  queue.signal("suspects", run("later"), true);
  end();
  await refused;
  await settled();
  expect(ran).toEqual([]);
});

test("an event of many steps lets what is urgent pass between two of them, and nothing else", async () => {
  const { queue, ran, run, end } = busy();
  const request = queue.ask(async () => {
    ran.push("first step");
    queue.signal("brokers", run("urgent"), true);
    queue.signal("slow", run("signal"));
    await queue.letUrgentPass();
    ran.push("second step");
  });
  end();
  await request;
  await settled();
  expect(ran).toEqual(["first step", "urgent", "second step", "signal"]);
});
