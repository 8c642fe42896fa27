import { expect, test } from "vitest";
import { BusyQueues } from "../../../client/producer/busy-queues.ts";
import { PartitionQueue } from "../../../client/producer/partition-queue.ts";

const queues = [0, 1, 2, 3].map((partition) => new PartitionQueue("t", partition, 1, null));
const [a, b, c, d] = queues as [PartitionQueue, PartitionQueue, PartitionQueue, PartitionQueue];

test("queues are served in turn, and may leave while it is their turn", () => {
  const busy = new BusyQueues();
  const order = () => [...busy].map(({ partition }) => partition);
  expect(order()).toEqual([]);
  for (const queue of queues) busy.add(queue);
  busy.moveToEnd(a);
  busy.moveToEnd(a);
  expect(order()).toEqual([1, 2, 3, 0]);
  busy.remove(c);
  expect([c.isBusy, c.next, c.previous], "who leaves points to nothing").toEqual([false, null, null]);
  expect(order()).toEqual([1, 3, 0]);
  for (const queue of busy) if (queue !== d) busy.remove(queue);
  expect(order()).toEqual([3]);
  busy.remove(d);
  expect(busy.first).toBe(null);
  busy.add(b);
  expect(order()).toEqual([1]);
});
