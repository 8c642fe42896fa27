import { Fifo } from "./fifo.ts";

/** What is handled one after the other. */
interface Lane<T> {
  readonly group: Group<T>;
  readonly name: string;
  /** To be handed out again, before those in the queue. */
  again: readonly T[];
  readonly queue: Fifo<T>;
  state: "ready" | "busy" | "waiting" | "empty";
}

/** Lanes that are paused and dropped together. */
interface Group<T> {
  readonly name: string;
  readonly lanes: Map<string, Lane<T>>;
  readonly ready: Fifo<Lane<T>>;
  isListed: boolean;
}

/** What one lane was handed: the lane gets nothing more until `done` or `again`. */
export interface Turn<T> {
  readonly tasks: readonly T[];
  readonly lane: Lane<T>;
}

/**
 * Which task may be handed out next: those of a lane in the order in which they came, one turn at a time; groups, and the lanes of a group,
 * take turns.
 */
export class Lanes<T> {
  readonly #groups = new Map<string, Group<T>>();
  /** Those with lanes that are ready. */
  readonly #listed = new Fifo<Group<T>>();

  /** Nothing is queued, handed out or waiting. */
  get isEmpty(): boolean {
    return this.#groups.size === 0;
  }

  /** The same, but for what is paused. */
  areIdle(isPaused: (group: string) => boolean): boolean {
    return [...this.#groups.keys()].every(isPaused);
  }

  add(groupName: string, laneName: string, task: T): void {
    const group = this.#group(groupName);
    let lane = group.lanes.get(laneName);
    if (lane === undefined) {
      lane = { group, name: laneName, again: [], queue: new Fifo(), state: "empty" };
      group.lanes.set(laneName, lane);
    }
    lane.queue.push(task);
    if (lane.state === "empty") this.#getReady(lane);
  }

  /** Null: no lane is ready, or all that are ready are paused. */
  next(tasksMax: number, isPaused: (group: string) => boolean): Turn<T> | null {
    for (let left = this.#listed.length; left > 0; left--) {
      const group = this.#listed.shift() as Group<T>;
      group.isListed = false;
      if (group.ready.length === 0) continue; // dropped since
      if (isPaused(group.name)) {
        this.#list(group);
        continue;
      }
      const lane = group.ready.shift() as Lane<T>;
      if (group.ready.length > 0) this.#list(group);
      lane.state = "busy";
      return { tasks: takeOf(lane, tasksMax), lane };
    }
    return null;
  }

  /** The turn is over. */
  done({ lane }: Turn<T>): void {
    this.#settle(lane);
  }

  /** The turn is over, but for these of its tasks. They are handed out after `resume`, and before all others of the lane. */
  again({ lane }: Turn<T>, tasks: readonly T[]): void {
    lane.again = [...tasks, ...lane.again];
    lane.state = "waiting";
  }

  /** Without effect where the lane was dropped meanwhile. */
  resume({ lane }: Turn<T>): void {
    if (lane.state === "waiting") this.#settle(lane);
  }

  /** Those that wait to be handed out again: the first of each lane. */
  waiting(groupName: string): T[] {
    const lanes = [...(this.#groups.get(groupName)?.lanes.values() ?? [])];
    return lanes.flatMap(({ state, again }) => (state === "waiting" ? again.slice(0, 1) : []));
  }

  /** Something is queued, or waits. */
  holds(groupName: string): boolean {
    for (const { queue, again } of this.#groups.get(groupName)?.lanes.values() ?? []) if (queue.length + again.length > 0) return true;
    return false;
  }

  /**
   * Forgets what is queued, but for what is to be kept, and all of lanes that wait. What is handed out already stays with its lane, until
   * it is done.
   */
  drop(groupName: string, isKept: (task: T) => boolean = none): void {
    const group = this.#groups.get(groupName);
    if (group === undefined) return;
    group.ready.keep(none);
    for (const lane of group.lanes.values()) {
      const isKeptHere = lane.state === "waiting" ? none : isKept;
      lane.again = lane.again.filter(isKeptHere);
      lane.queue.keep(isKeptHere);
      if (lane.state !== "busy") this.#settle(lane);
    }
  }

  get groups(): readonly string[] {
    return [...this.#groups.keys()];
  }

  #group(name: string): Group<T> {
    const known = this.#groups.get(name);
    if (known !== undefined) return known;
    const group: Group<T> = { name, lanes: new Map(), ready: new Fifo(), isListed: false };
    this.#groups.set(name, group);
    return group;
  }

  #settle(lane: Lane<T>): void {
    if (lane.again.length > 0 || lane.queue.length > 0) return this.#getReady(lane);
    lane.state = "empty";
    lane.group.lanes.delete(lane.name);
    if (lane.group.lanes.size === 0) this.#groups.delete(lane.group.name);
  }

  #getReady(lane: Lane<T>): void {
    lane.state = "ready";
    lane.group.ready.push(lane);
    this.#list(lane.group);
  }

  #list(group: Group<T>): void {
    if (group.isListed) return;
    group.isListed = true;
    this.#listed.push(group);
  }
}

function none(): boolean {
  return false;
}

function takeOf<T>(lane: Lane<T>, tasksMax: number): T[] {
  if (lane.again.length > 0) {
    // what failed is tried again by itself
    const failed = lane.again.slice(0, tasksMax);
    lane.again = lane.again.slice(tasksMax);
    return failed;
  }
  const tasks: T[] = [];
  while (tasks.length < tasksMax) {
    const task = lane.queue.shift();
    if (task === undefined) break;
    tasks.push(task);
  }
  return tasks;
}
