import { expect, test } from "vitest";
import { type Asked, ClientHarness, fetchKey, request } from "./client-harness.ts";
import { settled } from "./manual-clock.ts";

/** Answers with `bytes`, which lie in as much memory as `keptBytes` says. */
function answerFrom(asked: Asked | undefined, bytes: number, keptBytes: number, onReleased: () => void): void {
  asked?.context.meter.whenSent({ bytes: keptBytes, release: onReleased });
  asked?.answer("x".repeat(bytes));
}

async function fetching(count: number) {
  const broker = await new ClientHarness().start();
  const client = await broker.connect();
  for (let i = 0; i < count; i++) client.link.write([request(fetchKey, 4, i, "")]);
  await settled();
  return { broker, client, heldBytes: () => broker.listeners.heldBytes };
}

test("the memory of an answer counts as a whole until all of it has left", async () => {
  const { broker, client, heldBytes } = await fetching(1);
  let releases = 0;
  client.link.isPaused = true;
  answerFrom(broker.asked[0], 400_000, 1_000_000, () => releases++);
  await settled();
  expect([releases, heldBytes()]).toEqual([0, 1_000_000]);
  client.link.resume();
  for (let i = 0; i < 10; i++) await settled();
  expect([releases, heldBytes()]).toEqual([1, 0]);
});

test("when its client goes away, memory is released: of what is on its way, of what waits, and of what is answered later", async () => {
  for (const answeredBefore of [true, false]) {
    const { broker, client, heldBytes } = await fetching(1);
    let releases = 0;
    client.link.isPaused = true;
    const answer = () => answerFrom(broker.asked[0], 400_000, 1_000_000, () => releases++);
    if (answeredBefore) answer();
    await settled();
    client.link.destroy();
    await settled();
    if (!answeredBefore) answer();
    await settled();
    expect([releases, heldBytes()], `answered before: ${answeredBefore}`).toEqual([1, 0]);
  }
});
