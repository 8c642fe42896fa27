import { InvalidArgumentError } from "commander";
import { parseConnectionString } from "../../coordinator-client/zookeeper/connection-string.ts";
import { formatAddress } from "../../protocol/base/transport.ts";

/** `host:port,…/chroot` with every port said: without one it is 2181. */
export function parseZookeeper(text: string): string {
  try {
    const { servers, chroot } = parseConnectionString(text);
    return `${servers.map(formatAddress).join(",")}${chroot}`;
  } catch (error) {
    throw new InvalidArgumentError(`${error instanceof Error ? error.message : error}.`);
  }
}
