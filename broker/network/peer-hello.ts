import { integer, nullable, object, text } from "../../protocol/peer/shape.ts";
import { checked } from "../../protocol/peer/shape-check.ts";

/** The first frame either way on a link between brokers. */
export const helloKind = "hello";

/** What we speak. Raised when an older broker could not understand a newer one; both ends must have the same. */
export const peerProtocolVersion = 1;

/** No hello is larger: until it came, nothing more is kept of what a stranger sends. */
export const helloMaxBytes = 4096;

export interface Hello {
  readonly version: number;
  readonly clusterId: string;
  readonly brokerId: number;
}

export interface HelloAnswer {
  readonly version: number;
  readonly clusterId: string;
  /** Null: welcome. Else why not, for a person; the link is then closed. */
  readonly refusal: string | null;
}

const version = integer(1, 65_535);
const clusterId = text(256);
const hello = object<Hello>({ version, clusterId, brokerId: integer(0, 2 ** 31 - 1) });
const helloAnswer = object<HelloAnswer>({ version, clusterId, refusal: nullable(text(2048)) });

/** Throws ShapeMismatch. */
export function checkedHello(body: unknown): Hello {
  return checked("hello", hello, body);
}

/** Throws ShapeMismatch. */
export function checkedHelloAnswer(body: unknown): HelloAnswer {
  return checked("hello answer", helloAnswer, body);
}

/** Why a broker that introduced itself so is not let in; null: it is. */
export function refusalOf(theirs: Hello, ownClusterId: string): string | null {
  if (theirs.version !== peerProtocolVersion)
    return `broker ${theirs.brokerId} speaks version ${theirs.version} of the peer protocol, this broker version ${peerProtocolVersion}`;
  if (theirs.clusterId !== ownClusterId)
    return `broker ${theirs.brokerId} belongs to cluster ${theirs.clusterId}, this broker to cluster ${ownClusterId}`;
  return null;
}
