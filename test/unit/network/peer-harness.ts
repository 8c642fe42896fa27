import { PeerClient, peerClientDefaults } from "../../../broker/network/peer-client.ts";
import { decodePeerFrame, encodePeerFrame } from "../../../broker/network/peer-frame.ts";
import { codeOf, peerProtocolVersion } from "../../../broker/network/peer-hello.ts";
import { PeerServer, peerServerDefaults } from "../../../broker/network/peer-server.ts";
import type { PeerHandlers, PeerSecret } from "../../../broker/runtime/peer-port.ts";
import { seededRandom } from "../../../protocol/base/random.ts";
import type { Address } from "../../../protocol/base/transport.ts";
import type { PeerKind, PeerResponse } from "../../../protocol/peer/messages.ts";
import { SlabPool } from "../../../protocol/wire/slab-pool.ts";
import { type Logged, recordingLogger } from "./client-harness.ts";
import { ManualClock, settled } from "./manual-clock.ts";
import { type MemoryLink, MemoryTransport } from "./memory-transport.ts";
import { peerSamples } from "./peer-samples.ts";

export interface Served {
  readonly kind: PeerKind;
  readonly body: unknown;
  readonly payload: Buffer;
  answer(payload?: readonly Buffer[], body?: unknown): void;
  fail(error: Error): void;
}

const frameMaxBytes = 1_000_000;
export const options = { timeoutMs: 1000, lane: "control" } as const;
export const forward = peerSamples.forward;

/** A broker's view of the node with the secret; what the node has now is known after the next look. */
export class KnownSecret implements PeerSecret {
  value: string;
  inNode: string;
  looks = 0;

  constructor(value: string) {
    this.value = value;
    this.inNode = value;
  }

  async reread(): Promise<void> {
    this.looks++;
    this.value = this.inNode;
  }
}

export class PeerHarness {
  readonly clock = new ManualClock();
  readonly transport = new MemoryTransport();
  readonly served: Served[] = [];
  readonly lines: Logged[] = [];
  readonly fatal: Error[] = [];
  readonly server: PeerServer;
  readonly client: PeerClient;
  readonly serverSecret = new KnownSecret("secret");
  readonly clientSecret = new KnownSecret("secret");
  address: Address = { host: "127.0.0.1", port: 0 };

  constructor({ clientCluster = "C1", requestsInFlightMax = 100, callsMax = 50 } = {}) {
    const { clock, transport } = this;
    const log = recordingLogger(this.lines);
    const handler =
      <K extends PeerKind>(kind: K) =>
      (body: unknown, payload: Buffer) =>
        new Promise<{ body: PeerResponse<K>; payload?: readonly Buffer[] }>((resolve, reject) => {
          const answer = (records: readonly Buffer[] = [], answered: unknown = peerSamples[kind].response) =>
            resolve({ body: answered as PeerResponse<K>, payload: records });
          this.served.push({ kind, body, payload, answer, fail: reject });
        });
    const kinds = Object.keys(peerSamples) as PeerKind[];
    const handlers = Object.fromEntries(kinds.map((kind) => [kind, handler(kind)])) as unknown as PeerHandlers;
    const onFatal = (error: Error) => this.fatal.push(error);
    const limits = { ...peerServerDefaults, frameMaxBytes, requestsInFlightMax };
    const common = { clock, log, random: seededRandom(1) };
    const { serverSecret, clientSecret } = this;
    this.server = new PeerServer(transport, { ...common, clusterId: "C1", brokerId: 1, secret: serverSecret, handlers, limits, onFatal });
    const clientLimits = { ...peerClientDefaults, frameMaxBytes, callsMax };
    const ours = { clusterId: clientCluster, brokerId: 2, secret: clientSecret };
    this.client = new PeerClient({ ...common, ...ours, transport, slabs: new SlabPool({ detachesReleased: true }), limits: clientLimits });
  }

  async start(): Promise<this> {
    this.address = await this.server.listen(this.address);
    return this;
  }

  ask(apiKey = 1, extra: object = {}) {
    return this.client.request(this.address, "forward", { ...forward.request, apiKey }, { ...options, ...extra });
  }

  /** A raw link to the server, with what it says. */
  async raw(): Promise<{ link: MemoryLink; received: () => Buffer }> {
    const received: Buffer[] = [];
    const link = await this.transport.connect(this.address, { onData: (chunk) => received.push(Buffer.from(chunk)), onClose: () => {} });
    return { link, received: () => Buffer.concat(received) };
  }

  /** Introduces itself as broker 3, and proves it with a code made from the server's answer. */
  async introduced(prove: (serverNonce: string) => string) {
    const { link, received } = await this.raw();
    link.write(encodePeerFrame(0, "hello", { version: peerProtocolVersion, clusterId: "C1", brokerId: 3, nonce: "n" }));
    await settled();
    const { nonce } = lastFrame(received()).body as { nonce: string };
    link.write(encodePeerFrame(0, "proof", { code: prove(nonce) }));
    await settled();
    return { link, received, nonce };
  }
}

export function lastFrame(bytes: Buffer) {
  let at = 0;
  while (at + 4 + bytes.readUInt32BE(at) < bytes.length) at += 4 + bytes.readUInt32BE(at);
  return decodePeerFrame(bytes.subarray(at + 4));
}

/** The right code of broker 3 with the nonce `n`. */
export function rightCode(serverNonce: string, secret = "secret", side: "asking" | "answering" = "asking"): string {
  const [asking, answering] = [
    { brokerId: 3, nonce: "n" },
    { brokerId: 1, nonce: serverNonce },
  ];
  return codeOf(secret, side, { clusterId: "C1", asking, answering });
}
