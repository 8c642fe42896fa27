import type { AutoRebalanceNote } from "../../coordinator-client/znodes/auto-rebalance.ts";
import type { Timer } from "../../protocol/base/clock.ts";
import { partitionKey } from "../../protocol/base/ids.ts";
import type { AutoRebalanceSettings } from "../runtime/config/auto-rebalance-settings.ts";
import { targetOf } from "../runtime/reassignment-rules.ts";
import { type BalanceUnderWay, type NextMoves, nextMoves, nothingUnderWay, troubleOf } from "./auto-balance.ts";
import type { ReplicasWanted } from "./controller-service.ts";
import type { EventQueue } from "./event-queue.ts";
import type { Reassigner } from "./reassigner.ts";
import type { TermContext } from "./term-context.ts";

/** What is logged when it begins, once. `key` null: nothing new. */
interface Standing {
  readonly key: string | null;
  readonly reason?: string;
}

/**
 * Moves partitions without being asked, a few at a time: `ottla.auto.rebalance`. It looks now and then, as an event of the term, and asks
 * the `Reassigner` as anybody may ask. What a look goes by:
 * 1. Nothing is under way: a group of moves is over before the next one begins, and no move of somebody else is overtaken.
 * 2. Nothing is wrong, and has not been for as long as is set; a broker that came or went, moves of somebody else, and the beginning of a
 *    term count as wrong.
 * 3. Nobody has cancelled a reassignment lately. The cancellation is noted in the coordinator before it is carried out, so that no later
 *    controller takes up what was cancelled.
 *
 * A controller that dies leaves its moves in the topics' znodes, from where they go on (`reassignment.ts`), and to the next one they are
 * somebody else's. What is left to do is derived from the assignments, but for the brokers that were being filled: those are noted, too.
 */
export class AutoRebalancer {
  readonly #context: Pick<TermContext, "store" | "writer" | "book" | "clock" | "log">;
  readonly #reassigner: Pick<Reassigner, "alter" | "list">;
  readonly #queue: Pick<EventQueue, "signal">;
  readonly #settings: () => AutoRebalanceSettings;
  #timer: Timer | null = null;
  #isStopped = false;
  /** Null: not read yet. Nobody else writes it during the term. */
  #note: AutoRebalanceNote | null = null;
  #balance: BalanceUnderWay = nothingUnderWay;
  /** Replicas wanted, by partition, of the moves that were begun last. */
  #own: ReadonlyMap<string, string> = new Map();
  /** When something was wrong last (monotonic); null: it is off. */
  #unrestAtMs: number | null = null;
  #registrations = "";
  #told: string | null = null;

  constructor(
    context: Pick<TermContext, "store" | "writer" | "book" | "clock" | "log">,
    reassigner: Pick<Reassigner, "alter" | "list">,
    queue: Pick<EventQueue, "signal">,
    settings: () => AutoRebalanceSettings,
  ) {
    this.#context = context;
    this.#reassigner = reassigner;
    this.#queue = queue;
    this.#settings = settings;
  }

  /** Once the cluster is loaded. */
  start(): void {
    if (this.#isStopped) return;
    this.#timer = this.#context.clock.schedule(this.#settings().intervalMs, () => {
      if (this.#settings().mode === "off" && this.#unrestAtMs === null) return this.start();
      this.#queue.signal("auto rebalance", async () => {
        await this.#look();
        this.start();
      });
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** Within the event that cancels, before anything is cancelled. */
  async cancelling(wanted: readonly ReplicasWanted[]): Promise<void> {
    if (this.#settings().mode === "off") return;
    if (this.#reassigner.list(wanted.filter(({ replicas }) => replicas === null)).length === 0) return;
    const note = await this.#readNote();
    await this.#writeNote({ ...note, cancelledAtMs: this.#context.clock.nowMs() });
  }

  async #look(): Promise<void> {
    const settings = this.#settings();
    if (settings.mode === "off") {
      this.#unrestAtMs = null;
      this.#balance = nothingUnderWay;
      this.#told = null;
      return;
    }
    const { filling, cancelledAtMs } = await this.#readNote();
    this.#tell(this.#whyNot(settings, cancelledAtMs) ?? (await this.#begin(settings, { ...this.#balance, filling: new Set(filling) })));
  }

  /** Null: partitions may be moved. */
  #whyNot({ calmMs, cancelledPauseMs }: AutoRebalanceSettings, cancelledAtMs: number | null): Standing | null {
    const { book, clock } = this.#context;
    const nowMs = clock.monotonicMs();
    const registrations = [...book.current.brokers.values()].map(({ id, epoch }) => `${id}:${epoch}`).join();
    if (this.#unrestAtMs === null || registrations !== this.#registrations) this.#unrestAtMs = nowMs;
    this.#registrations = registrations;
    const trouble = troubleOf(book.current);
    const underWay = this.#reassigner.list(null);
    const isOthers = underWay.some((name) => !this.#isOwn(name));
    if (trouble !== null || isOthers) this.#unrestAtMs = nowMs;
    if (trouble !== null) return { key: "trouble", reason: trouble };
    if (isOthers) return { key: "others", reason: "partitions are being reassigned, not by this controller itself" };
    if (underWay.length > 0) return { key: null };
    // a clock that was far ahead when it was noted does not hold up for longer than the pause
    if (cancelledAtMs !== null && Math.abs(clock.nowMs() - cancelledAtMs) < cancelledPauseMs)
      return { key: "cancelled", reason: "a reassignment was cancelled, which holds for `ottla.auto.rebalance.cancelled.pause.ms`" };
    if (nowMs - this.#unrestAtMs < calmMs)
      return { key: "calm", reason: "it waits until all has been well for `ottla.auto.rebalance.calm.ms`" };
    return null;
  }

  #isOwn({ topic, partition }: { readonly topic: string; readonly partition: number }): boolean {
    const record = this.#context.book.current.topics.get(topic)?.partitions[partition];
    return record !== undefined && this.#own.get(partitionKey(topic, partition)) === targetOf(record).join();
  }

  async #begin(settings: AutoRebalanceSettings, balance: BalanceUnderWay): Promise<Standing> {
    const next = nextMoves(this.#context.book.current, settings, balance);
    const { moves, filling, isEvening, settled } = next;
    // before the first move: who goes on from there knows what was begun
    await this.#noteFilling([...filling]);
    this.#balance = { filling, isEvening, settled };
    if (moves.length === 0) return { key: "balanced", reason: "there is nothing to move: the brokers have their shares" };
    await this.#move(next, settings.mode);
    return { key: "moving" };
  }

  async #move({ moves, reason }: NextMoves, mode: AutoRebalanceSettings["mode"]): Promise<void> {
    const { clock, log } = this.#context;
    const shown = moves.slice(0, 10).map(({ topic, partition, from, to }) => `${topic}-${partition}: ${from.join()} to ${to.join()}`);
    log.info({ mode, reason, moves: shown }, "partitions are moved by themselves, as `ottla.auto.rebalance` says");
    this.#own = new Map(moves.map(({ topic, partition, to }) => [partitionKey(topic, partition), to.join()]));
    const wanted = moves.map(({ topic, partition, to }) => ({ topic, partition, replicas: to }));
    const refused = (await this.#reassigner.alter(wanted, false)).find(({ error }) => error !== "NONE");
    if (refused === undefined) return;
    // whatever it is, it is not asked for again and again
    this.#unrestAtMs = clock.monotonicMs();
    log.warn(refused, "not all partitions can be moved by themselves");
  }

  async #noteFilling(filling: AutoRebalanceNote["filling"]): Promise<void> {
    const note = await this.#readNote();
    if (filling.join() !== note.filling.join()) await this.#writeNote({ ...note, filling });
  }

  async #readNote(): Promise<AutoRebalanceNote> {
    const { store, writer } = this.#context;
    if (this.#note === null) {
      const { note } = await store.readAutoRebalanceNote();
      writer.assertTerm();
      this.#note = note;
    }
    return this.#note;
  }

  async #writeNote(note: AutoRebalanceNote): Promise<void> {
    const { store, writer } = this.#context;
    await writer.settle({
      failure: () => "the note of what is moved by itself did not settle",
      attempt: async () => {
        const { version } = await store.readAutoRebalanceNote();
        const result = await writer.write([store.writeAutoRebalanceNote(note, version)]);
        return result.kind === "written" ? { done: undefined } : "unsettled";
      },
    });
    this.#note = note;
  }

  /** Once, until something else is to be told. */
  #tell({ key, reason }: Standing): void {
    if (key === null || key === this.#told) return;
    this.#told = key;
    if (reason !== undefined) this.#context.log.info({ reason }, "`ottla.auto.rebalance` moves nothing for now");
  }
}
