import { setTimeout as sleep } from "node:timers/promises";
import { Admin } from "../../client/admin/admin.ts";
import { tellWaits } from "../output/tell-waits.ts";

/** Brokers learn of a new topic a moment after it was created. */
const knownMaxMs = 2000;
const pauseMs = 100;

/** Rejects when there is no such topic. A consumer would wait for it as long as for a broker that does not answer. */
export async function requireTopic(bootstrap: readonly string[], topic: string, stop: AbortSignal): Promise<void> {
  await using admin = tellWaits(new Admin({ bootstrap, clientId: "ottla-consume", signal: stop }));
  for (let waitedMs = 0; ; waitedMs += pauseMs) {
    const [described] = await admin.describeTopics([topic]);
    const error = described?.error ?? null;
    if (error === null || error.code === "LEADER_NOT_AVAILABLE") return;
    if (error.code !== "UNKNOWN_TOPIC_OR_PARTITION" || waitedMs >= knownMaxMs) throw error;
    await sleep(pauseMs, undefined, { signal: stop });
  }
}
