import { type Command, InvalidArgumentError } from "commander";
import type { Address } from "../../protocol/base/transport.ts";

export interface MetricsOptions {
  readonly metrics: readonly Address[];
}

/** What every command takes that reads the brokers' metrics. */
export function withMetricsOption(command: Command): Command {
  const about = "where brokers serve /metrics; unless given, where their metrics.listener says";
  return command.option("--metrics <host:port,...>", about, parseMetricsAddresses, []);
}

export function parseMetricsAddresses(text: string): readonly Address[] {
  return text.split(",").map((each) => {
    const [, bracketed, plain, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s[\]/]+)):(\d{1,5})$/.exec(each.trim()) ?? [];
    const host = bracketed ?? plain;
    if (host === undefined || Number(port) < 1 || Number(port) > 65535) throw new InvalidArgumentError(`"${each}" is no host:port.`);
    return { host, port: Number(port) };
  });
}
