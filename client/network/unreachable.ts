import { type Address, formatAddress } from "../../protocol/base/transport.ts";
import { messageOf } from "../base/as-error.ts";
import { ConnectionLost, RequestTimedOut } from "../base/errors.ts";

const reasons: Readonly<Record<string, string>> = {
  ENOTFOUND: "does not resolve",
  EAI_NODATA: "does not resolve",
  EAI_AGAIN: "does not resolve now (the name server does not answer)",
  ECONNREFUSED: "refuses connections",
  ETIMEDOUT: "does not answer",
  EHOSTUNREACH: "cannot be reached from here",
  ENETUNREACH: "cannot be reached from here",
};

/** The source of an address that was not given by the application. */
export interface NamedBy {
  readonly broker: number;
  /** It is the only broker, so it advertises itself. */
  readonly isItself: boolean;
  /** Those that could be reached. */
  readonly reached: readonly Address[];
}

/** `why`, of an address: a sentence without its beginning; null: no known reason. */
export function whyUnreachable(error: unknown): string | null {
  if (error instanceof RequestTimedOut) return "does not answer";
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const reason = code === undefined ? undefined : reasons[code];
    if (reason !== undefined) return reason;
  }
  return null;
}

/** The failure to reach an address, worded for people who know only the bootstrap addresses. */
export function unreachable(address: Address, error: unknown, namedBy: NamedBy | null): ConnectionLost {
  const why = whyUnreachable(error);
  const message = messageOf(error);
  if (namedBy === null) {
    if (why === null) return error instanceof ConnectionLost ? error : new ConnectionLost(message, { cause: error });
    return new ConnectionLost(`${formatAddress(address)} ${why}`);
  }
  const { broker, isItself, reached } = namedBy;
  const named = `${formatAddress(address)} for ${isItself ? "itself" : `broker ${broker}`}, which ${why ?? `cannot be reached (${message})`}`;
  const [first, ...others] = reached.slice(0, 3).map(formatAddress);
  const whole =
    first === undefined
      ? `the cluster names ${named}`
      : `reached ${[first, ...others].join(", ")}, which ${others.length > 0 ? "name" : "names"} ${named}`;
  return new ConnectionLost(whole, why === null ? { cause: error } : {}, broker);
}
