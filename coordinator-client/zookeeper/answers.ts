import { Exception, type Stat } from "node-zookeeper-client";
import type { ConflictReason, WriteOperation } from "../coordinator.ts";
import type { WireAnswer, WireNode } from "../session/wire.ts";

/** One operation's part of the library's response to a transaction. */
export interface TransactionPart {
  /** The operation's code; -1 when the transaction failed. */
  readonly type: number;
  /** In a failed transaction: 0 before the operation that failed, its error code, and RUNTIME_INCONSISTENCY after it. */
  readonly err?: number;
  readonly path?: string;
  readonly stat?: Stat;
}

/** The error code in the library's callback; null for anything else. */
export function codeOf(error: unknown): number | null {
  const code = error instanceof Error && "code" in error ? error.code : null;
  return typeof code === "number" ? code : null;
}

export function nodeAnswer(stat: Stat | null, data: Buffer | undefined): WireAnswer {
  return { kind: "node", node: stat === null ? null : toNode(stat, data ?? Buffer.alloc(0)) };
}

/** Decodes the library's response to a transaction: success, or which operation failed and why. */
export function writeAnswer(
  operations: readonly WriteOperation[],
  error: unknown,
  parts: readonly TransactionPart[] | undefined,
): WireAnswer {
  if (parts === undefined)
    return { kind: "failed", error: error instanceof Error ? error : new Error("the server's answer has no results") };
  if (parts.length !== operations.length) {
    return { kind: "failed", error: new Error(`the server answered ${parts.length} operations of ${operations.length}`) };
  }
  // Not the library's `error`: it does not say which operation failed.
  const failedIndex = parts.findIndex(({ err }) => err !== undefined && err !== Exception.OK);
  if (failedIndex === -1)
    return { kind: "write", result: { kind: "written", results: operations.map((operation, i) => resultOf(operation, parts[i])) } };
  const reason = conflictReason(parts[failedIndex]?.err ?? 0, operations[failedIndex]?.kind);
  return { kind: "write", result: { kind: "conflict", failedIndex, reason } };
}

function resultOf(operation: WriteOperation, part: TransactionPart | undefined): { path: string; version: number } {
  switch (operation.kind) {
    case "create":
      return { path: part?.path ?? operation.path, version: 0 };
    case "set":
      return { path: operation.path, version: part?.stat?.version ?? -1 };
    case "delete":
    case "check":
      return { path: operation.path, version: -1 };
  }
}

function conflictReason(code: number, kind: WriteOperation["kind"] | undefined): ConflictReason {
  switch (code) {
    case Exception.NO_NODE:
      return kind === "create" ? "no-parent" : "no-node";
    case Exception.NODE_EXISTS:
      return "node-exists";
    case Exception.BAD_VERSION:
      return "bad-version";
    case Exception.NOT_EMPTY:
      return "not-empty";
    default:
      return "other";
  }
}

function toNode(stat: Stat, data: Buffer): WireNode {
  const owner = stat.ephemeralOwner.toString("hex");
  return {
    data,
    version: stat.version,
    createdZxid: zxidToNumber(stat.czxid),
    modifiedZxid: zxidToNumber(stat.mzxid),
    ephemeralOwner: /^0*$/.test(owner) ? null : owner,
  };
}

/** A transaction id is an epoch above a 32-bit counter: exact as a number for the first two million elections of ZooKeeper's leader. */
function zxidToNumber(long: Buffer): number {
  const zxid = long.readBigInt64BE(0);
  if (zxid < 0n || zxid > BigInt(Number.MAX_SAFE_INTEGER))
    throw new Error(`ZooKeeper's transaction id 0x${long.toString("hex")} is beyond 2^53`);
  return Number(zxid);
}
