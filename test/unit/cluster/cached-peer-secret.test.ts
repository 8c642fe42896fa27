import { expect, test } from "vitest";
import { CachedPeerSecret } from "../../../broker/cluster/cached-peer-secret.ts";
import { encodePeerSecret } from "../../../coordinator-client/znodes/peer-secret.ts";
import { silentLogger } from "../../../protocol/base/logger.ts";
import { ManualClock } from "../network/manual-clock.ts";

const [older, newer] = ["o".repeat(44), "n".repeat(44)];

function cached() {
  const clock = new ManualClock();
  const node: { secret: string | null; isAway: boolean; reads: number } = { secret: older, isAway: false, reads: 0 };
  const read = async () => {
    node.reads++;
    if (node.isAway) throw new Error("no server answers");
    if (node.secret === null) return null;
    const data = encodePeerSecret(node.secret);
    return { data, version: 0, createdZxid: 1, modifiedZxid: 1, ephemeralOwner: null, ownedByUs: false };
  };
  return { clock, node, secret: new CachedPeerSecret(older, { coordinator: { read }, clock, log: silentLogger }) };
}

test("a secret that was changed is known after a look", async () => {
  const { node, secret } = cached();
  node.secret = newer;
  expect(secret.value).toBe(older);
  await secret.reread();
  expect(secret.value).toBe(newer);
});

test("however often strangers make it look, the coordinator is read once a second", async () => {
  const { clock, node, secret } = cached();
  for (let i = 0; i < 100; i++) await Promise.all([secret.reread(), secret.reread()]);
  expect(node.reads).toBe(1);
  await clock.advance(1_000);
  await Promise.all([secret.reread(), secret.reread()]);
  expect(node.reads).toBe(2);
});

test("without the coordinator, or without the node, the one that was known stays", async () => {
  const { clock, node, secret } = cached();
  node.isAway = true;
  await secret.reread();
  expect(secret.value).toBe(older);
  await clock.advance(1_000);
  Object.assign(node, { isAway: false, secret: null });
  await secret.reread();
  expect(secret.value).toBe(older);
  await clock.advance(1_000);
  node.secret = "short";
  await secret.reread();
  expect(secret.value).toBe(older);
  expect(node.reads).toBe(3);
});
