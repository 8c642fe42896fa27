export interface RecordedAssignment {
  /** Of a classic group; of the new protocol the member's epoch. */
  readonly generation: number;
  readonly member: string;
  readonly partitions: readonly number[];
}

/** Every assignment of any member, and the present owners: two owners of a partition are noticed at once. */
export class AssignmentHistory {
  readonly assignments: RecordedAssignment[] = [];
  readonly faults: string[] = [];
  readonly #byGeneration = new Map<string, string>();
  readonly #owners = new Map<number, string>();

  /**
   * In classic groups with an eager protocol all members revoke what they have before each assignment; then pass all of it. In the new
   * protocol, what is new.
   */
  assigned({ generation, member, partitions }: RecordedAssignment): void {
    this.assignments.push({ generation, member, partitions: [...partitions] });
    for (const partition of partitions) {
      const key = `${generation}:${partition}`;
      const inGeneration = this.#byGeneration.get(key) ?? member;
      if (inGeneration !== member) this.faults.push(`partition ${partition} has ${inGeneration} and ${member} in generation ${generation}`);
      this.#byGeneration.set(key, member);
      this.#owners.set(partition, member);
    }
  }

  /** No member may have them at this moment: for the new protocol, where a partition moves when its owner has revoked it. */
  expectFree(partitions: readonly number[], by: string): void {
    for (const partition of partitions) {
      const owner = this.#owners.get(partition);
      if (owner !== undefined && owner !== by) this.faults.push(`partition ${partition} goes to ${by} while ${owner} still has it`);
    }
  }

  released(member: string, partitions: readonly number[]): void {
    for (const partition of partitions) if (this.#owners.get(partition) === member) this.#owners.delete(partition);
  }

  get lastGeneration(): number {
    return Math.max(...this.assignments.map(({ generation }) => generation));
  }
}

/** What members committed: what was acknowledged is remembered, and what was found, and what is fetched later is held against both. */
export class CommitLedger {
  readonly faults: string[] = [];
  /** What was acknowledged, or found, so far: nobody may find less from now on. */
  readonly #floor = new Map<number, number>();
  #count = 0;

  get commitsCount(): number {
    return this.#count;
  }

  acknowledged(partition: number, offset: number): void {
    this.#count++;
    this.#floor.set(partition, Math.max(offset, this.#floor.get(partition) ?? -1));
  }

  /** As of now: to be asked before the fetch that is then checked against it. */
  get snapshot(): ReadonlyMap<number, number> {
    return new Map(this.#floor);
  }

  check(before: ReadonlyMap<number, number>, partition: number, fetched: number, by: string): void {
    const due = before.get(partition) ?? -1;
    if (fetched < due) this.faults.push(`partition ${partition}: ${by} finds ${fetched}, after ${due} was there`);
    this.#floor.set(partition, Math.max(fetched, this.#floor.get(partition) ?? -1));
  }
}
