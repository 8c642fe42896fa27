import { connect } from "node:net";
import { packetSplitter } from "../../coordinator-client/zookeeper/library.ts";

/** What is needed to take over a session. */
export interface SessionCredentials {
  readonly id: Buffer;
  readonly password: Buffer;
}

export const opcodes = { multi: 14, closeSession: -11 } as const;

/** Reads the server's first packet on a connection: protocol version, timeout, session id, password. */
export function credentialsOf(connectResponse: Buffer): SessionCredentials {
  return { id: Buffer.from(connectResponse.subarray(12, 20)), password: Buffer.from(connectResponse.subarray(24, 40)) };
}

/** A client's request packet after the first: transaction number and operation. */
export function requestHeader(packet: Buffer): { readonly xid: number; readonly opcode: number } {
  return { xid: packet.readInt32BE(4), opcode: packet.readInt32BE(8) };
}

/** Whether a connection's first packet asks for a new session, and not for one that there was. */
export function asksForNewSession(connectRequest: Buffer): boolean {
  return connectRequest.readBigInt64BE(20) === 0n;
}

export function replyXid(packet: Buffer): number {
  return packet.readInt32BE(4);
}

/**
 * Takes the session over on a connection of its own and closes it: for its owner, the session has expired. Resolves when the server no
 * longer knows it.
 */
export async function closeSessionElsewhere(host: string, port: number, credentials: SessionCredentials): Promise<void> {
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    if ((await tryToClose(host, port, credentials)) === "unknown to the server") return;
  }
  throw new Error("the server does not close the session");
}

const attemptsMax = 50;

/** The server may close the connection before its answer is out, so only its own word that the session is unknown is believed. */
function tryToClose(host: string, port: number, { id, password }: SessionCredentials): Promise<"unknown to the server" | "asked to close"> {
  const hello = Buffer.alloc(48);
  hello.writeInt32BE(44, 0);
  hello.writeInt32BE(30_000, 16);
  id.copy(hello, 20);
  hello.writeInt32BE(16, 28);
  password.copy(hello, 32);
  const goodbye = Buffer.alloc(12);
  goodbye.writeInt32BE(8, 0);
  goodbye.writeInt32BE(1, 4);
  goodbye.writeInt32BE(opcodes.closeSession, 8);
  return new Promise((resolve, reject) => {
    const splitter = packetSplitter();
    const socket = connect({ host, port }, () => socket.write(hello));
    let answer: "unknown to the server" | "asked to close" = "asked to close";
    socket.on("data", (chunk) => {
      splitter.push(chunk, (packet) => {
        // The connect response, of timeout 0 when there is no such session; then the goodbye's answer.
        if (packet.length > 20 && packet.readInt32BE(8) > 0) socket.write(goodbye);
        else {
          if (packet.length > 20) answer = "unknown to the server";
          socket.destroy();
        }
      });
    });
    socket.on("error", reject);
    socket.on("close", () => resolve(answer));
  });
}
