import type { Logger } from "../../protocol/base/logger.ts";
import type { ClientEvents } from "./client-events.ts";
import { ClientClosed } from "./errors.ts";

/** What is tried again is worth a warning once it has taken this long: before, it is what every client lives with. Milliseconds. */
const warnAfterMs = 3_000;

/** Tells an application's log what listeners would hear, as far as it is worth a line. */
export function logEvents(events: ClientEvents, log: Logger): void {
  events.on("retry", ({ what, reason, failures, waitedMs, error }) => {
    if (waitedMs >= warnAfterMs) log.warn({ what, reason, failures, waitedMs: Math.round(waitedMs) }, "does not go on");
    else log.debug({ what, failures, err: error }, "tried again");
  });
  events.on("settled", ({ what, outcome, failures, waitedMs }) => {
    const fields = { what, failures, waitedMs: Math.round(waitedMs) };
    if (outcome === "gave-up") log.warn(fields, "given up");
    else if (waitedMs >= warnAfterMs) log.info(fields, "goes on");
  });
  events.on("connected", ({ broker, address, purpose, tookMs }) =>
    log.debug({ broker, address, purpose, tookMs: Math.round(tookMs) }, "connected"),
  );
  events.on("disconnected", ({ broker, address, purpose, reason, error, unanswered }) => {
    if (error instanceof ClientClosed) log.debug({ broker, address, purpose }, "disconnected");
    else log.info({ broker, address, purpose, reason, unanswered }, "connection lost");
  });
  events.on("metadata", ({ brokersCame, brokersWent, topicsCame, topicsWent, topicsChanged }) => {
    const brokers = { brokersCame: brokersCame.map(({ id }) => id), brokersWent };
    if (brokersCame.length + brokersWent.length > 0) log.info(brokers, "the cluster's brokers have changed");
    // names of topics may be many
    const topics = { topicsCame: topicsCame.length, topicsWent: topicsWent.length, topicsChanged: topicsChanged.length };
    log.debug({ ...brokers, ...topics }, "metadata has changed");
  });
  events.on("leaderMoved", ({ topic, partition, from, to, epoch }) => log.info({ topic, partition, from, to, epoch }, "leader moved"));
  events.on("rebalance", ({ group, memberId, generation, assigned, revoked, lost, tookMs }) => {
    const counts = { assigned: assigned.length, revoked: revoked.length, lost: lost.length };
    const fields = { group, memberId, generation, ...counts, tookMs: Math.round(tookMs) };
    if (lost.length > 0) log.warn(fields, "partitions were lost to other members of the group");
    else log.info(fields, "rebalanced");
  });
  events.on("throttled", ({ broker, api, throttleMs }) => log.warn({ broker, api, throttleMs }, "throttled by a broker's quota"));
}
