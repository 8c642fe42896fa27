import { describe, expect, test } from "vitest";
import type { Coordinator } from "../../coordinator-client/coordinator.ts";
import { type CoordinatorHarness, create, remove, set, textAt } from "./coordinator-harness.ts";

/** Part of the coordinator suite: what watches must do. */
export function watchTests(connect: () => Promise<Coordinator>, currentHarness: () => CoordinatorHarness): void {
  describe("watches", () => {
    test("on a node tell of its creation, change and deletion, one after the other", async () => {
      const [watcher, writer] = [await connect(), await connect()];
      const seen: (string | null)[] = [];
      const stop = watcher.watch("/w", "node", () => void textAt(watcher, "/w").then((text) => seen.push(text)));
      await currentHarness().until("the first call", () => seen.length > 0);
      for (const operation of [create("/w", "1"), set("/w", "2", -1), remove("/w", -1), create("/w", "3")]) {
        const wanted = operation.kind === "delete" ? null : operation.kind === "check" ? "" : operation.data.toString();
        await writer.write([operation]);
        await currentHarness().until(`${operation.kind} seen`, () => seen.at(-1) === wanted);
      }
      stop();
      const callsBefore = seen.length;
      await writer.write([set("/w", "4", -1)]);
      await currentHarness().sleep(50);
      expect(seen.length).toBe(callsBefore);
    });

    test("on children tell of each coming and going, also of a parent that is not there yet", async () => {
      const [watcher, writer] = [await connect(), await connect()];
      let names: readonly string[] | null | undefined;
      watcher.watch("/p", "children", () => {
        void watcher.children("/p").then((list) => {
          names = list?.names ?? null;
        });
      });
      await currentHarness().until("no parent", () => names === null);
      await writer.write([create("/p")]);
      await currentHarness().until("no children", () => names?.length === 0);
      await writer.write([create("/p/a")]);
      await currentHarness().until("a", () => names?.join() === "a");
      await writer.write([create("/p/b"), remove("/p/a", -1)]);
      await currentHarness().until("b", () => names?.join() === "b");
      await writer.write([remove("/p/b", -1), remove("/p", -1)]);
      await currentHarness().until("no parent again", () => names === null);
      await writer.write([create("/p"), create("/p/c")]);
      await currentHarness().until("c", () => names?.join() === "c");
    });

    test("are armed again by themselves after a broken link and in a later session, and call then", async () => {
      const [watcher, writer] = [await connect(), await connect()];
      // What counts is what is read when called: two quick changes may come as one call.
      let [calls, text] = [0, "unread" as string | null];
      watcher.watch("/w", "node", () => {
        calls++;
        void textAt(watcher, "/w").then(
          (read) => (text = read),
          () => undefined,
        );
      });
      let childCalls = 0;
      watcher.watch("/", "children", () => childCalls++);
      await currentHarness().until("the first calls", () => text === null && childCalls > 0);
      for (const [what, disturb] of [
        ["break", () => currentHarness().breakLink(watcher)],
        ["expiry", () => currentHarness().expire(watcher)],
      ] as const) {
        const [callsBefore, childCallsBefore] = [calls, childCalls];
        await disturb();
        await currentHarness().until(`calls after the ${what}`, () => calls > callsBefore && childCalls > childCallsBefore);
        await writer.write([create("/w", what)]);
        await currentHarness().until(`creation seen after the ${what}`, () => text === what);
        await writer.write([remove("/w", -1)]);
        await currentHarness().until(`deletion seen after the ${what}`, () => text === null);
      }
    });

    test("no change is missed however fast they come: the last one is always read", async () => {
      const [watcher, writer] = [await connect(), await connect()];
      await writer.write([create("/w", "0")]);
      let last: string | null = null;
      watcher.watch("/w", "node", () => void textAt(watcher, "/w").then((text) => (last = text)));
      for (let i = 1; i <= 100; i++) await writer.write([set("/w", String(i), -1)]);
      await currentHarness().until("the last change", () => last === "100");
    });
  });
}
