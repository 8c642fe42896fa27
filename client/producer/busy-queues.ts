import type { PartitionQueue } from "./partition-queue.ts";

/**
 * The queues that hold something, in the order in which they are served. A list of our own, not a map: V8's maps that lose and gain members
 * leave old tables behind, each of which points to the next, so that one that has grown old keeps what the later ones held until a full
 * collection. A queue that leaves points to nothing.
 */
export class BusyQueues {
  #first: PartitionQueue | null = null;
  #last: PartitionQueue | null = null;

  get first(): PartitionQueue | null {
    return this.#first;
  }

  add(queue: PartitionQueue): void {
    queue.isBusy = true;
    queue.previous = this.#last;
    if (this.#last === null) this.#first = queue;
    else this.#last.next = queue;
    this.#last = queue;
  }

  remove(queue: PartitionQueue): void {
    const { previous, next } = queue;
    if (previous === null) this.#first = next;
    else previous.next = next;
    if (next === null) this.#last = previous;
    else next.previous = previous;
    queue.previous = null;
    queue.next = null;
    queue.isBusy = false;
  }

  /** The others come first next time. */
  moveToEnd(queue: PartitionQueue): void {
    if (queue === this.#last) return;
    this.remove(queue);
    this.add(queue);
  }

  /** A queue may leave while it is its turn. */
  *[Symbol.iterator](): Generator<PartitionQueue, void, undefined> {
    for (let queue = this.#first, next: PartitionQueue | null; queue !== null; queue = next) {
      next = queue.next;
      yield queue;
    }
  }
}
