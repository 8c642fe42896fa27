import { expect, test } from "vitest";
import { initProducerIdApi } from "../../../broker/api/init-producer-id.ts";
import type { ProducerIdSource } from "../../../broker/cluster/producer-ids.ts";
import { answerOf } from "./fixtures.ts";

const asked = {
  transactionalId: null,
  transactionTimeoutMs: 1_000,
  producerId: -1,
  producerEpoch: -1,
  enable2Pc: false,
  keepPreparedTxn: false,
};

const noCoordinator = { runWithId: async () => ({ error: "NOT_COORDINATOR" }) as const, allowsTimeout: () => true };

function counting(): ProducerIdSource {
  let next = 40;
  return { next: async () => ({ error: null, producerId: next++ }) };
}

test("whoever has no transactional id gets a new id and epoch 0, whatever it had before", async () => {
  const api = initProducerIdApi(counting(), noCoordinator);
  expect(await answerOf(api, asked, 0)).toMatchObject({ errorCode: "NONE", producerId: 40, producerEpoch: 0 });
  expect(await answerOf(api, { ...asked, producerId: 40, producerEpoch: 3 }, 5)).toMatchObject({ producerId: 41, producerEpoch: 0 });
  expect(await answerOf(api, { ...asked, producerId: 0, producerEpoch: 0 }, 4)).toMatchObject({ producerId: 42, producerEpoch: 0 });
});

test("an id without an epoch, an epoch without an id, and a transactional id of another coordinator are refused", async () => {
  const api = initProducerIdApi(counting(), noCoordinator);
  const refused = [
    [{ producerId: 4 }, "INVALID_REQUEST"],
    [{ producerEpoch: 4 }, "INVALID_REQUEST"],
    [{ enable2Pc: true }, "INVALID_REQUEST"],
    [{ keepPreparedTxn: true }, "INVALID_REQUEST"],
    [{ transactionalId: "t" }, "NOT_COORDINATOR"],
    [{ transactionalId: "" }, "INVALID_REQUEST"],
  ] as const;
  for (const [more, errorCode] of refused)
    expect(await answerOf(api, { ...asked, ...more }, 6)).toMatchObject({
      errorCode,
      producerId: -1,
      producerEpoch: -1,
    });
});

test("when no id can be had, the producer is told why", async () => {
  const api = initProducerIdApi({ next: async () => ({ error: "COORDINATOR_NOT_AVAILABLE" }) }, noCoordinator);
  expect(await answerOf(api, asked, 5)).toMatchObject({ errorCode: "COORDINATOR_NOT_AVAILABLE", producerId: -1, producerEpoch: -1 });
});
