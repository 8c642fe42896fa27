import type { Random } from "../protocol/base/random.ts";
import type { Coordinator, WriteOperation } from "./coordinator.ts";
import { type MadeOnce, readMadeOnce, readOrMakeOnce } from "./made-once.ts";
import { peerSecretPath } from "./znodes/paths.ts";
import { decodePeerSecret, encodePeerSecret } from "./znodes/peer-secret.ts";

const peerSecret: MadeOnce<string> = { path: peerSecretPath, encode: encodePeerSecret, decode: decodePeerSecret };

const secretBytes = 32;

/** What brokers prove to each other that they can read. Generated if there is none, where `guard` holds; rejects as `readOrMakeOnce`. */
export function readOrCreatePeerSecret(coordinator: Coordinator, random: Random, guard: readonly WriteOperation[] = []): Promise<string> {
  return readOrMakeOnce(coordinator, peerSecret, () => random.bytes(secretBytes).toString("base64"), guard);
}

/** Null: it was removed, or never created. */
export function readPeerSecret(coordinator: Pick<Coordinator, "read">): Promise<string | null> {
  return readMadeOnce(coordinator, peerSecret);
}
