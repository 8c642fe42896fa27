import { decodeFeatures, encodeFeatures, withFeatureLevels } from "../../coordinator-client/znodes/feature.ts";
import { MalformedZnode } from "../../coordinator-client/znodes/json.ts";
import { featurePath } from "../../coordinator-client/znodes/paths.ts";
import { type FinalizedFeatures, nothingFinalized, type SupportedFeatures } from "../../protocol/base/features.ts";
import type { BrokerId } from "../../protocol/base/ids.ts";
import { printable } from "../../protocol/wire/printable.ts";
import type { FeatureUpdate, Verdict } from "./controller-service.ts";
import { withFeatures } from "./controller-state.ts";
import { nothingDirty } from "./dirty-set.ts";
import { DidNotSettle } from "./fenced-writer.ts";
import type { TermContext } from "./term-context.ts";

/** `data` null: there is no node. */
interface ReadFeatures {
  readonly data: Buffer | null;
  readonly features: FinalizedFeatures;
  /** Why it may not be changed; null: it may. */
  readonly fault: string | null;
}

/**
 * What the cluster as a whole acts by, as `/feature` has it. It is written here only, and read again whenever it changes, for other tools
 * may write it, too. What cannot be read is not in force, and is never written over: who wrote it knows what it means.
 *
 * In a rolling upgrade some brokers know a feature and some do not, so a level comes into force only when every broker that is registered
 * can act by it. In a cluster that has no such node, whether new or upgraded, that is done at once, at the highest level: nobody can have
 * wished for a lower one. A broker that comes later and cannot act by what is in force is told of in the log.
 */
export class FeatureKeeper {
  readonly #context: Pick<TermContext, "store" | "writer" | "book" | "log">;
  readonly #supported: SupportedFeatures;
  #byBroker: ReadonlyMap<BrokerId, SupportedFeatures> = new Map();
  #isMissing = false;
  #fault: string | null = null;
  /** What was logged last, so that it is said once. */
  #told = "";

  constructor(context: Pick<TermContext, "store" | "writer" | "book" | "log">, supported: SupportedFeatures) {
    this.#context = context;
    this.#supported = supported;
  }

  /** All that are registered now, with what each of them supports. The first call reads the node. */
  async brokersChanged(byBroker: ReadonlyMap<BrokerId, SupportedFeatures>): Promise<void> {
    const isFirst = this.#byBroker.size === 0;
    this.#byBroker = byBroker;
    if (isFirst || this.#isMissing) await this.look();
    else this.#tell();
  }

  /** Reads the node; makes it where it is missing and every broker is ready. */
  async look(): Promise<void> {
    await this.#read();
    this.#tell();
    if (!this.#isMissing) return;
    const levels = new Map(
      [...this.#supported].filter(([name, { max }]) => this.#whyNot(name, max) === null).map(([name, { max }]) => [name, max]),
    );
    if (levels.size === 0 || levels.size < this.#supported.size) return;
    const { store, writer, log } = this.#context;
    await writer.settle({
      failure: () => "the cluster's features did not settle",
      attempt: async () => {
        if (!this.#isMissing) return { done: undefined };
        const result = await writer.write([store.writeFeatures(encodeFeatures(levels), null)]);
        if (result.kind !== "written") return "unsettled";
        log.info({ features: Object.fromEntries(levels) }, "these features are in force from now on");
        return "again";
      },
      readAgain: async () => {
        await this.#read();
        return "again";
      },
    });
    await this.#read();
  }

  /** As one event: to be called within `ControllerTerm.request`. */
  async update(updates: readonly FeatureUpdate[], validateOnly: boolean): Promise<Verdict> {
    const { store, writer } = this.#context;
    const attempt = async () => {
      const { data, features, fault } = await this.#read();
      const refusal = this.#refusal(updates, features) ?? (fault === null ? null : notUpdated(fault));
      if (refusal !== null) return { done: refusal };
      const changed = new Map(
        updates.filter(({ feature, level }) => level !== (features.levels.get(feature) ?? 0)).map(({ feature, level }) => [feature, level]),
      );
      if (validateOnly || changed.size === 0) return { done };
      const next = data === null ? encodeFeatures(changed) : withFeatureLevels(featurePath, data, changed);
      const result = await writer.write([store.writeFeatures(next, data === null ? null : features.epoch)]);
      if (result.kind !== "written") return "unsettled" as const;
      this.#adopt(withLevels(result.results[0]!.version, features, changed));
      return { done };
    };
    try {
      return await writer.settle<Verdict>({ failure: () => "the features did not settle", attempt });
    } catch (error) {
      // nothing of ours is in flight, and nothing depends on it
      if (error instanceof DidNotSettle) return notUpdated("Another tool writes them again and again.");
      throw error;
    }
  }

  /** Null: they may be changed like this. */
  #refusal(updates: readonly FeatureUpdate[], { levels }: FinalizedFeatures): Verdict | null {
    for (const { feature, level, kind } of updates) {
      const fault =
        (level === 0 && this.#supported.has(feature) ? null : this.#whyNot(feature, level)) ??
        directionFault(level, levels.get(feature) ?? 0, kind);
      if (fault !== null) return { error: "INVALID_UPDATE_VERSION", message: `${printable(feature)} cannot be set to ${level}: ${fault}` };
    }
    return null;
  }

  /** Null: every broker can act by this. */
  #whyNot(feature: string, level: number): string | null {
    const range = this.#supported.get(feature);
    if (range === undefined) return "the controller does not know this feature.";
    if (level < range.min || level > range.max) return `the controller supports ${range.min} to ${range.max}.`;
    for (const [id, supported] of this.#byBroker) {
      const theirs = supported.get(feature);
      if (theirs === undefined) return `broker ${id} does not know this feature.`;
      if (level < theirs.min || level > theirs.max) return `broker ${id} supports ${theirs.min} to ${theirs.max}.`;
    }
    return null;
  }

  async #read(): Promise<ReadFeatures> {
    const { store, writer } = this.#context;
    const node = await store.readFeatures();
    writer.assertTerm();
    this.#isMissing = node === null;
    if (node === null) return this.#adopted({ data: null, features: nothingFinalized, fault: null });
    const { data, version } = node;
    try {
      const { isEnabled, levels } = decodeFeatures(featurePath, data);
      const fault =
        isEnabled || levels.size === 0
          ? null
          : `${featurePath} lists features and says that none of them is in force: it is left as it is.`;
      return this.#adopted({ data, features: { epoch: version, levels: isEnabled ? levels : new Map() }, fault });
    } catch (error) {
      if (!(error instanceof MalformedZnode)) throw error;
      return this.#adopted({ data, features: nothingFinalized, fault: `${printable(error.message)}: it is left as it is.` });
    }
  }

  #adopted(read: ReadFeatures): ReadFeatures {
    this.#fault = read.fault;
    this.#adopt(read.features);
    return read;
  }

  #adopt(features: FinalizedFeatures): void {
    const { book } = this.#context;
    if (isSame(book.current.features, features)) return;
    book.commit(withFeatures(book.current, features), { ...nothingDirty, features: true });
  }

  /** One line for all that is wrong, when something of it is new. */
  #tell(): void {
    const { book, log } = this.#context;
    const notByAll = [...book.current.features.levels].flatMap(([feature, level]) => {
      const why = this.#whyNot(feature, level);
      return why === null ? [] : [`${printable(feature)} ${level}: ${why}`];
    });
    const reasons = this.#fault === null ? notByAll : [this.#fault];
    const told = reasons.join(" ");
    if (told === this.#told) return;
    this.#told = told;
    if (reasons.length > 0) log.warn({ reasons: reasons.slice(0, reasonsMax) }, "not every broker can act by what /feature says");
  }
}

const reasonsMax = 5;
const done: Verdict = { error: "NONE", message: null };

function notUpdated(message: string): Verdict {
  return { error: "FEATURE_UPDATE_FAILED", message };
}

function directionFault(level: number, present: number, kind: FeatureUpdate["kind"]): string | null {
  if (level < present && kind === "upgrade") return `it is at ${present}, and a downgrade must be asked for as one.`;
  if (level > present && kind !== "upgrade") return `it is at ${present}, and a downgrade goes to a lower level.`;
  return null;
}

function withLevels(epoch: number, { levels }: FinalizedFeatures, changed: ReadonlyMap<string, number>): FinalizedFeatures {
  const all = new Map([...levels, ...changed]);
  return { epoch, levels: new Map([...all].filter(([, level]) => level > 0)) };
}

function isSame(a: FinalizedFeatures, b: FinalizedFeatures): boolean {
  return a.epoch === b.epoch && a.levels.size === b.levels.size && [...a.levels].every(([name, level]) => b.levels.get(name) === level);
}
