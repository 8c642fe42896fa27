import type { BrokerId } from "../../protocol/base/ids.ts";
import type { Random } from "../../protocol/base/random.ts";
import { hmacSha256, isSameCode } from "../../protocol/node/node-hmac.ts";
import { integer, nullable, object, text } from "../../protocol/peer/shape.ts";
import { checked } from "../../protocol/peer/shape-check.ts";

/**
 * How a link between brokers begins. The secret is kept in the coordinator, so an end that proves to know it can read there, as only
 * brokers should. It never crosses the link itself.
 * 1. The asking end says `hello`, with a nonce.
 * 2. The answering end says `hello`, with a nonce of its own, or why not.
 * 3. The asking end sends its `proof`: a code over both introductions, keyed with the secret.
 * 4. The answering end sends its own, or why not. What it sends before that is the same for everyone, so that a stranger learns nothing.
 * The codes of the two ends differ (`side`), so neither can be sent back; and they hold for these two nonces only.
 */
export const helloKind = "hello";
export const proofKind = "proof";

/** Our protocol version. Raised when an older broker could not understand a newer one; both ends must have the same. */
export const peerProtocolVersion = 5;

/** No frame of the introduction is larger: until it is over, nothing more is kept of what a stranger sends. */
export const helloMaxBytes = 4096;

/** What every version sends first; enough to refuse another version with a message. */
export interface AnyHello {
  readonly version: number;
  readonly clusterId: string;
  readonly brokerId: BrokerId;
}

export interface Hello extends AnyHello {
  readonly nonce: string;
}

export interface AnyHelloAnswer {
  readonly version: number;
  readonly clusterId: string;
  /** Null: continue. Otherwise the reason, human-readable; the link is then closed. */
  readonly refusal: string | null;
}

export interface HelloAnswer extends AnyHelloAnswer {
  readonly brokerId: BrokerId;
  readonly nonce: string;
}

export interface Proof {
  readonly code: string;
}

export interface ProofAnswer {
  /** Null: welcome. */
  readonly refusal: string | null;
  /** Empty when refused. */
  readonly code: string;
}

/** Both introductions: the input of the codes. */
export interface Introductions {
  readonly clusterId: string;
  readonly asking: { readonly brokerId: BrokerId; readonly nonce: string };
  readonly answering: { readonly brokerId: BrokerId; readonly nonce: string };
}

const version = integer(1, 65_535);
const clusterId = text(256);
const brokerId = integer(0, 2 ** 31 - 1);
const nonce = text(64);
const refusal = nullable(text(2048));
const code = text(64);
const anyHello = { version, clusterId, brokerId } as const;
const anyHelloAnswer = { version, clusterId, refusal } as const;
const shapes = {
  anyHello: object<AnyHello>(anyHello),
  hello: object<Hello>({ ...anyHello, nonce }),
  anyHelloAnswer: object<AnyHelloAnswer>(anyHelloAnswer),
  helloAnswer: object<HelloAnswer>({ ...anyHelloAnswer, brokerId, nonce }),
  proof: object<Proof>({ code }),
  proofAnswer: object<ProofAnswer>({ refusal, code }),
} as const;

/** All of these throw ShapeMismatch. */
export const checkedAnyHello = (body: unknown) => checked("hello", shapes.anyHello, body);
export const checkedHello = (body: unknown) => checked("hello", shapes.hello, body);
export const checkedAnyHelloAnswer = (body: unknown) => checked("hello answer", shapes.anyHelloAnswer, body);
export const checkedHelloAnswer = (body: unknown) => checked("hello answer", shapes.helloAnswer, body);
export const checkedProof = (body: unknown) => checked("proof", shapes.proof, body);
export const checkedProofAnswer = (body: unknown) => checked("proof answer", shapes.proofAnswer, body);

const nonceBytes = 32;

export function newNonce(random: Random): string {
  return random.bytes(nonceBytes).toString("base64");
}

/** Why a broker with this introduction is refused; null: it may prove itself. */
export function refusalOf(theirs: AnyHello, ownClusterId: string): string | null {
  if (theirs.version !== peerProtocolVersion)
    return `broker ${theirs.brokerId} speaks version ${theirs.version} of the peer protocol, this broker version ${peerProtocolVersion}`;
  if (theirs.clusterId !== ownClusterId)
    return `broker ${theirs.brokerId} belongs to cluster ${theirs.clusterId}, this broker to cluster ${ownClusterId}`;
  return null;
}

export function codeOf(secret: string, side: "asking" | "answering", { clusterId, asking, answering }: Introductions): string {
  // a JSON array: no two different introductions give the same text
  const said = [side, peerProtocolVersion, clusterId, asking.brokerId, asking.nonce, answering.brokerId, answering.nonce];
  return hmacSha256(secret, JSON.stringify(said));
}

export function isCodeOf(theirs: string, secret: string, side: "asking" | "answering", introductions: Introductions): boolean {
  return isSameCode(theirs, codeOf(secret, side, introductions));
}
