import { type Client, CreateMode, Exception, type Stat } from "node-zookeeper-client";
import type { Clock, Timer } from "../../protocol/base/clock.ts";
import { InvariantViolation, invariant } from "../../protocol/base/invariant.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import type { Random } from "../../protocol/base/random.ts";
import { type Address, formatAddress } from "../../protocol/base/transport.ts";
import type { WriteOperation } from "../coordinator.ts";
import type { SessionWire, WireAnswer, WireHandlers, WireRequest } from "../session/wire.ts";
import { codeOf, nodeAnswer, type TransactionPart, writeAnswer } from "./answers.ts";
import { attemptMaxMs, pauseBeforeMs } from "./connect-pace.ts";
import { LibraryClient } from "./library.ts";

export interface ZookeeperWireParts {
  /** In the order in which to try them. */
  readonly servers: readonly Address[];
  /** Requested; the server may grant another. Milliseconds. */
  readonly sessionTimeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

const tellAgainMs = 60_000;

/** One session's connection to real ZooKeeper servers. */
export class ZookeeperWire implements SessionWire {
  readonly #parts: ZookeeperWireParts;
  readonly #handlers: WireHandlers;
  readonly #library: LibraryClient;
  #linkIsUp = false;
  #isDead = false;
  /** Attempts since the link was last up. */
  #attempts = 0;
  /** Those of them that were given up because no session came in time. */
  #timedOut = 0;
  #attemptStartMs = 0;
  #nextServerIndex = 0;
  #timer: Timer | null = null;
  #goodbyeSaid: () => void = () => {};
  /** When it was last logged that no server can be reached. */
  #toldMs = Number.NEGATIVE_INFINITY;
  /** Why the link is going down, if known. */
  #downReason: string | null = null;

  constructor(parts: ZookeeperWireParts, handlers: WireHandlers) {
    this.#parts = parts;
    this.#handlers = handlers;
    this.#library = new LibraryClient(parts.servers, parts.sessionTimeoutMs, {
      wantsServer: (connect) => this.#connectNext(connect),
      connected: (session) => this.#onConnected(session),
      disconnected: () => this.#onDisconnected("the connection closed"),
      expired: () => handlers.expired(),
      ended: () => this.#goodbyeSaid(),
      heard: () => handlers.heard(),
      garbled: (error) => this.dropLink(`what the server sent makes no sense: ${error instanceof Error ? error.message : error}`),
    });
  }

  start(): void {
    this.#library.start();
  }

  send(request: WireRequest, answered: (answer: WireAnswer) => void): void {
    invariant(this.#linkIsUp, "requests are sent on a link that is up");
    this.#library.beforeRequest();
    ask(this.#library, request, (error, answer) => {
      if (this.#isDead || !this.#linkIsUp) return;
      const code = codeOf(error);
      // The end of the link settles what it left unanswered.
      if (code === Exception.CONNECTION_LOSS) return;
      answered(answer());
      // After a session moved to another server, or was ended elsewhere, the old connection stays open and answers each request with this.
      if (code === Exception.SESSION_EXPIRED) this.#handlers.expired();
    });
  }

  dropLink(reason: string): void {
    if (this.#isDead) return;
    this.#onDisconnected(reason);
    this.#library.drop();
  }

  endSession(done: () => void): void {
    this.#goodbyeSaid = done;
    this.#library.endSession();
  }

  kill(): void {
    this.#isDead = true;
    this.#linkIsUp = false;
    this.#timer?.cancel();
    this.#library.kill();
  }

  #connectNext(connect: (server: Address) => void): void {
    const { servers, clock, random, log, sessionTimeoutMs } = this.#parts;
    const pauseMs = pauseBeforeMs(this.#attempts, servers.length, random);
    this.#tellOfFailures();
    this.#timer?.cancel();
    this.#timer = clock.schedule(pauseMs, () => {
      const server = servers[this.#nextServerIndex % servers.length];
      invariant(server !== undefined, "there is a server to try");
      this.#nextServerIndex++;
      const maxMs = attemptMaxMs(this.#timedOut, servers.length, sessionTimeoutMs);
      this.#attempts++;
      this.#downReason = null;
      this.#attemptStartMs = clock.monotonicMs();
      log.debug({ server: formatAddress(server), attempt: this.#attempts }, "coordinator: connecting");
      this.#timer = clock.schedule(maxMs, () => {
        this.#timedOut++;
        this.dropLink(`no session from ${formatAddress(server)} within ${Math.round(maxMs)} ms`);
      });
      connect(server);
    });
  }

  /** Once every server was tried, and then once a minute: an outage may be long. */
  #tellOfFailures(): void {
    const { servers, clock, log } = this.#parts;
    if (this.#attempts < servers.length || clock.monotonicMs() - this.#toldMs < tellAgainMs) return;
    this.#toldMs = clock.monotonicMs();
    log.warn(
      { servers: servers.map(formatAddress), attempts: this.#attempts },
      "coordinator: no ZooKeeper server can be reached, trying on",
    );
  }

  #onConnected(session: { readonly id: string; readonly timeoutMs: number }): void {
    this.#timer?.cancel();
    this.#attempts = 0;
    this.#timedOut = 0;
    this.#toldMs = Number.NEGATIVE_INFINITY;
    this.#linkIsUp = true;
    this.#handlers.linkUp({ ...session, sentMs: this.#attemptStartMs });
  }

  #onDisconnected(reason: string): void {
    this.#downReason ??= reason;
    if (!this.#linkIsUp) return;
    this.#linkIsUp = false;
    this.#handlers.linkDown(this.#downReason);
  }
}

type Answered = (error: unknown, answer: () => WireAnswer) => void;

/** Sends the request through the library. `answered` gets the library's error, and a function that decodes the response. */
function ask(library: LibraryClient, request: WireRequest, answered: Answered): void {
  const settle = (error: unknown, toAnswer: () => WireAnswer) => {
    answered(error, () => {
      try {
        return toAnswer();
      } catch (fault) {
        if (fault instanceof InvariantViolation) throw fault;
        return failed(fault);
      }
    });
  };
  const { client } = library;
  switch (request.kind) {
    case "exists": {
      const done = (error: unknown, stat: Stat | null) => settle(error, () => (error ? failed(error) : nodeAnswer(stat, undefined)));
      if (request.watch === null) client.exists(request.path, done);
      else client.exists(request.path, request.watch, done);
      return;
    }
    case "read":
      client.getData(request.path, (error, data, stat) =>
        settle(error, () => {
          if (!error) return nodeAnswer(stat, data);
          return codeOf(error) === Exception.NO_NODE ? nodeAnswer(null, undefined) : failed(error);
        }),
      );
      return;
    case "children": {
      const done = (error: unknown, names: string[], stat: Stat) =>
        settle(error, () => {
          if (!error) return { kind: "children", list: { names: [...names].sort(), childVersion: stat.cversion } };
          return codeOf(error) === Exception.NO_NODE ? { kind: "children", list: null } : failed(error);
        });
      if (request.watch === null) client.getChildren(request.path, done);
      else client.getChildren(request.path, request.watch, done);
      return;
    }
    case "write":
      // Always a transaction, even for one operation: its response says which operation failed.
      transactionOf(client, library, request.operations).commit((error, parts: readonly TransactionPart[] | undefined) =>
        settle(error, () => writeAnswer(request.operations, error, parts)),
      );
      return;
  }
}

function transactionOf(client: Client, library: LibraryClient, operations: readonly WriteOperation[]): ReturnType<Client["transaction"]> {
  const transaction = client.transaction();
  for (const operation of operations) {
    switch (operation.kind) {
      case "create":
        transaction.create(operation.path, operation.data, createModes[operation.mode]);
        break;
      case "set":
        transaction.setData(operation.path, operation.data);
        library.setLastVersion(transaction, operation.version);
        break;
      case "delete":
        transaction.remove(operation.path);
        library.setLastVersion(transaction, operation.version);
        break;
      case "check":
        transaction.check(operation.path);
        library.setLastVersion(transaction, operation.version);
        break;
    }
  }
  return transaction;
}

const createModes = {
  persistent: CreateMode.PERSISTENT,
  ephemeral: CreateMode.EPHEMERAL,
  "persistent-sequential": CreateMode.PERSISTENT_SEQUENTIAL,
} as const;

function failed(error: unknown): WireAnswer {
  return { kind: "failed", error: error instanceof Error ? error : new Error(String(error)) };
}
