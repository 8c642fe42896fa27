import type { LinkHandlers } from "../../protocol/base/transport.ts";
import { detach } from "../../protocol/wire/slab-pool.ts";

/** Hands the bytes over as a link does, until the receiver returns: what it keeps without copying it is empty from then on. */
export function lend(bytes: Uint8Array, handlers: Pick<LinkHandlers, "onData">): void {
  const lent = Buffer.allocUnsafeSlow(bytes.length);
  lent.set(bytes);
  handlers.onData(lent);
  detach(lent);
}
