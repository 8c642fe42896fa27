import { expect, test } from "vitest";
import { type ClusterImage, clusterView, emptyImage } from "../../../broker/cluster/cluster-image.ts";
import type { Suspects } from "../../../broker/cluster/suspicion.ts";

const broker = (id: number) => ({ id, epoch: 100 + id, rack: null, endpoints: [], peer: { host: "h", port: id } });

/** What broker 1 thinks of 2. */
function of2(suspects: Suspects, change: Partial<ClusterImage> = {}, cutOff: readonly number[] = []) {
  const current = { ...emptyImage("cluster"), brokers: new Map([1, 2, 3].map((id) => [id, broker(id)])), ...change };
  const images = { current, onChange: () => () => {} };
  const view = clusterView({
    brokerId: 1,
    images,
    membership: { epoch: 101 },
    session: { provedUntilMs: 0 },
    watch: { suspects, stallInDoubt: null, isCutOffFromUs: (id) => cutOff.includes(id), doubt: () => {} },
  });
  return {
    epoch: view.brokerEpoch(2),
    hasReplica: view.hasReplica(2, "t-id", 0),
    isSuspected: view.isSuspected(2),
    registration: view.registration(2),
  };
}

const well = { epoch: 102, hasReplica: true, isSuspected: false, registration: 102 };

test("a broker whose process is gone does not stay in an in-sync set, nor join one; one that is silent may, for a while", () => {
  expect(of2(new Map())).toEqual(well);
  expect(of2(new Map([[3, "gone"]]))).toEqual(well);
  expect(of2(new Map([[2, "silent"]]))).toEqual({ ...well, isSuspected: true });
  expect(of2(new Map([[2, "gone"]]))).toEqual({ epoch: null, hasReplica: false, isSuspected: true, registration: 102 });
});

test("a broker that the controller suspects is suspected here as well, and that is all", () => {
  expect(of2(new Map(), { suspectedBrokers: new Set([2]) })).toEqual({ ...well, isSuspected: true });
  expect(of2(new Map(), { suspectedBrokers: new Set([3]) })).toEqual(well);
});

test("a broker that does not reach us is suspected: it cannot fetch from here, whoever else it reaches", () => {
  expect(of2(new Map(), {}, [2])).toEqual({ ...well, isSuspected: true });
  expect(of2(new Map(), {}, [3])).toEqual(well);
});

test("after a stall a session proves nothing, until it is known who leads", () => {
  const watch = {
    suspects: new Map(),
    stallInDoubt: 1 as number | null,
    isCutOffFromUs: () => false,
    doubt: () => {
      watch.stallInDoubt = 2;
    },
  };
  const view = clusterView({
    brokerId: 1,
    images: { current: emptyImage("c"), onChange: () => () => {} },
    membership: { epoch: 4 },
    session: { provedUntilMs: 1_000 },
    watch,
  });
  expect(view.sessionProvedUntilMs).toBe(Number.NEGATIVE_INFINITY);
  watch.stallInDoubt = null;
  expect(view.sessionProvedUntilMs).toBe(1_000);
  view.doubtLeaderships();
  expect(view.sessionProvedUntilMs).toBe(Number.NEGATIVE_INFINITY);
});
