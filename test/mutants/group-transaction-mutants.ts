import type { Mutant } from "./mutant.ts";

/** Rules of groups' positions in transactions, taken away. */
export const groupTransactionMutants: readonly Mutant[] = [
  {
    name: "pending-counts-at-once",
    file: "broker/group/group-machine.ts",
    find: "if (isTransactional) this.pending.add({ ...place, producerId, committed });",
    replace: "if (false as boolean) this.pending.add({ ...place, producerId, committed });",
    breaks: "Positions count before their transaction is committed, and though it is aborted.",
  },
  {
    name: "aborted-positions-count",
    file: "broker/group/group-machine.ts",
    find: 'if (kind === "commit" && (known === undefined || known.loggedAt < committed.loggedAt))',
    replace: "if (known === undefined || known.loggedAt < committed.loggedAt)",
    breaks: "A group goes on behind what was read in a transaction that was aborted: its results are lost.",
  },
  {
    name: "last-marker-wins",
    file: "broker/group/group-machine.ts",
    find: 'if (kind === "commit" && (known === undefined || known.loggedAt < committed.loggedAt))',
    replace: 'if (kind === "commit")',
    breaks: "A position goes back to an older one of a transaction that took longer; after compaction it is another.",
  },
  {
    name: "deleted-positions-come-back",
    file: "broker/group/group-machine.ts",
    find: "this.pending.forget(place);",
    replace: "",
    breaks: "A deleted group is there again when a transaction of one of its members ends.",
  },
  {
    name: "pending-groups-are-forgotten",
    file: "broker/group/group-machine.ts",
    find: "return this.offsets.has(groupId) || this.pending.has(groupId);",
    replace: "return this.offsets.has(groupId);",
    breaks: "A group is removed although a transaction is about to commit positions of it.",
  },
  {
    name: "unstable-is-told-as-stable",
    file: "broker/group/group-machine.ts",
    find: "isUnstable: requireStable ? isPending : () => false",
    replace: "isUnstable: () => false",
    breaks:
      "A member takes a partition over at a position that a transaction of the last one is about to move: records are processed twice.",
  },
  {
    name: "marker-is-not-replayed",
    file: "broker/state-machine/shard.ts",
    find: "if (appended.error !== null || appended.endOffset === standing.endOffset) return appended;",
    replace: "return appended;",
    breaks: "Positions of a transaction count only once another broker coordinates the group.",
  },
  {
    name: "answers-do-not-wait-for-the-marker",
    file: "broker/state-machine/shard.ts",
    find: "this.#last = { endOffset, committed, settlements: [], isOver: false };\n    const { producerId, producerEpoch } = marker;",
    replace: "const { producerId, producerEpoch } = marker;",
    also: [
      { find: "this.#watch(this.#last);\n    return appended;", replace: "void committed;\n    void endOffset;\n    return appended;" },
    ],
    breaks: "A member is told a position that the next coordinator does not know.",
  },
  {
    name: "verified-for-good",
    file: "broker/api/txn-offset-commit.ts",
    find: 'guard: isWaived ? "waived" : guard',
    replace: 'guard: "waived"',
    breaks: "A commit that is delayed while it is verified lands in the next transaction, or in none that will ever end.",
  },
  {
    name: "pending-without-bound",
    file: "broker/group/offset-requests.ts",
    find: 'if (!memory.hasRoomFor(bytes)) return answered(allTopics(topics, "COORDINATOR_NOT_AVAILABLE"));',
    replace: "",
    breaks: "Producers that never end their transactions take all the memory of a broker.",
  },
  {
    name: "features-ahead-of-brokers",
    file: "broker/controller/feature-keeper.ts",
    find: "if (levels.size === 0 || levels.size < this.#supported.size) return;",
    replace: "",
    also: [{ find: ".filter(([name, { max }]) => this.#whyNot(name, max) === null)", replace: "" }],
    breaks: "In a rolling upgrade clients use a version of transactions that some brokers do not know.",
  },
  {
    name: "unreadable-features-are-written-over",
    file: "broker/controller/feature-keeper.ts",
    find: "this.#refusal(updates, features) ?? (fault === null ? null : notUpdated(fault))",
    replace: "this.#refusal(updates, features)",
    also: [
      {
        find: "data === null ? encodeFeatures(changed) : withFeatureLevels(featurePath, data, changed)",
        replace: "encodeFeatures(changed)",
      },
    ],
    breaks: "What another tool keeps in /feature is lost.",
  },
];
