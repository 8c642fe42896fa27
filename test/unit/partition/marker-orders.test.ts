import { expect, test } from "vitest";
import { MarkerOrders } from "../../../broker/partition/marker-orders.ts";

const marker = { producerEpoch: 0, coordinatorEpoch: 3, kind: "commit", transactionVersion: 1 } as const;

test("orders are kept of so many producers, of those that ended last, and only where epochs do not tell", () => {
  const orders = new MarkerOrders();
  const isLate = (producerId: number) => orders.isLate({ ...marker, producerId, order: 5 });
  for (let producerId = 0; producerId < 10_000; producerId++) orders.note({ ...marker, producerId, order: 5 });
  orders.note({ ...marker, producerId: 0, order: 5 });
  orders.note({ ...marker, producerId: 20_000, order: 5, transactionVersion: 2 });
  orders.note({ ...marker, producerId: 30_000, order: 5 });
  expect([0, 1, 2, 20_000, 30_000].map(isLate)).toEqual([true, false, true, false, true]);
  expect(orders.isLate({ ...marker, producerId: 0 }), "of an older broker").toBe(false);
});
