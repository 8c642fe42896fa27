import { orThrow } from "../../client/admin/admin-types.ts";
import type { Admin, BrokerMetadata, LogDirectoryDescription } from "../../client/index.ts";
import { type Known, ofEachBroker } from "./known.ts";

/** Each broker's log directories, with what is in them, as far as it answers. */
export function brokerDirectories(
  admin: Pick<Admin, "describeLogDirs">,
  brokers: readonly BrokerMetadata[],
): Promise<ReadonlyMap<number, Known<readonly LogDirectoryDescription[]>>> {
  return ofEachBroker(
    brokers.map(({ id }) => id),
    async (id) => orThrow(await admin.describeLogDirs([id])).flatMap(({ directories }) => directories),
  );
}
