import { createServer, type Server, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { withFacts } from "../../../cli/session/bootstrap-origin.ts";
import { forPeople } from "../../../cli/session/client-session.ts";
import { reachCluster } from "../../../cli/session/reach-cluster.ts";
import { freePorts } from "../../support/free-ports.ts";

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

/** Much longer than the test may take. */
const giveUpAfterMs = 600_000;

async function refusing(count: number): Promise<string[]> {
  return (await freePorts(count)).map((port) => `127.0.0.1:${port}`);
}

test("who is refused everywhere, where nobody is about to listen, is told so at once", async () => {
  const bootstrap = withFacts(await refusing(2), { isVain: () => true });
  const reached = reachCluster({ bootstrap, giveUpAfterMs, onLate: () => {} }, new AbortController().signal);
  await expect(reached).rejects.toThrow(/refuses connections.*refuses connections/);
});

test("elsewhere, and while somebody may come, it is tried on", async () => {
  for (const isVain of [undefined, () => false]) {
    const addresses = await refusing(1);
    const bootstrap = isVain === undefined ? addresses : withFacts(addresses, { isVain });
    const stop = new AbortController();
    const late: string[] = [];
    const onLate = (line: string) => {
      late.push(line);
      stop.abort(new Error("tried on"));
    };
    await expect(reachCluster({ bootstrap, giveUpAfterMs, onLate }, stop.signal)).rejects.toThrow("tried on");
    expect(late).toEqual([expect.stringContaining("trying until")]);
  }
});
