import type { Clock } from "../../protocol/base/clock.ts";
import type { Logger } from "../../protocol/base/logger.ts";

type LogLevel = "debug" | "info" | "warn" | "error";

/** An application's logger, as pino's: fields first, then the message. An error is the field `err`. */
export interface ClientLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** Absent: all levels are. Levels that are not enabled cost nothing. */
  isLevelEnabled?(level: string): boolean;
  /** Absent: each line gets the fields that say which client it is from. */
  child?(fields: object): ClientLogger;
}

/** Lines with the same message within the first window. */
const linesFirst = 5;
const windowFirstMs = 10_000;
/** While lines are left out, each window has one and is twice as long as the one before, up to this. */
const windowMaxMs = 600_000;
/** Messages that are remembered. The client has fewer; a listener's or a broker's words are not among them. */
const messagesMax = 200;

interface Window {
  endsAtMs: number;
  lengthMs: number;
  lines: number;
  /** Left out, and not told yet. */
  more: number;
}

/**
 * An application's logger as ours: says which client a line is from, and bounds what is said. The same failure may come a thousand times,
 * for each of a thousand partitions, or for days.
 */
export function boundedLogger(logger: ClientLogger, fields: object, clock: Clock): Logger {
  const bound = logger.child?.(fields) ?? null;
  const windows = new Map<string, Window>();
  const line = (level: LogLevel) => (own: object, message: string) => {
    if (logger.isLevelEnabled?.(level) === false) return;
    const more = admitted(windows, `${level} ${message}`, clock.monotonicMs());
    if (more === null) return;
    const all = { ...(bound === null ? fields : {}), ...own, ...(more > 0 ? { more } : {}) };
    try {
      (bound ?? logger)[level](all, message);
    } catch {
      // a logger that throws is the application's own affair: the client goes on, and has nowhere to say so
    }
  };
  return {
    debug: line("debug"),
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
    child: (more) => boundedLogger(logger, { ...fields, ...more }, clock),
  };
}

/** How many were left out since the last line; null: this one is, too. */
function admitted(windows: Map<string, Window>, key: string, nowMs: number): number | null {
  let window = windows.get(key);
  if (window === undefined) {
    const [oldest] = windows.keys();
    if (windows.size >= messagesMax && oldest !== undefined) windows.delete(oldest);
    window = { endsAtMs: nowMs + windowFirstMs, lengthMs: windowFirstMs, lines: 0, more: 0 };
    windows.set(key, window);
  } else if (nowMs >= window.endsAtMs) {
    // as long as lines were left out, the next window is longer; after one with nothing to say, all is as at first
    const goesOn = window.more > 0 && nowMs < window.endsAtMs + window.lengthMs;
    window.lengthMs = goesOn ? Math.min(window.lengthMs * 2, windowMaxMs) : windowFirstMs;
    window.endsAtMs = nowMs + window.lengthMs;
    window.lines = 0;
  }
  if (window.lines >= (window.lengthMs === windowFirstMs ? linesFirst : 1)) {
    window.more++;
    return null;
  }
  window.lines++;
  const { more } = window;
  window.more = 0;
  return more;
}
