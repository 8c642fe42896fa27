import { createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { forPeople } from "../../../cli/session/client-session.ts";
import { reachCluster } from "../../../cli/session/reach-cluster.ts";

const servers: Server[] = [];
const sockets = new Set<Socket>();

afterEach(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** Accepts connections and says nothing, as a stopped broker. */
async function silent(): Promise<string> {
  const server = createServer((socket) => {
    sockets.add(
      socket
        .resume()
        .on("error", () => {})
        .on("close", () => sockets.delete(socket)),
    );
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1:${(server.address() as { port: number }).port}`;
}

test("where nobody answers, those that were tried are named, and no others; their connections are closed", async () => {
  const bootstrap = [await silent(), await silent(), await silent()];
  const reached = reachCluster({ bootstrap, giveUpAfterMs: 300, onLate: () => {} }, new AbortController().signal);
  const error = await reached.then(
    () => null,
    (failure: unknown) => failure,
  );
  const said = (forPeople(error, bootstrap) as Error).message;
  expect(bootstrap.filter((address) => said.includes(address))).toHaveLength(1);
  expect(said).toMatch(/^no answer from 127.0.0.1:\d+ \(nothing heard for 0.3 s\)/);
  await expect.poll(() => sockets.size).toBe(0);
});
