/**
 * The most copies of one partition that a rack may have: as few as there can be, so one while there are as many racks as copies.
 * `brokersByRack`: how many brokers each rack has.
 */
export function copiesPerRackMax(copies: number, brokersByRack: readonly number[]): number {
  for (let limit = 1; limit < copies; limit++) {
    const places = brokersByRack.reduce((sum, brokers) => sum + Math.min(limit, brokers), 0);
    if (places >= copies) return limit;
  }
  return Math.max(1, copies);
}

/** A number for the rack of each broker. Racks count only when every broker has one; otherwise each broker is one of its own. */
export function rackNumbers(racks: readonly (string | null)[]): readonly number[] {
  if (racks.includes(null)) return racks.map((_, broker) => broker);
  const names = [...new Set(racks)];
  return racks.map((rack) => names.indexOf(rack));
}

/** How many of these brokers are in each rack. */
export function brokersByRack(brokers: readonly number[], racks: readonly number[]): readonly number[] {
  return [...Map.groupBy(brokers, (broker) => racks[broker]).values()].map((some) => some.length);
}
