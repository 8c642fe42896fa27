import { abortable } from "../../client/base/abort.ts";
import { clientSettings, parseBootstrap } from "../../client/base/client-options.ts";
import { nodeRuntime } from "../../client/base/node-runtime.ts";
import { ConnectionPool } from "../../client/network/connection-pool.ts";
import type { Address } from "../../protocol/base/transport.ts";
import { apis } from "../../protocol/messages/apis.ts";
import { explain } from "../output/command-failed.ts";
import type { Probe } from "./facts.ts";

/** Connects to an address as a client does, and asks what it understands. Takes `timeoutMs` at most. */
export async function probe(address: string, timeoutMs: number, stop: AbortSignal): Promise<Probe> {
  const settings = clientSettings({
    bootstrap: [address],
    clientId: "ottla-doctor",
    connectTimeoutMs: timeoutMs,
    requestTimeoutMs: timeoutMs,
  });
  const pool = new ConnectionPool(nodeRuntime, settings);
  const late = AbortSignal.timeout(timeoutMs);
  try {
    const connection = await pool.probe(parseBootstrap(address)[0] as Address, AbortSignal.any([late, stop]));
    const { apiKeys } = await abortable(
      connection.request(apis.apiVersions, () => ({ clientSoftwareName: "ottla", clientSoftwareVersion: "0" })),
      AbortSignal.any([late, stop]),
    );
    const versions = apiKeys.map(({ apiKey, minVersion, maxVersion }) => `${apiKey}:${minVersion}-${maxVersion}`).sort();
    return { address, trouble: null, versions };
  } catch (error) {
    stop.throwIfAborted();
    // the address is said already
    const why = late.aborted ? `does not answer within ${timeoutMs / 1000} s` : explain(error).replace(`${address} `, "");
    return { address, trouble: why, versions: null };
  } finally {
    pool.close();
  }
}
