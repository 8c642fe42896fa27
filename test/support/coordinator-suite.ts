import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type Coordinator, CoordinatorUnavailable, type SessionState, type WriteOperation } from "../../coordinator-client/coordinator.ts";
import { type CoordinatorHarness, check, create, type OpenOptions, remove, set, textAt } from "./coordinator-harness.ts";
import { watchTests } from "./coordinator-watch-suite.ts";

/** What every coordinator must do, whatever is behind it. */
export function coordinatorSuite(name: string, newHarness: () => Promise<CoordinatorHarness>): void {
  describe(name, () => {
    let harness: CoordinatorHarness;
    beforeEach(async () => {
      harness = await newHarness();
    });
    afterEach(async () => {
      await harness.dispose();
    });

    const connect = async (options?: OpenOptions): Promise<Coordinator> => {
      const coordinator = await harness.open(options);
      await coordinator.connected();
      return coordinator;
    };

    describe("reads and writes", () => {
      test("a node is created, read, changed and deleted, its version rising with each change", async () => {
        const zk = await connect();
        expect(await zk.read("/a")).toBeNull();
        expect(await zk.write([create("/a", "one")])).toEqual({ kind: "written", results: [{ path: "/a", version: 0 }] });
        const first = await zk.read("/a");
        expect(first).toMatchObject({ data: Buffer.from("one"), version: 0, ephemeralOwner: null, ownedByUs: false });
        expect(await zk.write([set("/a", "two", 0)])).toEqual({ kind: "written", results: [{ path: "/a", version: 1 }] });
        const second = await zk.read("/a");
        expect(second).toMatchObject({ data: Buffer.from("two"), version: 1 });
        expect(second?.createdZxid).toBe(first?.createdZxid);
        expect(second?.modifiedZxid).toBeGreaterThan(first?.modifiedZxid ?? Number.POSITIVE_INFINITY);
        expect(await zk.write([remove("/a", 1)])).toEqual({ kind: "written", results: [{ path: "/a", version: -1 }] });
        expect(await zk.read("/a")).toBeNull();
      });

      test("version 0 is a version to compare with, not any version", async () => {
        const zk = await connect();
        await zk.write([create("/a", "one")]);
        await zk.write([set("/a", "two", -1)]);
        expect(await zk.write([set("/a", "three", 0)])).toEqual({ kind: "conflict", failedIndex: 0, reason: "bad-version" });
        expect(await zk.write([check("/a", 0)])).toEqual({ kind: "conflict", failedIndex: 0, reason: "bad-version" });
        expect(await zk.write([remove("/a", 0)])).toEqual({ kind: "conflict", failedIndex: 0, reason: "bad-version" });
        expect(await textAt(zk, "/a")).toBe("two");
      });

      test("a conflict names the operation that failed and why, and nothing of the transaction is done", async () => {
        const zk = await connect();
        await zk.write([create("/there"), create("/there/child"), create("/old")]);
        await zk.write([set("/old", "1", 0)]);
        const conflicts: [WriteOperation, string][] = [
          [create("/there"), "node-exists"],
          [create("/missing/child"), "no-parent"],
          [set("/missing", "", -1), "no-node"],
          [set("/old", "", 0), "bad-version"],
          [remove("/missing", -1), "no-node"],
          [remove("/old", 7), "bad-version"],
          [remove("/there", -1), "not-empty"],
          [check("/missing", -1), "no-node"],
          [check("/old", 0), "bad-version"],
        ];
        for (const [operation, reason] of conflicts) {
          const result = await zk.write([create("/first"), set("/there", "changed", -1), operation, create("/last")]);
          expect(result, `${operation.kind} ${operation.path}`).toEqual({ kind: "conflict", failedIndex: 2, reason });
          expect(await zk.read("/first")).toBeNull();
          expect(await zk.read("/last")).toBeNull();
          expect(await textAt(zk, "/there")).toBe("");
        }
        // the same, alone in its transaction
        for (const [operation, reason] of conflicts) {
          expect(await zk.write([operation])).toEqual({ kind: "conflict", failedIndex: 0, reason });
        }
      });

      test("later operations of a transaction see the earlier ones, and all carry one transaction id", async () => {
        const zk = await connect();
        const result = await zk.write([
          create("/p"),
          create("/p/c", "x"),
          set("/p/c", "y", 0),
          check("/p/c", 1),
          create("/q"),
          remove("/q", 0),
        ]);
        expect(result).toEqual({
          kind: "written",
          results: [
            { path: "/p", version: 0 },
            { path: "/p/c", version: 0 },
            { path: "/p/c", version: 1 },
            { path: "/p/c", version: -1 },
            { path: "/q", version: 0 },
            { path: "/q", version: -1 },
          ],
        });
        expect(await textAt(zk, "/p/c")).toBe("y");
        expect((await zk.read("/p"))?.createdZxid).toBe((await zk.read("/p/c"))?.createdZxid);
        await zk.write([create("/later")]);
        expect((await zk.read("/later"))?.createdZxid).toBeGreaterThan((await zk.read("/p"))?.createdZxid ?? Number.POSITIVE_INFINITY);
      });

      test("sequential nodes get rising numbers, never one twice", async () => {
        const zk = await connect();
        await zk.write([create("/s")]);
        const names: string[] = [];
        for (let i = 0; i < 3; i++) {
          const result = await zk.write([create("/s/n-", "", "persistent-sequential")]);
          if (result.kind === "written") names.push(result.results[0]?.path ?? "");
          await zk.write([remove(names.at(-1) ?? "", -1)]);
        }
        expect(names).toEqual(["/s/n-0000000000", "/s/n-0000000001", "/s/n-0000000002"]);
      });

      test("a write beyond what a packet may hold is refused, and the session does not suffer", async () => {
        const zk = await connect();
        const big = "x".repeat(600_000);
        expect(await zk.write([create("/a", big), create("/b", big)])).toEqual({ kind: "conflict", failedIndex: 1, reason: "too-large" });
        expect(await zk.write([create("/a", big)])).toMatchObject({ kind: "written" });
        expect((await textAt(zk, "/a"))?.length).toBe(600_000);
        expect(zk.state).toBe("connected");
        expect(zk.sessionNumber).toBe(1);
      });

      test("children are listed sorted, with a version that rises; null when there is no such node", async () => {
        const zk = await connect();
        expect(await zk.children("/p")).toBeNull();
        await zk.write([create("/p")]);
        const none = await zk.children("/p");
        expect(none?.names).toEqual([]);
        await zk.write([create("/p/b"), create("/p/c"), create("/p/a")]);
        const three = await zk.children("/p");
        expect(three?.names).toEqual(["a", "b", "c"]);
        await zk.write([remove("/p/b", -1)]);
        const two = await zk.children("/p");
        expect(two?.names).toEqual(["a", "c"]);
        expect(three?.childVersion).toBe(3);
        expect(two?.childVersion).toBe(4);
      });

      test("ensurePath makes what is missing, also when two do it at once", async () => {
        const [one, two] = [await connect(), await connect()];
        await Promise.all([one.ensurePath("/x/y/z"), two.ensurePath("/x/y/w"), one.ensurePath("/x/y/z")]);
        expect((await one.children("/x/y"))?.names).toEqual(["w", "z"]);
        await two.ensurePath("/x/y/z");
        await two.ensurePath("/");
      });

      test("answers come to their own questions when many are asked at once", async () => {
        const zk = await connect();
        const paths = Array.from({ length: 200 }, (_, i) => `/n${i}`);
        const written = await Promise.all(paths.map((path, i) => zk.write([create(path, String(i))])));
        expect(written.every(({ kind }) => kind === "written")).toBe(true);
        expect(await Promise.all(paths.map((path) => textAt(zk, path)))).toEqual(paths.map((_, i) => String(i)));
      });

      test("more unanswered requests than allowed are refused at once, the others answered", async () => {
        const zk = await connect({ requestsMax: 10 });
        const reads = await Promise.allSettled(Array.from({ length: 15 }, () => zk.read("/")));
        const refused = reads.filter(({ status }) => status === "rejected").length;
        expect(refused).toBeGreaterThanOrEqual(5);
        expect(refused).toBeLessThan(8); // the watchdog's own may be among the ten
        expect(await zk.read("/nothing")).toBeNull();
      });
    });

    describe("a chroot", () => {
      test("is created by ensurePath only, and holds everything of its session", async () => {
        const [inside, outside] = [await connect({ chroot: "/deep/root" }), await connect()];
        expect(await inside.read("/")).toBeNull();
        expect(await inside.write([create("/a", "x")])).toMatchObject({ kind: "conflict", reason: "no-parent" });
        expect(await outside.read("/deep")).toBeNull();
        await inside.ensurePath("/");
        expect(await inside.write([create("/a", "x"), create("/s-", "", "persistent-sequential")])).toEqual({
          kind: "written",
          results: [
            { path: "/a", version: 0 },
            { path: "/s-0000000001", version: 0 },
          ],
        });
        expect(await textAt(outside, "/deep/root/a")).toBe("x");
        expect(await outside.read("/a")).toBeNull();
        expect((await inside.children("/"))?.names).toEqual(["a", "s-0000000001"]);
        let changes = 0;
        inside.watch("/a", "node", () => changes++);
        await harness.until("the first call", () => changes === 1);
        await outside.write([set("/deep/root/a", "y", 0)]);
        await harness.until("the change", () => changes === 2);
      });

      test("that is malformed is refused with its fault", async () => {
        await expect(harness.open({ chroot: "/a//b" })).rejects.toThrow(/chroot.*empty name/);
      });
    });

    describe("ephemeral nodes", () => {
      test("belong to their session and go when it is closed", async () => {
        const [owner, other] = [await connect(), await connect()];
        await owner.write([create("/e", "", "ephemeral")]);
        expect(await owner.read("/e")).toMatchObject({ ownedByUs: true });
        const seen = await other.read("/e");
        expect(seen).toMatchObject({ ownedByUs: false });
        expect(seen?.ephemeralOwner).toMatch(/^[0-9a-f]{16}$/);
        await owner.close();
        expect(owner.state).toBe("closed");
        expect(await other.read("/e")).toBeNull();
      });

      test("stay over a broken link and go when the session expires; the next session does not own them", async () => {
        const [owner, other] = [await connect(), await connect()];
        await owner.write([create("/e", "", "ephemeral")]);
        const states: SessionState[] = [];
        owner.onState((state) => states.push(state));
        harness.breakLink(owner);
        await harness.until("the next link", () => states.join() === "suspended,connected");
        expect(owner.sessionNumber).toBe(1);
        expect(await owner.read("/e")).toMatchObject({ ownedByUs: true });
        await harness.expire(owner);
        await harness.until("a second session", () => owner.state === "connected" && owner.sessionNumber === 2);
        expect(await other.read("/e")).toBeNull();
        await other.write([create("/e", "", "ephemeral")]);
        expect(await owner.read("/e")).toMatchObject({ ownedByUs: false });
      });

      test("take no children", async () => {
        const zk = await connect();
        await zk.write([create("/e", "", "ephemeral")]);
        expect(await zk.write([create("/e/c")])).toEqual({ kind: "conflict", failedIndex: 0, reason: "other" });
      });
    });

    describe("the session", () => {
      test("a broken link suspends it and the next link resumes it", async () => {
        const zk = await harness.open();
        const states: [SessionState, number][] = [];
        zk.onState((state, number) => states.push([state, number]));
        expect(zk.state).toBe("connecting");
        expect(zk.sessionNumber).toBe(0);
        expect(zk.provedUntilMs).toBe(Number.NEGATIVE_INFINITY);
        await zk.connected();
        harness.breakLink(zk);
        await harness.until("suspension and resumption", () => states.length === 3);
        expect(states).toEqual([
          ["connected", 1],
          ["suspended", 1],
          ["connected", 1],
        ]);
      });

      test("expiry loses it and a new one with a higher number follows", async () => {
        const zk = await connect();
        const states: [SessionState, number][] = [];
        zk.onState((state, number) => states.push([state, number]));
        await harness.expire(zk);
        await harness.until("the second session", () => zk.sessionNumber === 2 && zk.state === "connected");
        // The link may break, and even come back, before the server's notification arrives.
        expect(states.slice(-2)).toEqual([
          ["lost", 1],
          ["connected", 2],
        ]);
        expect(await zk.read("/")).not.toBeNull();
      });

      test("is proved further and further while it idles, never beyond a session timeout from now", async () => {
        const zk = await connect();
        const atFirstMs = zk.provedUntilMs;
        expect(atFirstMs).toBeLessThanOrEqual(harness.nowMs() + harness.sessionTimeoutMs);
        await harness.sleep(harness.sessionTimeoutMs * 1.5);
        expect(zk.state).toBe("connected");
        expect(zk.sessionNumber).toBe(1);
        expect(zk.provedUntilMs).toBeGreaterThan(harness.nowMs());
        expect(zk.provedUntilMs).toBeGreaterThan(atFirstMs);
        expect(zk.provedUntilMs).toBeLessThanOrEqual(harness.nowMs() + harness.sessionTimeoutMs);
      });

      test("whoever waits for it is released by the signal, or by its close", async () => {
        const zk = await connect();
        await zk.close();
        await expect(zk.connected()).rejects.toThrow(CoordinatorUnavailable);
        await expect(zk.read("/")).rejects.toThrow(/session is closed/);
        expect(await zk.write([create("/x")])).toMatchObject({ kind: "unknown", error: expect.any(CoordinatorUnavailable) });
        await zk.close();
        const other = await harness.open();
        const abort = new AbortController();
        const waiting = other.connected(abort.signal);
        abort.abort(new Error("enough"));
        await expect(waiting).rejects.toThrow("enough");
      });

      test("every call under way settles when the link breaks", async () => {
        const zk = await connect();
        const reads = Array.from({ length: 100 }, (_, i) => zk.read(`/n${i}`));
        const writes = Array.from({ length: 100 }, (_, i) => zk.write([create(`/n${i}`)]));
        harness.breakLink(zk);
        for (const outcome of await Promise.allSettled(reads)) {
          if (outcome.status === "rejected") expect(outcome.reason).toBeInstanceOf(CoordinatorUnavailable);
        }
        const kinds = new Set((await Promise.all(writes)).map(({ kind }) => kind));
        expect([...kinds].every((kind) => kind === "written" || kind === "unknown")).toBe(true);
      });

      test.each([{ done: true }, { done: false }])(
        "a write whose answer is lost is unknown, and a read tells (done: $done)",
        async ({ done }) => {
          const zk = await connect();
          harness.loseNextAnswer(zk, { done });
          expect(await zk.write([create("/a", "x")])).toMatchObject({ kind: "unknown", error: expect.any(CoordinatorUnavailable) });
          await zk.connected();
          expect(await textAt(zk, "/a")).toBe(done ? "x" : null);
          expect(zk.sessionNumber).toBe(1);
        },
      );
    });

    watchTests(connect, () => harness);
  });
}
