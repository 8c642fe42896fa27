import { expect, test } from "vitest";
import { withFacts } from "../../../cli/session/bootstrap-origin.ts";
import { reachCluster } from "../../../cli/session/reach-cluster.ts";
import { freePorts } from "../../support/free-ports.ts";

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
