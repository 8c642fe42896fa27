import type { IsrStore } from "./cluster-contract.ts";

/** How often this broker's leaders have made an in-sync set smaller or larger, since it started. */
export class IsrChanges {
  shrinks = 0;
  expands = 0;

  counted(store: IsrStore): IsrStore {
    return {
      writeIsr: async (change, isAwaited) => {
        const result = await store.writeIsr(change, isAwaited);
        if (result.kind !== "written") return result;
        if (change.isr.length < change.formerSize) this.shrinks++;
        if (change.isr.length > change.formerSize) this.expands++;
        return result;
      },
    };
  }
}
