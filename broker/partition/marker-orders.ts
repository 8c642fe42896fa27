import type { VersionedMarker } from "../log/log-contract.ts";

/** Of a coordinator's leadership, which order to end a transaction it was. */
export interface OrderedMarker extends VersionedMarker {
  /** Rises with each order of a coordinator; the same for each attempt to deliver it. Absent: nobody counts. */
  readonly order?: number | undefined;
}

interface Newest {
  readonly coordinatorEpoch: number;
  readonly order: number;
}

/** Beyond it those are forgotten that were ended longest ago: what is sent again comes within seconds. */
const producersMax = 10_000;

/**
 * Under version 1 all transactions of a producer have one epoch, so a marker does not say which of them it ends: (1) a marker is sent, and
 * its connection hangs; (2) it is sent again over another, and written; (3) the producer begins the next transaction; (4) the first one
 * arrives, and would end it, here alone and as the last one ended. So coordinators number their orders, and of a producer an order is
 * carried out once. Kept by a leadership: a request that is under way for longer than that is refused, or comes after another leader's.
 */
export class MarkerOrders {
  readonly #newest = new Map<number, Newest>();

  /** This order, or one after it, was carried out here. */
  isLate({ producerId, coordinatorEpoch, order }: OrderedMarker): boolean {
    const newest = this.#newest.get(producerId);
    if (newest === undefined || order === undefined) return false;
    // of another leadership of the coordinator: the log judges that
    return coordinatorEpoch === newest.coordinatorEpoch && order <= newest.order;
  }

  /** It is in the log. */
  note({ producerId, coordinatorEpoch, order, transactionVersion }: OrderedMarker): void {
    if (order === undefined || transactionVersion >= 2) return;
    this.#newest.delete(producerId);
    this.#newest.set(producerId, { coordinatorEpoch, order });
    if (this.#newest.size <= producersMax) return;
    for (const oldest of this.#newest.keys()) {
      this.#newest.delete(oldest);
      return;
    }
  }
}
