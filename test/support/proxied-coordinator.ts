import type { SessionCoordinator } from "../../coordinator-client/session/session-coordinator.ts";
import { packetSplitter } from "../../coordinator-client/zookeeper/library.ts";
import { openZookeeper } from "../../coordinator-client/zookeeper-coordinator.ts";
import type { Logger } from "../../protocol/base/logger.ts";
import { silentLogger } from "../../protocol/base/logger.ts";
import { seededRandom } from "../../protocol/base/random.ts";
import { nodeClock } from "../../protocol/node/node-clock.ts";
import type { FrameSplitter } from "../../protocol/wire/frame-splitter.ts";
import { closeSessionElsewhere, credentialsOf, opcodes, replyXid, requestHeader, type SessionCredentials } from "./raw-zookeeper.ts";
import { type ProxyConnection, TcpProxy } from "./tcp-proxy.ts";
import type { TestZookeeper } from "./zookeeper.ts";

export interface ProxiedOptions {
  readonly sessionTimeoutMs: number;
  /** Empty or absolute. */
  readonly chroot?: string;
  readonly requestsMax?: number;
  readonly log?: Logger;
}

/** A session on a real ZooKeeper through a proxy that knows enough of the protocol to lose the right bytes. */
export class ProxiedCoordinator {
  readonly coordinator: SessionCoordinator;
  readonly proxy: TcpProxy;
  readonly #server: TestZookeeper;
  #credentials: SessionCredentials | null = null;
  #nextWrite: "answered" | "done-unanswered" | "lost" = "answered";
  /** Told of each whole packet of the server before it is passed on; false: it is not. */
  onServerPacket: ((packet: Buffer, connection: ProxyConnection) => boolean) | null = null;
  /** Told of each whole packet of the client before it is passed on. */
  onClientPacket: ((packet: Buffer, isFirst: boolean, connection: ProxyConnection) => void) | null = null;

  private constructor(server: TestZookeeper, proxy: TcpProxy, options: ProxiedOptions) {
    this.#server = server;
    this.proxy = proxy;
    proxy.filter = (direction, bytes, connection) => this.#filter(direction, bytes, connection);
    const { sessionTimeoutMs, chroot = "", requestsMax, log = silentLogger } = options;
    this.coordinator = openZookeeper({
      connectionString: `${proxy.address}${chroot}`,
      sessionTimeoutMs,
      clock: nodeClock,
      random: seededRandom(7),
      log,
      ...(requestsMax === undefined ? {} : { requestsMax }),
    });
  }

  static async open(server: TestZookeeper, options: ProxiedOptions): Promise<ProxiedCoordinator> {
    const proxy = await TcpProxy.listen(server);
    try {
      return new ProxiedCoordinator(server, proxy, options);
    } catch (error) {
      await proxy.close();
      throw error;
    }
  }

  /** Ends the session at the server, from another connection. */
  async expireSession(): Promise<void> {
    if (this.#credentials === null) throw new Error("no session yet");
    await closeSessionElsewhere(this.#server.host, this.#server.port, this.#credentials);
  }

  loseNextAnswer({ done }: { readonly done: boolean }): void {
    this.#nextWrite = done ? "done-unanswered" : "lost";
  }

  async dispose(): Promise<void> {
    await this.coordinator.close();
    await this.proxy.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #filter(direction: "to-server" | "to-client", bytes: Buffer, connection: ProxyConnection): Buffer | null {
    const splitter = (connection.memory.get(direction) as FrameSplitter | undefined) ?? packetSplitter();
    connection.memory.set(direction, splitter);
    const passed: Buffer[] = [];
    splitter.push(bytes, (packet) => {
      const isFirst = !connection.memory.has(`${direction}-started`);
      connection.memory.set(`${direction}-started`, true);
      const passes = direction === "to-server" ? this.#toServer(packet, isFirst, connection) : this.#toClient(packet, isFirst, connection);
      if (passes) passed.push(packet);
    });
    return passed.length === 0 ? null : Buffer.concat(passed);
  }

  #toServer(packet: Buffer, isFirst: boolean, connection: ProxyConnection): boolean {
    this.onClientPacket?.(packet, isFirst, connection);
    if (isFirst || this.#nextWrite === "answered") return true;
    const { xid, opcode } = requestHeader(packet);
    if (opcode !== opcodes.multi) return true;
    const fate = this.#nextWrite;
    this.#nextWrite = "answered";
    if (fate === "done-unanswered") {
      connection.memory.set("unanswered-xid", xid);
      return true;
    }
    connection.reset();
    return false;
  }

  #toClient(packet: Buffer, isFirst: boolean, connection: ProxyConnection): boolean {
    if (isFirst) this.#credentials = credentialsOf(packet);
    else if (replyXid(packet) === connection.memory.get("unanswered-xid")) {
      connection.reset();
      return false;
    }
    return this.onServerPacket?.(packet, connection) ?? true;
  }
}
