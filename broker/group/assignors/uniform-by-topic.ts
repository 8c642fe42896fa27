import { LoadHeap } from "./load-heap.ts";
import { move, type NumberedTopic, nobody, type Ownership } from "./ownership.ts";

/**
 * Balance where members subscribe to different topics. At the end no single move helps: no member has two partitions more than another one
 * that could take one of them.
 * A partition without an owner goes to its lightest subscriber, those with the fewest subscribers first; only then are owned ones moved,
 * and only where balance needs it.
 */
export function balanceOverTopics(ownership: Ownership): void {
  const fewestSubscribersFirst = ownership.topics.toSorted((a, b) => a.subscribers.length - b.subscribers.length);
  for (const topic of fewestSubscribersFirst) giveOut(ownership, topic);
  // each move brings two loads closer, so this ends
  let moved = true;
  while (moved) {
    moved = false;
    for (const topic of fewestSubscribersFirst) if (level(ownership, topic)) moved = true;
  }
}

function giveOut(ownership: Ownership, { start, count, subscribers }: NumberedTopic): void {
  let lightest: LoadHeap | null = null;
  for (let partition = start; partition < start + count; partition++) {
    if (ownership.owners[partition] !== nobody) continue;
    lightest ??= new LoadHeap(ownership.loads, subscribers, "lightest-first");
    move(ownership, partition, lightest.top() ?? nobody);
  }
}

/** Moves partitions of one topic from heavy to light members while they are two or more apart. False: nothing had to be moved. */
function level(ownership: Ownership, topic: NumberedTopic): boolean {
  const { loads, owners } = ownership;
  const held = new Map<number, number[]>();
  let heaviestLoad = 0;
  for (let partition = topic.start; partition < topic.start + topic.count; partition++) {
    const owner = owners[partition]!;
    heaviestLoad = Math.max(heaviestLoad, loads[owner]!);
    const partitions = held.get(owner);
    if (partitions === undefined) held.set(owner, [partition]);
    else partitions.push(partition);
  }
  if (topic.subscribers.every((member) => heaviestLoad - loads[member]! < 2)) return false;

  const heaviest = new LoadHeap(loads, held.keys(), "heaviest-first");
  const lightest = new LoadHeap(loads, topic.subscribers, "lightest-first");
  let moved = false;
  for (;;) {
    const from = heaviest.top();
    const to = lightest.top();
    if (from === null || to === null || loads[from]! - loads[to]! < 2) return moved;
    const partition = held.get(from)?.pop();
    if (partition === undefined) {
      heaviest.pop(); // nothing of this topic left to give away
      continue;
    }
    // a member that received one never passes it on: its load stays below the giver's
    move(ownership, partition, to);
    moved = true;
  }
}
