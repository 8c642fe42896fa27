import type { Clock } from "../../protocol/base/clock.ts";
import type { Logger } from "../../protocol/base/logger.ts";

/** Lines with the same message in one window; what comes on top of them is counted. */
const linesMax = 20;
const windowMs = 1_000;

/**
 * Tells of the first of many things that happen at once, and how many more there were: ten thousand partitions change their leader together
 * when a broker is gone. Warnings and errors are let through.
 */
export function sparingLogger(log: Logger, clock: Clock): Logger {
  const counts = new Map<string, number>();
  const endWindow = (message: string) => {
    const more = (counts.get(message) ?? 0) - linesMax;
    counts.delete(message);
    if (more > 0) log.info({ more, withinMs: windowMs }, `${message}: and more of the same`);
  };
  return {
    debug: (fields, message) => log.debug(fields, message),
    info(fields, message) {
      const count = (counts.get(message) ?? 0) + 1;
      counts.set(message, count);
      if (count === 1) clock.schedule(windowMs, () => endWindow(message));
      if (count <= linesMax) log.info(fields, message);
    },
    warn: (fields, message) => log.warn(fields, message),
    error: (fields, message) => log.error(fields, message),
    child: (fields) => sparingLogger(log.child(fields), clock),
  };
}
