import { type Command, InvalidArgumentError } from "commander";

export interface CommonOptions {
  readonly bootstrap: readonly string[];
  readonly json: boolean;
}

/** What every command that talks to a cluster takes. */
export function withCommonOptions(command: Command): Command {
  return command
    .option("--bootstrap <host:port,...>", "brokers to start from", parseBootstrap, ["127.0.0.1:9092"])
    .option("--json", "print JSON, for programs", false);
}

export function parseBootstrap(text: string): string[] {
  const addresses = text.split(",").map((part) => part.trim());
  for (const address of addresses) {
    if (!/^(\[[0-9a-fA-F:.]+\]|[^:\s/]+):\d{1,5}$/.test(address)) throw new InvalidArgumentError(`"${address}" is not HOST:PORT.`);
  }
  return addresses;
}

/** A parser for a whole number within bounds, both included. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || value < min || value > max)
      throw new InvalidArgumentError(`must be a whole number from ${min} to ${max}.`);
    return value;
  };
}

export function collect(value: string, previous: readonly string[]): string[] {
  return [...previous, value];
}
