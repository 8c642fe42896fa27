import { keepOwned, move, nobody, type Ownership, told } from "./ownership.ts";
import type { PartitionMap } from "./partition-map.ts";
import type { AssigningMember, AssignmentInput, Assignor } from "./server-assignor.ts";
import { balanceOverTopics } from "./uniform-by-topic.ts";

/**
 * The same number of partitions for each member, over all topics together, and as few moves as that allows.
 * With one subscription for all: every member has the same number or one more, and exactly the partitions beyond that number move. With
 * several: see `balanceOverTopics`.
 */
export const uniformAssignor: Assignor = {
  name: "uniform",
  assign(input: AssignmentInput): ReadonlyMap<string, PartitionMap> {
    const ownership = keepOwned(input);
    if (haveOneSubscription(ownership.members)) balance(ownership);
    else balanceOverTopics(ownership);
    return told(ownership);
  },
};

function haveOneSubscription([first, ...others]: readonly AssigningMember[]): boolean {
  if (first === undefined) return true;
  return others.every(({ topics }) => topics === first.topics || (topics.size === first.topics.size && topics.isSubsetOf(first.topics)));
}

function balance(ownership: Ownership): void {
  const { members, owners, loads } = ownership;
  if (members.length === 0) return;
  const share = Math.floor(owners.length / members.length);
  let extras = owners.length % members.length;
  const limits = new Int32Array(members.length).fill(share);
  const allowOneMore = (wants: (member: number) => boolean) => {
    for (let member = 0; member < members.length && extras > 0; member++) {
      if (limits[member] !== share || !wants(member)) continue;
      limits[member] = share + 1;
      extras--;
    }
  };
  allowOneMore((member) => loads[member]! > share); // members that have more keep the extra one
  allowOneMore(() => true);

  // the highest numbers are given away first: what a member keeps tends to be what it has had for longest
  for (let partition = owners.length - 1; partition >= 0; partition--) {
    const owner = owners[partition]!;
    if (owner !== nobody && loads[owner]! > limits[owner]!) move(ownership, partition, nobody);
  }
  deal(ownership, limits);
}

/** Round robin, so that each topic is spread over many members. */
function deal(ownership: Ownership, limits: Int32Array): void {
  const { members, owners, loads } = ownership;
  const isWanting = (member: number) => loads[member]! < limits[member]!;
  let table = [...members.keys()].filter(isWanting);
  let seat = 0;
  for (let partition = 0; partition < owners.length; partition++) {
    if (owners[partition] !== nobody) continue;
    if (seat === table.length) {
      table = table.filter(isWanting);
      seat = 0;
    }
    move(ownership, partition, table[seat++]!);
  }
}
