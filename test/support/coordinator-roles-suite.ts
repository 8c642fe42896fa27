import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { electController, resignController } from "../../coordinator-client/controller-election.ts";
import { type Coordinator, CoordinatorUnavailable } from "../../coordinator-client/coordinator.ts";
import { readClusterId, readOrCreateClusterId } from "../../coordinator-client/known-cluster-id.ts";
import { isPresentTerm } from "../../coordinator-client/known-controller.ts";
import { readOrCreatePeerSecret, readPeerSecret } from "../../coordinator-client/known-peer-secret.ts";
import { readMany } from "../../coordinator-client/read-many.ts";
import { BrokerIdTaken, registerBroker } from "../../coordinator-client/registration.ts";
import { type BrokerRegistration, decodeBrokerRegistration } from "../../coordinator-client/znodes/broker-registration.ts";
import { brokerPath, clusterIdPath, controllerEpochPath, controllerPath, peerSecretPath } from "../../coordinator-client/znodes/paths.ts";
import { seededRandom } from "../../protocol/base/random.ts";
import { type CoordinatorHarness, create, set, textAt } from "./coordinator-harness.ts";

const registration = (incarnation: string, port = 9092): BrokerRegistration & { readonly incarnation: string } => ({
  endpoints: [{ listener: "PLAINTEXT", securityProtocol: "PLAINTEXT", host: "127.0.0.1", port }],
  rack: null,
  incarnation,
  peer: { host: "127.0.0.1", port: port + 1 },
  timestampMs: 1_700_000_000_000,
});

const elect = (coordinator: Coordinator, brokerId: number) => electController({ coordinator, brokerId, nowMs: 1_700_000_000_000 });

/** How brokers use any coordinator: registration, the controller's election, the cluster's id. */
export function coordinatorRolesSuite(name: string, newHarness: () => Promise<CoordinatorHarness>): void {
  describe(name, () => {
    let harness: CoordinatorHarness;
    beforeEach(async () => {
      harness = await newHarness();
    });
    afterEach(async () => {
      await harness.dispose();
    });
    const connect = async (): Promise<Coordinator> => {
      const coordinator = await harness.open();
      await coordinator.connected();
      return coordinator;
    };

    /** Registered, as every candidate has to be. */
    const candidate = async (id: number): Promise<Coordinator> => {
      const coordinator = await connect();
      await registerBroker(coordinator, id, registration(`dir-${id}`));
      return coordinator;
    };

    describe("the controller's election", () => {
      test("is for registered brokers only, and makes nothing for others", async () => {
        const zk = await connect();
        expect(await elect(zk, 1)).toMatchObject({ kind: "unknown", error: { message: expect.stringContaining("not registered") } });
        expect(await zk.read(controllerEpochPath)).toBeNull();
        await zk.write([create(controllerEpochPath, "4")]);
        expect(await elect(zk, 1)).toMatchObject({ kind: "unknown" });
        expect([await textAt(zk, controllerEpochPath), await textAt(zk, controllerPath)]).toEqual(["4", null]);
      });

      test("does not go back behind an epoch that the candidate has seen", async () => {
        const zk = await candidate(1);
        await zk.write([create(controllerEpochPath, "4")]);
        expect(await electController({ coordinator: zk, brokerId: 1, nowMs: 0, seenEpoch: 5 })).toMatchObject({ kind: "unknown" });
        expect([await textAt(zk, controllerEpochPath), await textAt(zk, controllerPath)]).toEqual(["4", null]);
        expect(await electController({ coordinator: zk, brokerId: 1, nowMs: 0, seenEpoch: 4 })).toMatchObject({
          kind: "won",
          controllerEpoch: 5,
        });
      });

      test("has one winner, and each term a higher epoch", async () => {
        const [one, two] = [await candidate(1), await candidate(2)];
        const first = await elect(one, 1);
        expect(first).toEqual({ kind: "won", controllerEpoch: 1, epochVersion: 1, sessionNumber: 1 });
        expect(await elect(two, 2)).toEqual({ kind: "lost", holder: 1 });
        expect(await textAt(one, controllerEpochPath)).toBe("1");
        expect(JSON.parse((await textAt(two, controllerPath)) ?? "")).toEqual({ version: 1, brokerid: 1, timestamp: "1700000000000" });
        await one.close();
        expect(await elect(two, 2)).toEqual({ kind: "won", controllerEpoch: 2, epochVersion: 2, sessionNumber: 1 });
      });

      test("has one winner when many run at once", async () => {
        const candidates = await Promise.all(Array.from({ length: 5 }, (_, id) => candidate(id)));
        const results = await Promise.all(candidates.map((candidate, i) => elect(candidate, i)));
        const winner = results.findIndex(({ kind }) => kind === "won");
        expect(results.map(({ kind }) => kind).filter((kind) => kind === "won")).toHaveLength(1);
        expect(results.filter(({ kind }) => kind === "lost")).toEqual(Array(4).fill({ kind: "lost", holder: winner }));
        expect(await textAt(candidates[0] as Coordinator, controllerEpochPath)).toBe("1");
      });

      test.each([{ done: true }, { done: false }])("after a lost answer finds out who won (done: $done)", async ({ done }) => {
        const zk = await candidate(1);
        await zk.write([create(controllerEpochPath, "4")]);
        harness.loseNextAnswer(zk, { done });
        expect(await elect(zk, 1)).toMatchObject({ kind: "unknown", error: expect.any(CoordinatorUnavailable) });
        await zk.connected();
        expect(await elect(zk, 1)).toEqual({ kind: "won", controllerEpoch: 5, epochVersion: 1, sessionNumber: 1 });
        expect(await textAt(zk, controllerEpochPath)).toBe("5");
      });

      test("a term's writes fail once another has begun, and it cannot resign for the other", async () => {
        const [one, two] = [await candidate(1), await candidate(2)];
        const first = await elect(one, 1);
        if (first.kind !== "won") throw new Error(first.kind);
        await harness.expire(one);
        await harness.until("the end of the first term", async () => (await two.read(controllerPath)) === null);
        expect((await elect(two, 2)).kind).toBe("won");
        await harness.until("a new session", () => one.sessionNumber === 2 && one.state === "connected");
        const fenced = await one.write([{ kind: "check", path: controllerEpochPath, version: first.epochVersion }, create("/x")]);
        expect(fenced).toEqual({ kind: "conflict", failedIndex: 0, reason: "bad-version" });
        expect((await resignController(one, first)).kind).toBe("conflict");
        expect(await elect(one, 1)).toEqual({ kind: "lost", holder: 2 });
      });

      test("whoever resigns makes way at once", async () => {
        const [one, two] = [await candidate(1), await candidate(2)];
        const first = await elect(one, 1);
        if (first.kind !== "won") throw new Error(first.kind);
        expect((await resignController(one, first)).kind).toBe("written");
        expect(await elect(two, 2)).toMatchObject({ kind: "won", controllerEpoch: 2 });
      });

      test("does not wait for the session of an earlier life of the same broker, once that broker is registered again", async () => {
        const [earlier, now, other] = [await connect(), await connect(), await connect()];
        await registerBroker(earlier, 7, registration("dir-a"));
        const first = await elect(earlier, 7);
        if (first.kind !== "won") throw new Error(first.kind);
        expect(await elect(now, 7)).toEqual({ kind: "lost", holder: 7 });
        await registerBroker(now, 7, registration("dir-a"));
        expect(await elect(other, 8)).toEqual({ kind: "lost", holder: 7 });
        const again = await elect(now, 7);
        expect(again).toEqual({ kind: "won", controllerEpoch: 2, epochVersion: first.epochVersion + 1, sessionNumber: 1 });
        expect(await now.read(controllerPath)).toMatchObject({ ownedByUs: true });
        const late = await earlier.write([{ kind: "check", path: controllerEpochPath, version: first.epochVersion }, create("/x")]);
        expect(late).toMatchObject({ kind: "conflict", failedIndex: 0 });
        // the end of the old session removes nothing of the new term
        await earlier.close();
        expect(await elect(now, 7)).toEqual(again);
        expect(await elect(other, 8)).toEqual({ kind: "lost", holder: 7 });
      });

      test.each([{ done: true }, { done: false }])(
        "takes an earlier life's place once, though the answer is lost and another stands as well (done: $done)",
        async ({ done }) => {
          const [earlier, now, other] = [await connect(), await connect(), await connect()];
          await registerBroker(earlier, 7, registration("dir-a"));
          await registerBroker(other, 8, registration("dir-b"));
          await elect(earlier, 7);
          await registerBroker(now, 7, registration("dir-a"));
          harness.loseNextAnswer(now, { done });
          expect(await elect(now, 7)).toMatchObject({ kind: "unknown" });
          await earlier.close();
          await now.connected();
          const results = await Promise.all([elect(now, 7), elect(other, 8)]);
          expect(results.filter(({ kind }) => kind === "won")).toEqual([expect.objectContaining({ controllerEpoch: 2 })]);
          expect(await textAt(other, controllerEpochPath)).toBe("2");
        },
      );

      test("of the holder itself gives the same term again; a broken epoch is an error that names the node", async () => {
        const zk = await candidate(1);
        const first = await elect(zk, 1);
        expect(await elect(zk, 1)).toEqual(first);
        await zk.write([{ kind: "delete", path: controllerPath, version: -1 }, set(controllerEpochPath, "many", -1)]);
        await expect(elect(zk, 1)).rejects.toThrow(/\/controller_epoch is malformed/);
      });
    });

    describe("a controller that a majority cannot reach", () => {
      const registered = async (id: number) => {
        const coordinator = await connect();
        const { brokerEpoch } = await registerBroker(coordinator, id, registration(`dir-${id}`));
        return { coordinator, brokerId: id, brokerEpoch };
      };
      type Registered = Awaited<ReturnType<typeof registered>>;
      const depose = ({ coordinator, brokerId }: Registered, unreachable: Pick<Registered, "brokerId" | "brokerEpoch">) =>
        electController({ coordinator, brokerId, nowMs: 1_700_000_000_000, unreachable });
      /** Broker 1 is the controller. */
      const deposable = async () => {
        const [one, two, three] = [await registered(1), await registered(2), await registered(3)];
        const first = await elect(one.coordinator, 1);
        if (first.kind !== "won") throw new Error(first.kind);
        return { one, two, three, first };
      };

      test("is replaced though its session lives, under a raised epoch; its writes fail, and it cannot resign for the other", async () => {
        const { one, two, three, first } = await deposable();
        const won = { kind: "won", controllerEpoch: 2, epochVersion: first.epochVersion + 1, sessionNumber: 1 };
        expect(await depose(two, one)).toEqual(won);
        expect([await textAt(two.coordinator, controllerEpochPath), await two.coordinator.read(controllerPath)]).toMatchObject([
          "2",
          { ownedByUs: true },
        ]);
        const late = await one.coordinator.write([{ kind: "check", path: controllerEpochPath, version: first.epochVersion }, create("/x")]);
        expect(late).toEqual({ kind: "conflict", failedIndex: 0, reason: "bad-version" });
        expect((await resignController(one.coordinator, first)).kind).toBe("conflict");
        expect(await elect(one.coordinator, 1)).toEqual({ kind: "lost", holder: 2 });
        await one.coordinator.close();
        expect(await depose(three, one), "the verdict is about another").toEqual({ kind: "lost", holder: 2 });
        expect(await elect(two.coordinator, 2)).toEqual(won);
      });

      test("stays if the verdict is about another broker, or another registration of it", async () => {
        const { one, two, three } = await deposable();
        const { brokerEpoch } = one;
        const lost = { kind: "lost", holder: 1 };
        expect(await depose(two, three)).toEqual(lost);
        expect(await depose(two, { ...three, brokerEpoch })).toEqual(lost);
        expect(await depose(two, { ...one, brokerEpoch: brokerEpoch - 1 })).toEqual(lost);
        expect(await depose(two, { ...one, brokerEpoch: brokerEpoch + 1 })).toEqual(lost);
        expect(await textAt(two.coordinator, controllerEpochPath)).toBe("1");
      });

      test("stays if it holds its place in another session than that of the registration, or has none", async () => {
        const { one, two } = await deposable();
        const later = await registered(1);
        expect(await depose(two, later), "the session of its earlier life ends by itself").toEqual({ kind: "lost", holder: 1 });
        expect(await depose(two, one)).toEqual({ kind: "lost", holder: 1 });
        await two.coordinator.write([{ kind: "delete", path: brokerPath(1), version: -1 }]);
        expect(await depose(two, later)).toEqual({ kind: "lost", holder: 1 });
      });

      test("is never the asking broker itself", async () => {
        const { one, first } = await deposable();
        expect(await depose(one, one)).toEqual(first);
        expect(await textAt(one.coordinator, controllerEpochPath)).toBe("1");
      });

      test("stays while the epoch has been raised since, by whomever; and an unregistered broker replaces nobody", async () => {
        const { one, two, three } = await deposable();
        await three.coordinator.write([{ kind: "delete", path: brokerPath(3), version: -1 }]);
        expect(await depose(three, one)).toMatchObject({ kind: "unknown", error: { message: expect.stringContaining("not registered") } });
        await two.coordinator.write([set(controllerEpochPath, "7", -1)]);
        expect(await depose(two, one)).toMatchObject({ kind: "unknown" });
        expect([await textAt(two.coordinator, controllerEpochPath), await one.coordinator.read(controllerPath)]).toMatchObject([
          "7",
          { ownedByUs: true },
        ]);
      });

      test("has one successor, when two replace it at once", async () => {
        const { one, two, three } = await deposable();
        const results = await Promise.all([depose(two, one), depose(three, one)]);
        const winner = results[0]?.kind === "won" ? 2 : 3;
        expect(results.filter(({ kind }) => kind === "won")).toEqual([expect.objectContaining({ controllerEpoch: 2 })]);
        expect(results.filter(({ kind }) => kind === "lost")).toEqual([{ kind: "lost", holder: winner }]);
        expect(await textAt(one.coordinator, controllerEpochPath)).toBe("2");
      });

      test.each([{ done: true }, { done: false }])("is replaced once, though the answer is lost (done: $done)", async ({ done }) => {
        const { one, two } = await deposable();
        harness.loseNextAnswer(two.coordinator, { done });
        expect(await depose(two, one)).toMatchObject({ kind: "unknown" });
        await two.coordinator.connected();
        expect(await depose(two, one)).toMatchObject({ kind: "won", controllerEpoch: 2 });
        expect(await textAt(one.coordinator, controllerEpochPath)).toBe("2");
      });
    });

    describe("a broker's registration", () => {
      test("is readable by all, and its epoch rises with each life", async () => {
        const [zk, other] = [await connect(), await connect()];
        const { brokerEpoch, sessionNumber } = await registerBroker(zk, 7, registration("dir-a"));
        expect(sessionNumber).toBe(1);
        const node = await other.read(brokerPath(7));
        expect(node?.createdZxid).toBe(brokerEpoch);
        expect(decodeBrokerRegistration(brokerPath(7), node?.data ?? Buffer.alloc(0))).toEqual(registration("dir-a"));
        await zk.close();
        const again = await connect();
        expect((await registerBroker(again, 7, registration("dir-a"))).brokerEpoch).toBeGreaterThan(brokerEpoch);
      });

      test("left by an earlier life of the same directory is replaced at once", async () => {
        const [earlier, now] = [await connect(), await connect()];
        const { brokerEpoch } = await registerBroker(earlier, 7, registration("dir-a"));
        const result = await registerBroker(now, 7, registration("dir-a"));
        expect(result.brokerEpoch).toBeGreaterThan(brokerEpoch);
        expect(await now.read(brokerPath(7))).toMatchObject({ ownedByUs: true });
        expect(await earlier.read(brokerPath(7))).toMatchObject({ ownedByUs: false });
      });

      test("of an earlier life with one of our directories makes way: another may have failed since, or be new", async () => {
        const [earlier, now] = [await connect(), await connect()];
        await registerBroker(earlier, 7, registration("dir-a,dir-b"));
        await registerBroker(now, 7, registration("dir-b,dir-c"));
        expect(await now.read(brokerPath(7))).toMatchObject({ ownedByUs: true });
      });

      test("of another directory with the same id is an error that says where it is", async () => {
        const [holder, late] = [await connect(), await connect()];
        await registerBroker(holder, 7, registration("dir-a", 19_092));
        const refused = registerBroker(late, 7, registration("dir-b"));
        await expect(refused).rejects.toThrow(BrokerIdTaken);
        await expect(refused).rejects.toThrow(/broker id 7 .*127\.0\.0\.1:19092/);
        expect(await holder.read(brokerPath(7))).toMatchObject({ ownedByUs: true });
      });

      test("whose answer is lost is found to be ours", async () => {
        const zk = await connect();
        await registerBroker(zk, 6, registration("dir-b")); // so that the folder is there
        harness.loseNextAnswer(zk, { done: true });
        await expect(registerBroker(zk, 7, registration("dir-a"))).rejects.toThrow(CoordinatorUnavailable);
        await zk.connected();
        const node = await zk.read(brokerPath(7));
        expect((await registerBroker(zk, 7, registration("dir-a"))).brokerEpoch).toBe(node?.createdZxid);
      });
    });

    test("the cluster's id is made once, though many ask at once", async () => {
      const askers = await Promise.all(Array.from({ length: 4 }, connect));
      const asker = askers[0] as Coordinator;
      expect(await readClusterId(asker)).toBeNull();
      const ids = await Promise.all(askers.map((zk, seed) => readOrCreateClusterId(zk, seededRandom(seed))));
      expect(new Set(ids).size).toBe(1);
      expect(ids[0]).toMatch(/^[A-Za-z0-9_-]{22}$/);
      expect(JSON.parse((await textAt(asker, clusterIdPath)) ?? "")).toEqual({ version: "1", id: ids[0] });
    });

    test("so is the secret that brokers prove themselves with; one that is removed is re-created", async () => {
      const askers = await Promise.all(Array.from({ length: 4 }, connect));
      const asker = askers[0] as Coordinator;
      const make = () => Promise.all(askers.map((zk, seed) => readOrCreatePeerSecret(zk, seededRandom(seed))));
      const made = await make();
      expect(new Set(made).size).toBe(1);
      expect(Buffer.from(made[0] as string, "base64")).toHaveLength(32);
      expect(await readPeerSecret(asker)).toBe(made[0]);
      await asker.write([{ kind: "delete", path: peerSecretPath, version: -1 }]);
      expect(await readPeerSecret(asker)).toBeNull();
      expect(new Set(await make()).size).toBe(1);
    });

    test("a term is the present one while its holder has the controller's node and nobody raised the epoch", async () => {
      const [one, two] = await Promise.all([candidate(1), candidate(2)]);
      const first = await electController({ coordinator: one, brokerId: 1, nowMs: 1 });
      if (first.kind !== "won") throw new Error(first.kind);
      const { controllerEpoch } = first;
      const isPresent = (controllerId: number, epoch: number) => isPresentTerm(two, { controllerId, controllerEpoch: epoch });
      expect(await isPresent(1, controllerEpoch)).toBe(true);
      expect(await isPresent(2, controllerEpoch), "another broker").toBe(false);
      expect(await isPresent(1, controllerEpoch + 1), "an epoch that is not yet").toBe(false);
      await resignController(one, first);
      expect(await isPresent(1, controllerEpoch), "a term that is over").toBe(false);
      await electController({ coordinator: two, brokerId: 2, nowMs: 2 });
      expect(await isPresent(1, controllerEpoch)).toBe(false);
      expect(await isPresent(2, controllerEpoch + 1)).toBe(true);
    });

    test("many nodes are read in order, missing ones as null, more of them than may be under way at once", async () => {
      const zk = await harness.open({ requestsMax: 150 });
      await zk.connected();
      const paths = Array.from({ length: 500 }, (_, i) => `/n${i}`);
      for (let from = 0; from < 500; from += 100) {
        await zk.write(
          paths
            .slice(from, from + 100)
            .filter((_, i) => i % 10 !== 0)
            .map((path) => create(path, path)),
        );
      }
      const nodes = await readMany(zk, paths);
      expect(nodes.map((node) => node?.data.toString() ?? null)).toEqual(paths.map((path, i) => (i % 10 === 0 ? null : path)));
      expect(await readMany(zk, [])).toEqual([]);
      const reads = readMany(zk, paths);
      harness.breakLink(zk);
      await expect(reads).rejects.toThrow(CoordinatorUnavailable);
    });
  });
}
