import type { Timer } from "../../protocol/base/clock.ts";
import { formatAddress } from "../../protocol/base/transport.ts";
import { apis } from "../../protocol/messages/apis.ts";
import { RequestTimedOut } from "../base/errors.ts";
import type { BrokerConnection } from "../network/broker-connection.ts";
import type { Cluster } from "./cluster.ts";

/**
 * Runs a request that may take long for good reasons, at a broker that may hang: whenever it has taken `slowAfterMs` more, the broker is
 * asked something that it can answer at once, over a connection of its own. When that is not answered within `slowAfterMs` either, the
 * request is abandoned: `attempt`'s signal aborts with RequestTimedOut. It may have been carried out nevertheless.
 */
export async function whileAlive<T>(
  { runtime, settings, pool }: Cluster,
  { address }: BrokerConnection,
  attempt: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { clock } = runtime;
  const { slowAfterMs } = settings;
  const silent = new AbortController();
  const over = new AbortController();
  let timer: Timer | null = null;
  const isSilent = () => silent.abort(new RequestTimedOut(`${formatAddress(address)} does not answer`));
  const check = () => {
    timer = clock.schedule(slowAfterMs, isSilent);
    const ask = pool
      .probe(address, over.signal)
      .then((connection) => connection.request(apis.apiVersions, () => us, { signal: over.signal }));
    ask.then(
      () => {
        timer?.cancel();
        if (!over.signal.aborted) timer = clock.schedule(slowAfterMs, check);
      },
      () => over.signal.aborted || isSilent(),
    );
  };
  timer = clock.schedule(slowAfterMs, check);
  try {
    return await attempt(silent.signal);
  } finally {
    timer.cancel();
    over.abort(new Error("answered"));
  }
}

const us = { clientSoftwareName: "ottla", clientSoftwareVersion: "0.1.0" };
