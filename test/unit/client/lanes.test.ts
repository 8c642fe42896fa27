import fc from "fast-check";
import { expect, test } from "vitest";
import { Lanes, type Turn } from "../../../client/consumer/lanes.ts";

const never = () => false;

test("a lane's tasks come in order, one turn at a time; groups and lanes take turns", () => {
  const lanes = new Lanes<string>();
  for (const task of ["a1", "a2", "b1", "c1"]) lanes.add(task === "c1" ? "other" : "t", task.charAt(0), task);
  const turns = Array.from({ length: 3 }, () => lanes.next(1, never) as Turn<string>);
  expect(turns.map(({ tasks }) => tasks)).toEqual([["a1"], ["c1"], ["b1"]]);
  expect(lanes.next(1, never)).toBeNull();
  lanes.done(turns[0] as Turn<string>);
  expect(lanes.next(1, never)?.tasks).toEqual(["a2"]);
});

test("what is to be done again comes first, and alone, after `resume`; the lane waits meanwhile", () => {
  const lanes = new Lanes<number>();
  for (let i = 0; i < 6; i++) lanes.add("t", "", i);
  const turn = lanes.next(3, never) as Turn<number>;
  expect(turn.tasks).toEqual([0, 1, 2]);
  lanes.again(turn, [1, 2]);
  expect(lanes.next(3, never)).toBeNull();
  lanes.resume(turn);
  const second = lanes.next(3, never) as Turn<number>;
  expect(second.tasks).toEqual([1, 2]);
  lanes.done(second);
  expect(lanes.next(3, never)?.tasks).toEqual([3, 4, 5]);
});

test("a dropped group forgets what was queued, but not what is being handled", () => {
  const lanes = new Lanes<number>();
  for (let i = 0; i < 3; i++) lanes.add("t", "", i);
  const turn = lanes.next(1, never) as Turn<number>;
  lanes.drop("t");
  lanes.add("t", "", 10);
  expect(lanes.next(1, never)).toBeNull();
  lanes.done(turn);
  const next = lanes.next(1, never) as Turn<number>;
  expect(next.tasks).toEqual([10]);
  lanes.again(next, [10]);
  lanes.drop("t");
  lanes.resume(next);
  expect(lanes.isEmpty).toBe(true);
  expect(lanes.next(1, never)).toBeNull();
});

test("of a dropped group some may be kept, but nothing of a lane that waits", () => {
  const lanes = new Lanes<number>();
  for (let i = 0; i < 12; i++) lanes.add("t", String(i % 3), i);
  const [busy, waiting] = [lanes.next(1, never), lanes.next(1, never)] as [Turn<number>, Turn<number>];
  lanes.again(waiting, waiting.tasks);
  expect([busy.tasks, lanes.waiting("t")]).toEqual([[0], [1]]);
  lanes.drop("t", (task) => task < 7);
  expect(lanes.holds("t")).toBe(true);
  lanes.resume(waiting);
  lanes.done(busy);
  const rest: number[] = [];
  for (let turn = lanes.next(1, never); turn !== null; turn = lanes.next(1, never)) {
    rest.push(...turn.tasks);
    lanes.done(turn);
  }
  expect(rest).toEqual([2, 3, 5, 6]);
  expect([lanes.holds("t"), lanes.isEmpty, lanes.waiting("t")]).toEqual([false, true, []]);
});

type Operation =
  | { readonly kind: "add" | "pause" | "drop"; readonly group: number; readonly lane: number }
  | { readonly kind: "next"; readonly max: number }
  | { readonly kind: "done" | "again" | "resume"; readonly which: number };

const small = fc.nat(2);
const operations = fc.array(
  fc.oneof<fc.Arbitrary<Operation>[]>(
    fc.record({ kind: fc.constantFrom("add", "add", "add", "pause", "drop"), group: small, lane: small }),
    fc.record({ kind: fc.constant("next"), max: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ kind: fc.constantFrom("done", "again", "resume"), which: fc.nat(5) }),
  ),
  { maxLength: 200 },
);

interface ModelTask {
  readonly group: string;
  readonly lane: string;
  readonly number: number;
}

test("whatever happens: order per lane, one turn per lane at a time, nothing from paused groups, nothing lost, no lane starves", () => {
  const check = (steps: readonly Operation[]) => {
    const lanes = new Lanes<ModelTask>();
    const queued = new Map<string, ModelTask[]>();
    const out: Turn<ModelTask>[] = [];
    const waiting: { readonly turn: Turn<ModelTask>; readonly name: string }[] = [];
    const paused = new Set<string>();
    const nameOf = ({ group, lane }: ModelTask) => `${group}/${lane}`;
    const isBusy = (name: string) => [...out.map(({ tasks }) => tasks[0] as ModelTask).map(nameOf)].includes(name);
    let number = 0;
    const next = (max: number) => {
      const turn = lanes.next(max, (group) => paused.has(group));
      const waits = new Set(waiting.map(({ name }) => name));
      const ready = [...queued].filter(([name, tasks]) => tasks.length > 0 && !isBusy(name) && !waits.has(name));
      const open = ready.filter(([name]) => !paused.has(name.split("/")[0] as string));
      if (turn === null) return expect(open).toEqual([]);
      const name = nameOf(turn.tasks[0] as ModelTask);
      expect(open.map(([each]) => each)).toContain(name);
      expect(turn.tasks.length).toBeLessThanOrEqual(max);
      expect(queued.get(name)?.splice(0, turn.tasks.length)).toEqual(turn.tasks);
      out.push(turn);
    };
    for (const step of steps) {
      if (step.kind === "next") next(step.max);
      else if (step.kind === "add") {
        const task = { group: `g${step.group}`, lane: `l${step.lane}`, number: number++ };
        queued.set(nameOf(task), [...(queued.get(nameOf(task)) ?? []), task]);
        lanes.add(task.group, task.lane, task);
      } else if (step.kind === "pause") {
        const group = `g${step.group}`;
        if (!paused.delete(group)) paused.add(group);
      } else if (step.kind === "drop") {
        const group = `g${step.group}`;
        const keepsFrom = step.lane * 20;
        const isKept = (task: ModelTask) => task.number < keepsFrom;
        const waits = new Set(waiting.map(({ name }) => name));
        lanes.drop(group, isKept);
        for (const [name, tasks] of queued) if (name.startsWith(`${group}/`)) queued.set(name, waits.has(name) ? [] : tasks.filter(isKept));
        waiting.splice(0, Infinity, ...waiting.filter(({ name }) => !name.startsWith(`${group}/`)));
      } else if (step.kind === "resume") {
        const [taken] = waiting.splice(step.which, 1);
        if (taken !== undefined) lanes.resume(taken.turn);
      } else if ("which" in step) {
        const [turn] = out.splice(step.which, 1);
        if (turn === undefined) continue;
        if (step.kind === "done") lanes.done(turn);
        else {
          const rest = turn.tasks.slice(Math.floor(turn.tasks.length / 2));
          const name = nameOf(turn.tasks[0] as ModelTask);
          lanes.again(turn, rest);
          queued.set(name, [...rest, ...(queued.get(name) ?? [])]);
          waiting.push({ turn, name });
        }
      }
    }
    for (const { turn } of waiting.splice(0)) lanes.resume(turn);
    for (const turn of out.splice(0)) lanes.done(turn);
    paused.clear();
    for (let i = 0; i <= number; i++) {
      next(3);
      for (const turn of out.splice(0)) lanes.done(turn);
    }
    expect([...queued.values()].flat()).toEqual([]);
    expect(lanes.isEmpty).toBe(true);
  };
  fc.assert(fc.property(operations, check), { numRuns: 300 });
});
