import { expect, test } from "vitest";
import { emptyState } from "../../../broker/controller/controller-state.ts";
import { nothingDirty } from "../../../broker/controller/dirty-set.ts";
import { UpdateSender } from "../../../broker/controller/update-sender.ts";
import type { PeerRequester } from "../../../broker/runtime/peer-port.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import type { MetadataUpdateRequest, MetadataUpdateResponse } from "../../../protocol/peer/messages.ts";
import { SimClock } from "../../sim/sim-clock.ts";
import { topicId, topicOf } from "../cluster/topics.ts";

test("a broker keeps its place in a deletion's record when it says so in any part of an update", async () => {
  const sim = new SimClock();
  const sent: MetadataUpdateRequest[] = [];
  const deleted: string[] = [];
  const answer = ({ deletedTopics }: MetadataUpdateRequest): MetadataUpdateResponse => ({
    error: "NONE",
    message: "",
    keptTopics: deletedTopics.map(({ id }) => id).filter((id) => id === topicId(2)),
  });
  const peers = {
    request: async (_to: unknown, _kind: unknown, update: MetadataUpdateRequest) => {
      sent.push(update);
      return { body: answer(update), payload: Buffer.alloc(0) };
    },
  } as unknown as PeerRequester;
  const partitions = 20_001;
  const broker = { id: 1, epoch: 10, rack: null, endpoints: [], peer: { host: "h", port: 1 } };
  const state = { ...emptyState, brokers: new Map([[1, broker]]), topics: new Map([["t", topicOf("t", 1, partitions)]]) };
  const sender = new UpdateSender(
    { controllerId: 1, controllerEpoch: 3 },
    {
      peers,
      clock: sim.forOwner("controller"),
      random: seededRandom(1),
      log: silentLogger,
      book: { current: state, starting: { current: [] } },
      events: { acknowledged: () => {}, deposed: () => {}, deleted: (_broker, ids) => void deleted.push(...ids) },
    },
  );
  const acknowledged = async (changeNumber: number) => {
    const known = sender.acknowledged(changeNumber, 10_000);
    while (await sim.step());
    expect(await known).toBe(true);
  };
  sender.brokersChanged();
  await acknowledged(sender.changeNumber);
  sent.length = 0;
  const numbers = new Set(Array.from({ length: partitions }, (_, number) => number));
  const deletedTopics = new Map([
    [topicId(2), "kept"],
    [topicId(3), "gone"],
  ]);
  await acknowledged(sender.changed({ ...nothingDirty, partitions: new Map([["t", numbers]]), deletedTopics }));
  expect(sent.map((update) => update.deletedTopics.length)).toEqual([2, 0]);
  expect(deleted).toEqual([topicId(3)]);
  sender.stop();
});
