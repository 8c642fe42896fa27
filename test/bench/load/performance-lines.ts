/** ProducerPerformance tells its figures this often. */
export const windowSeconds = 5;

/** What Kafka's ProducerPerformance prints at the end of each window, of that window. */
export interface ProducerWindow {
  readonly records: number;
  readonly recordsPerSecond: number;
  readonly averageLatencyMs: number;
  readonly maxLatencyMs: number;
}

const windowLine = /^(\d+) records sent, ([\d.,]+) records\/sec \([\d.,]+ MB\/sec\), ([\d.,]+) ms avg latency, ([\d.,]+) ms max latency\.?/;

/** Null: another line. Its last line, of the whole run, begins like the others and goes on with percentiles: that is another one too. */
export function producerWindow(line: string): ProducerWindow | null {
  const match = windowLine.exec(line);
  if (match === null || line.includes("50th")) return null;
  const [records, recordsPerSecond, averageLatencyMs, maxLatencyMs] = match.slice(1).map(number);
  return { records, recordsPerSecond, averageLatencyMs, maxLatencyMs } as ProducerWindow;
}

/** Several windows as one. */
export function joined(windows: readonly ProducerWindow[]): ProducerWindow {
  const records = sum(windows.map((window) => window.records));
  const seconds = sum(windows.map((window) => (window.records > 0 ? window.records / window.recordsPerSecond : windowSeconds)));
  return {
    records,
    recordsPerSecond: records / seconds,
    averageLatencyMs: sum(windows.map((window) => window.averageLatencyMs * window.records)) / records,
    maxLatencyMs: Math.max(...windows.map((window) => window.maxLatencyMs)),
  };
}

/** What Kafka's ConsumerPerformance prints at its end. */
export interface ConsumedTotal {
  readonly records: number;
  readonly seconds: number;
  /** The time that joining the group took is left out. */
  readonly recordsPerSecond: number;
  readonly mebibytesPerSecond: number;
}

/**
 * `start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec,
 * fetch.nMsg.sec`. Null: another line.
 */
export function consumedTotal(line: string): ConsumedTotal | null {
  const fields = line.split(", ");
  if (fields.length !== 10 || !/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/.test(line)) return null;
  const at = (index: number) => number(fields[index] ?? "");
  return { records: at(4), seconds: at(7) / 1000, recordsPerSecond: at(9), mebibytesPerSecond: at(8) };
}

/** Java prints in the machine's language: "1,5" may be one and a half. Its rates have no separators of thousands. */
function number(text: string): number {
  return Number(text.replace(",", "."));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
