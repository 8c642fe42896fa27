import type { Definition } from "./definition.ts";

/**
 * The words used for settings. A *setting* is declared once, in a row of the tables here and in `topic-settings.ts`. Its *text* is what was
 * set, in a file, an environment or at run time; its *value* is the parsed text, typed. *Settings* (`TopicSettings`, `BrokerSettings`, ...)
 * are values by the names under which the code reads them: they are inferred from the rows. *Config* stands only in the protocol's own
 * names, and for the file with which a broker is started; *options* are the arguments of a function or constructor.
 */
export type Setting = BrokerSetting<unknown> | TopicSetting<unknown> | IdleSetting;

/** A setting under one of its names, as Kafka's tools see it. */
export interface NamedSetting extends Definition<unknown> {
  readonly name: string;
  /** Why it has no effect; null: it has one. */
  readonly withoutEffect: string | null;
}

/** The broker's setting that a topic falls back on. */
export interface Synonym extends NamedSetting {
  /** How many of the topic's units one of its units is. */
  readonly factor: number;
}

interface Declared {
  /** What a topic may have of its own; null: it is a setting of brokers only. */
  readonly topic: NamedSetting | null;
  /** In order: the first that was set for a broker counts, otherwise the last one's default. */
  readonly broker: readonly Synonym[];
}

/** The code reads it per broker. */
export interface BrokerSetting<T> extends Declared {
  readonly kind: "broker";
  /** From the result of the definition's `parse`. */
  readonly value: (parsed: unknown) => T;
}

/** The code reads it per topic. */
export interface TopicSetting<T> extends Declared {
  readonly kind: "topic";
  readonly topic: NamedSetting;
  readonly value: (parsed: unknown) => T;
  /** The setting whose value counts where this one is at its default, "no limit". */
  readonly unlimitedElse: OfTopics | null;
}

/** The code does not read it, so it is in no type of settings: it has no effect, or only other settings depend on it. */
export interface IdleSetting extends Declared {
  readonly kind: "idle";
}

/** One that a topic may have of its own. */
export type OfTopics = Setting & { readonly topic: NamedSetting };

/** What the code reads of a broker, inferred from rows. */
export type BrokerValues<Rows> = {
  readonly [F in keyof Rows as Rows[F] extends BrokerSetting<unknown> ? F : never]: Rows[F] extends BrokerSetting<infer T> ? T : never;
};

/** What the code reads of a topic, inferred from rows. */
export type TopicValues<Rows> = {
  readonly [F in keyof Rows as Rows[F] extends TopicSetting<unknown> ? F : never]: Rows[F] extends TopicSetting<infer T> ? T : never;
};

/** `value`: converts the result of the definition's `parse`, where the code wants something else. */
export function brokerSetting<P, T = P>(
  name: string,
  definition: Definition<P>,
  value: (parsed: P) => T = (parsed) => parsed as unknown as T,
): BrokerSetting<T> {
  const named = { ...definition, name, withoutEffect: null, factor: 1 };
  return { kind: "broker", topic: null, broker: [named], value: (parsed) => value(parsed as P) };
}

/** A broker's setting behind a topic's, from its definition. */
type Fallback = (topic: Definition<unknown>) => Synonym;

/** Defined like the topic's, and changed at run time like it. */
export function same(name: string, documentation?: string): Fallback {
  return (topic) => ({
    ...topic,
    documentation: documentation ?? topic.documentation,
    update: "per-broker",
    name,
    withoutEffect: null,
    factor: 1,
  });
}

/** With a definition of its own. */
export function other(name: string, definition: Definition<unknown>, factor = 1): Fallback {
  return () => ({ ...definition, name, withoutEffect: null, factor });
}

/** `broker`: what a topic without it falls back on, in order. */
export function topicSetting<P, T = P>(
  name: string,
  definition: Definition<P>,
  broker: readonly Fallback[],
  value: (parsed: P) => T = (parsed) => parsed as unknown as T,
): TopicSetting<T> {
  return {
    kind: "topic",
    topic: { ...definition, name, withoutEffect: null },
    broker: broker.map((fallback) => fallback(definition)),
    value: (parsed) => value(parsed as P),
    unlimitedElse: null,
  };
}

export function unlimitedElse<T>(setting: TopicSetting<T>, former: OfTopics): TopicSetting<T> {
  return { ...setting, unlimitedElse: former };
}

/** Stored and shown, so that Kafka's tools work unchanged, but without effect. `why`: where the documentation does not say so. */
export function withoutEffect({ topic, broker }: Setting, why?: string): IdleSetting {
  const idle = <N extends NamedSetting>(named: N): N => ({ ...named, withoutEffect: why ?? named.documentation });
  return { kind: "idle", topic: topic && idle(topic), broker: broker.map(idle) };
}

/** Not read on its own: only other settings depend on it. */
export function readByOthers({ topic, broker }: TopicSetting<unknown>): IdleSetting & OfTopics {
  return { kind: "idle", topic, broker };
}
