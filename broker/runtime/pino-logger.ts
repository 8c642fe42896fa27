import { destination, pino } from "pino";
import type { Logger } from "../../protocol/base/logger.ts";
import type { LoggingSettings } from "./config/start-settings.ts";
import type { PrettyLines } from "./pretty-lines.ts";

export interface ClosableLogger extends Logger {
  /** Writes what is still buffered. Nothing is logged after it. */
  flush(): void;
}

/**
 * One line of JSON per message, to standard error or appended to a file. `fields` are in every line. `pretty`: who reads standard error is
 * a person.
 */
export function pinoLogger({ logLevel, logFile }: LoggingSettings, fields: object = {}, pretty: PrettyLines | null = null): ClosableLogger {
  // sync: the line that says why the process dies must be written before it does
  const output = destination({ dest: logFile ?? 2, mkdir: true, sync: true });
  const root = pino(
    {
      level: logLevel,
      base: { ...fields },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    pretty === null ? output : { write: (line: string) => output.write(pretty(line)) },
  );
  return Object.assign(adapt(root), { flush: () => output.flushSync() });
}

function adapt(to: pino.Logger): Logger {
  return {
    debug: (fields, message) => to.debug(fields, message),
    info: (fields, message) => to.info(fields, message),
    warn: (fields, message) => to.warn(fields, message),
    error: (fields, message) => to.error(fields, message),
    child: (fields) => adapt(to.child(fields)),
  };
}
